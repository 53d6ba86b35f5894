"""The contract that every framework's network keeps: an ffnn network's values in, a trained network's values out.

Names and shapes are ffnn's on this side of the contract, whatever the framework makes of them.
"""

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, ClassVar

from numpy.typing import NDArray

from ffnn.errors import FFNNError
from ffnn.nn import Network, Objective, Optimizer, Schedule
from ffnn.nn.clipping import Clip
from ffnn.nn.schedules import Clock
from ffnn.reference.counterpart import Tables
from ffnn.registry import Registry

State = Mapping[str, NDArray[Any]]
"""Values by ffnn's names (`Network.state_dict`): linear1.weight (in, out), linear1.bias, batch_norm1.scale, ..."""


@dataclass(frozen=True)
class Step:
    """What a step of a reference network tells.

    `loss` is the mean over the batch before the update, without the penalty; `divisor` what the sum over rows was
    divided by: their number, or their weights. `outputs` (batch_size, num_outputs) are the answers before the update;
    `gradients` those of loss and penalty together, before clipping, empty unless they were asked for.
    """

    loss: float
    divisor: float
    outputs: NDArray[Any]
    gradients: State


class Reference(ABC):
    """The same network, loss and optimizer in another framework, from the values that the ffnn network has now.

    Of the objective values are copied, and nothing of it is changed; the optimizer, its kind and options, need not be
    connected. Clips bound the gradients, in their order; `seed` is that of the framework's own dropout masks, which are
    not ffnn's. FFNNError if the framework is not installed, or has no counterpart of a layer, the loss or the
    optimizer.

    It needs `packages`: modules to import, and the distributions they come from; `tables` say what it calls things.

    Examples
    --------
    >>> import numpy as np
    >>> from ffnn.nn import LOSSES, OPTIMIZERS, Linear, ReLU
    >>> objective = Objective(Network([Linear(8), ReLU(), Linear(3)], 4, "numpy"), LOSSES.create("cross_entropy"))
    >>> adam = OPTIMIZERS.create("adam", learning_rate=0.01)
    >>> twin = make_reference("torch", objective, adam)
    >>> twin.fit([(np.ones((5, 4), np.float32), np.zeros(5, np.int64))] * 100) < 0.5
    True
    >>> int(twin.predict(np.ones((1, 4), np.float32)).argmax())
    0
    >>> twin.parameters()["linear1.weight"].shape
    (4, 8)
    """

    packages: ClassVar[Mapping[str, str]]
    tables: ClassVar[Tables]

    def __init__(self, objective: Objective, optimizer: Optimizer, clips: Sequence[Clip] = (), seed: int = 0) -> None:
        self.objective, self.optimizer, self.clips, self.seed = objective, optimizer, clips, seed

    @classmethod
    def missing(cls) -> str:
        """What to install before it can be used, or nothing."""
        absent = [name for module, name in cls.packages.items() if importlib.util.find_spec(module) is None]
        return f"pip install {' '.join(absent)}" if absent else ""

    @classmethod
    @abstractmethod
    def rates(cls, schedule: Schedule, rate: float, clock: Clock) -> list[float]:
        """The learning rate at each step of a run, as the framework's own schedule of that kind has it."""

    @abstractmethod
    def limit_threads(self, threads: int) -> None:
        """Use at most so many threads from now on, where the framework can be told while it runs."""

    @abstractmethod
    def step(
        self, inputs: NDArray[Any], labels: NDArray[Any], learning_rate: float, with_gradients: bool = False
    ) -> Step:
        """One update from one batch of inputs (batch_size, input_size) and labels, class numbers or float targets.

        A loss that is not finite moves nothing.
        """

    def fit(self, batches: Iterable[tuple[NDArray[Any], NDArray[Any]]], rates: Iterable[float] | None = None) -> float:
        """A step on every batch, at the optimizer's learning rate or at these; returns the mean loss of all rows."""
        total = weight = 0.0
        rate_of_step = iter(rates) if rates is not None else repeat(self.optimizer.learning_rate)
        for inputs, labels in batches:
            step = self.step(inputs, labels, next(rate_of_step))
            total += step.loss * step.divisor
            weight += step.divisor
        return total / weight

    @abstractmethod
    def rehearse(self, inputs: NDArray[Any], labels: NDArray[Any], with_gradients: bool = False) -> None:
        """Have everything compiled that a step on such a batch needs, and change nothing."""

    @abstractmethod
    def predict(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """The network's outputs in evaluation mode: logits, unless it ends in softmax."""

    @abstractmethod
    def values(self) -> dict[str, NDArray[Any]]:
        """Copies of all trained values and of batch norm's running averages, by ffnn's names and in its shapes."""

    def parameters(self) -> dict[str, NDArray[Any]]:
        """Those of `values` that are trained."""
        values = self.values()
        return {parameter.name: values[parameter.name] for parameter in self.objective.network.parameters}

    def copy_into(self, network: Network) -> None:
        """Give the ffnn network the present values, so that it answers as this one does."""
        network.load_state_dict({**network.state_dict(), **self.values()})


REFERENCES: Registry[Reference] = Registry("framework")


def reference_class(framework: str) -> type[Reference]:
    """The class registered as `framework`, for what is known without making one."""
    entry = REFERENCES[framework]
    assert isinstance(entry, type)
    assert issubclass(entry, Reference)
    return entry


def make_reference(
    framework: str, objective: Objective, optimizer: Optimizer, clips: Sequence[Clip] = (), seed: int = 0
) -> Reference:
    """The reference network of a framework by its name; parameters and errors are those of `Reference`."""
    kind = reference_class(framework)
    remedy = kind.missing()
    if remedy:
        raise FFNNError(f"framework={framework} needs packages that are not installed: {remedy}")
    return kind(objective, optimizer, clips, seed)
