"""The contract every layer keeps: forward, and the hand-derived backward.

A layer is described first (`Linear(128)`), then built: it learns its input size, asks for
parameters, and is connected to an engine that owns its arrays.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ffnn.backend.engine import Array, Engine
from ffnn.backend.workspace import Workspace
from ffnn.nn.parameters import Parameter, ParameterSpec


class Layer(ABC):
    """One step of a network; by its `kind` layers are named: the first "linear" is "linear1".

    Arrays that `forward` and `backward` return belong to the layer and are overwritten by its next call: copy what must
    last. Shapes: inputs (batch_size, input_size), outputs (batch_size, output_size).
    """

    kind: ClassVar[str]
    engine: Engine
    input_size: int

    def output_size(self, input_size: int) -> int:
        """Features that leave the layer when `input_size` enter it."""
        return input_size

    def parameter_specs(self, input_size: int) -> list[ParameterSpec]:
        """The trainable arrays this layer asks for."""
        return []

    def connect(self, engine: Engine, input_size: int, parameters: dict[str, Parameter], seed: int) -> None:
        """Take the engine, the granted parameters by own name, and a seed in [0, 2**32) for random layers."""
        self.engine = engine
        self.input_size = input_size
        self.buffer = Workspace(engine)

    @abstractmethod
    def forward(self, inputs: Array, training: bool = False) -> Array:
        """Outputs for a batch; with `training`, as during a training step (noise, batch statistics)."""

    @abstractmethod
    def backward(self, grad_outputs: Array, needs_input_grad: bool = True) -> Array:
        """From dLoss/doutputs of the last forward, write dLoss/dparameters and return dLoss/dinputs.

        With `needs_input_grad=False` the result is not used and a layer may save its cost.
        """

    def numbers(self, step: Any) -> tuple[Any, ...]:
        """What the kernels of a training step take anew, whole numbers below 2**32; usually nothing.

        `step` counts from now: an int, or a uint64 array of many, for which each number is such an array.
        """
        return ()

    def take_numbers(self, cells: Sequence[Array]) -> None:  # noqa: B027 - most layers have none
        """From now on read what `numbers` gives from these cells, which somebody else brings up to date."""

    def skip(self, steps: int) -> None:  # noqa: B027
        """Take so many training steps as done elsewhere."""

    def state(self) -> dict[str, Array]:
        """Arrays that are not trained but belong to a saved network, by own name."""
        return {}

    def flops(self) -> int:
        """Multiplications and additions of one forward pass for one sample; 0 where they are negligible."""
        return 0

    def __repr__(self) -> str:
        options = [name for name in inspect.signature(type(self)).parameters if hasattr(self, name)]
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in options)})"


def key_of_step(seed: int, step: Any) -> Any:
    """The key, a uint32, that a random layer uses in its step number `step`; of a uint64 array, that of each.

    Two rounds of a 64-bit finalizer (Steele et al., "Fast splittable pseudorandom number
    generators", OOPSLA 2014) over seed and step.

    Examples
    --------
    >>> bool(key_of_step(7, 0) == key_of_step(7, 0)), bool(key_of_step(7, 0) == key_of_step(7, 1))
    (True, False)
    """
    bits = ((seed * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF) + step) & 0xFFFFFFFFFFFFFFFF
    for multiplier in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB):
        bits = ((bits ^ (bits >> 30)) * multiplier) & 0xFFFFFFFFFFFFFFFF
    return np.uint32((bits ^ (bits >> 31)) >> 32)  # a plain number would reach a kernel as a float
