"""The contract every optimizer keeps: its rule, what it remembers for each parameter, and decay beside the rule.

A rule is a formula over one parameter value, its slots and its gradient; it runs once over the flat array of all
parameters.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ffnn.backend.engine import Array, unexplained
from ffnn.errors import FFNNError
from ffnn.nn.doors import saved_values
from ffnn.nn.parameters import ParameterStore
from ffnn.ranges import in_range
from ffnn.registry import Registry


def shrunk(value, share):
    """The value less a share of it."""
    return value - share * value


class Optimizer(ABC):
    """Moves all parameters a step along their gradients.

    Parameters
    ----------
    learning_rate : float in (0, inf)
        Of `step`. A trainer hands each step's rate, after its schedule, to `numbers`.
    weight_decay : float in [0, inf)
        Decoupled: every step also multiplies weights (not biases) by 1 - learning_rate *
        weight_decay, untouched by the rule. Loshchilov & Hutter, ICLR 2019.

    Attributes
    ----------
    rule : formula (value, *slots, grad, *constants) -> (value, *slots)
    slots : tuple of str
        What the rule remembers for each parameter; all start at 0.
    """

    slots: ClassVar[tuple[str, ...]] = ()
    rule: ClassVar[Callable[..., Any]]

    def __init__(self, learning_rate: float, weight_decay: float = 0.0) -> None:
        self.learning_rate = in_range("learning_rate", learning_rate, 0, open_low=True)
        self.weight_decay = in_range("weight_decay", weight_decay, 0)
        self.steps = 0

    def connect(self, parameters: ParameterStore) -> None:
        """Take the parameters to move and allocate the slots; called once, before the first step."""
        engine = parameters.engine
        self._parameters = parameters
        self._slots = {name: engine.zeros((parameters.size,)) for name in self.slots}
        self._update = unexplained(engine.update(type(self).rule))
        self._decay = engine.update(shrunk)
        self._targets = (parameters.values, *self._slots.values())

    @abstractmethod
    def constants(self, step: int, learning_rate: float) -> tuple[float, ...]:
        """What the rule takes after the gradient, in step number `step` (the first is 1) at this learning rate.

        At one learning rate each of them only rises, or only falls, with the step: numbers that are equal in the first
        and the last step of an epoch are taken to be so in all.
        """

    def step(self) -> None:
        """Move every parameter once."""
        if not hasattr(self, "_parameters"):
            raise FFNNError("an optimizer needs parameters to move: call optimizer.connect(network.parameters) first")
        self.steps += 1
        self.move(self.numbers(self.steps, self.learning_rate))

    def numbers(self, step: int, learning_rate: float) -> tuple[float, ...]:
        """What `move` takes in step number `step`: the share that weights lose by decay, then the rule's constants."""
        return (learning_rate * self.weight_decay, *self.constants(step, learning_rate))

    def move(self, numbers: Sequence[float | Array]) -> None:
        """Move every parameter once, with numbers, or cells of an engine, that `numbers` gave."""
        share, *constants = numbers
        if self.weight_decay:
            self._decay((self._parameters.penalised_values,), (), (share,))
        self._update(self._targets, (self._parameters.grads,), tuple(constants))

    @property
    def slots_now(self) -> tuple[Array, ...]:
        """The arrays behind `slots`."""
        return self._targets[1:]

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Copies of the slots and the number of steps taken."""
        host = self._parameters.engine.host
        return {name: np.array(host(slot)) for name, slot in self._slots.items()} | {"steps": np.array(self.steps)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave. Names, shapes and types must match, or FFNNError and nothing is changed."""
        if set(state) != {*self.slots, "steps"}:
            expected = ", ".join([*self.slots, "steps"])
            raise FFNNError(f"saved optimizer state: expected {expected}; received {', '.join(sorted(state))}")
        kinds = {name: (slot.shape, slot.dtype) for name, slot in self._slots.items()} | {"steps": ((), np.int64)}
        values = {name: saved_values(f"optimizer state {name}", state[name], *kind) for name, kind in kinds.items()}
        steps = int(values["steps"])
        if steps < 0:
            raise FFNNError(f"optimizer state steps: expected at least 0; received {steps}")
        for name, slot in self._slots.items():
            slot[...] = self._parameters.engine.array(values[name])
        self.steps = steps

    def __repr__(self) -> str:
        return f"{type(self).__name__}(learning_rate={self.learning_rate:g})"


OPTIMIZERS: Registry[Optimizer] = Registry("optimizer")
