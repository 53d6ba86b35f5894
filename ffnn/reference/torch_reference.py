"""The reference network in PyTorch: its modules, its automatic gradients, its optimizers and its clipping.

Only the penalty and the focal loss are put together here, from its operations.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ffnn.errors import FFNNError
from ffnn.nn import Linear, Network, Objective, Optimizer, Schedule
from ffnn.nn.clipping import Clip
from ffnn.nn.schedules import Clock
from ffnn.reference import counterparts, torch_losses
from ffnn.reference.counterpart import registered_name
from ffnn.reference.course import course, steps_between
from ffnn.reference.reference import REFERENCES, Reference, State, Step
from ffnn.reference.torch_network import as_numpy, build_network, gradients_of, values_of

TABLES = counterparts.TABLES["torch"]

DECOUPLED = {"sgd": "SGD", "adam": "AdamW", "adamw": "AdamW"}
"""Classes whose weight_decay acts as ffnn's, on the values and not through the rule; for plain SGD both are one."""


@REFERENCES.register("torch")
class TorchReference(Reference):
    """PyTorch on the CPU, eager, with its fused optimizers where it has them.

    Dropout draws from PyTorch's global generator, which is seeded when the network is made. `network` is a
    torch.nn.Sequential in training mode, whose modules have ffnn's names; `torch_optimizer` is what moves it.
    """

    packages: ClassVar = {"torch": "torch"}
    tables: ClassVar = TABLES

    def __init__(self, objective: Objective, optimizer: Optimizer, clips: Sequence[Clip] = (), seed: int = 0) -> None:
        import torch

        super().__init__(objective, optimizer, clips, seed)
        torch.manual_seed(seed)
        self.network = build_network(objective.network)
        self._loss = TABLES.loss_of(torch_losses, objective.loss)
        self.torch_optimizer = build_optimizer(optimizer, objective.network, self.network)
        self._clips = [
            partial(getattr(torch.nn.utils, part.name), list(self.network.parameters()), **part.arguments(clip))
            for clip in clips
            for part in [TABLES.clippings[clip]]
        ]
        self._weights = _weights(objective.network, self.network)

    @classmethod
    def rates(cls, schedule: Schedule, rate: float, clock: Clock) -> list[float]:
        import torch

        counterpart = TABLES.schedules[schedule]
        optimizer = torch.optim.SGD([torch.zeros(1)], rate)
        arguments = counterpart.arguments(course("torch", schedule, rate, clock))
        scheduler = getattr(torch.optim.lr_scheduler, counterpart.name)(optimizer, **arguments)
        every, rates = steps_between(counterpart, clock), []
        for step in range(1, clock.total_steps + 1):
            rates.append(float(optimizer.param_groups[0]["lr"]))
            optimizer.step()
            if step % every == 0 and step < clock.total_steps:
                scheduler.step()
        return rates

    def limit_threads(self, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)

    def rehearse(self, inputs: NDArray[Any], labels: NDArray[Any], with_gradients: bool = False) -> None:
        import torch

        # Another network takes the step: only what PyTorch loads at its first one is wanted.
        TorchReference(self.objective, self.optimizer, self.clips).step(inputs, labels, self.optimizer.learning_rate)
        torch.manual_seed(self.seed)

    def step(
        self, inputs: NDArray[Any], labels: NDArray[Any], learning_rate: float, with_gradients: bool = False
    ) -> Step:
        import torch

        self.torch_optimizer.zero_grad()
        targets = torch.from_numpy(labels)
        outputs = self.network(torch.from_numpy(inputs))
        total, divisor = self._loss(outputs, targets)
        loss = total / divisor
        value = loss.item()
        gradients: State = {}
        if np.isfinite(value):
            (loss + self._penalty(len(labels))).backward()
            if with_gradients:
                gradients = gradients_of(self.network, self.objective.network)
            for clip in self._clips:
                clip()
            for group in self.torch_optimizer.param_groups:
                group["lr"] = learning_rate
            self.torch_optimizer.step()
        return Step(value, float(divisor), outputs.detach().numpy(), gradients)

    def _penalty(self, batch_size: int) -> Any:
        """The L2 penalty as a term of the loss, or 0."""
        penalty = self.objective.penalty
        if penalty is None:
            return 0.0
        return penalty.factor(batch_size) / 2 * sum(weight.square().sum() for weight in self._weights)

    def predict(self, inputs: NDArray[Any]) -> NDArray[Any]:
        import torch

        self.network.eval()
        try:
            with torch.inference_mode():
                return as_numpy(self.network(torch.from_numpy(np.ascontiguousarray(inputs))))
        finally:
            self.network.train()

    def values(self) -> dict[str, NDArray[Any]]:
        return {name: as_numpy(tensor) for name, tensor in values_of(self.network, self.objective.network).items()}


def build_optimizer(optimizer: Optimizer, network: Network, module: Any) -> Any:
    """The class of torch.optim that is this optimizer, with decay on the weights alone."""
    import torch

    counterpart = TABLES.optimizers[optimizer]
    kind, decay = counterpart.name, optimizer.weight_decay
    if decay:
        name = registered_name(TABLES.optimizers.registry, optimizer)
        if name not in DECOUPLED:
            raise FFNNError(
                f"torch has no decoupled weight_decay for the optimizer {name!r}: "
                f"expected one of {', '.join(DECOUPLED)}, l2 instead, or framework=ffnn"
            )
        kind = DECOUPLED[name]
    make = partial(getattr(torch.optim, kind), lr=optimizer.learning_rate, **counterpart.arguments(optimizer))
    if not decay:
        # One group is one call a step; and the class may decay by itself where it is not told otherwise.
        return make(list(module.parameters()), weight_decay=0.0)
    weights = _weights(network, module)
    others = [value for value in module.parameters() if not any(value is weight for weight in weights)]
    return make([{"params": weights, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}])


def _weights(network: Network, module: Any) -> list[Any]:
    return [getattr(module, name).weight for name, layer in network.layers.items() if isinstance(layer, Linear)]
