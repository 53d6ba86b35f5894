"""All trainable numbers of a network in one flat array, with a view for each weight and bias.

One array for values and one for gradients make an optimizer step a single call, whatever the depth.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ffnn.backend.engine import Array, Engine
from ffnn.nn.initializers import Initializer


@dataclass(frozen=True)
class ParameterSpec:
    """What a layer asks for: a name of its own, a shape, an initializer, and whether penalties apply."""

    name: str
    shape: tuple[int, ...]
    initializer: Initializer
    penalised: bool


@dataclass(frozen=True)
class Parameter:
    """One trainable array of a network.

    `name` is qualified, such as "linear1.weight". `value` and `grad`, of equal shape, are views into the flat arrays,
    in which `place` is (start, stop): write with `value[...] = `. Weights are `penalised`; L2 and weight decay leave
    everything else alone.
    """

    name: str
    value: Array
    grad: Array
    penalised: bool
    place: tuple[int, int]


class ParameterStore:
    """The flat `values` and `grads` of a network: penalised parameters first, then the others.

    `specs` are pairs of a layer's name and a ParameterSpec. `rng_for` gives, for a parameter's qualified name, the
    generator of its initial draw: one for each name keeps a layer's draw the same when layers around it change. `norm`,
    a float64 array of one value, is room for the norm of the gradients, which whoever clips them computes there.
    """

    def __init__(
        self, engine: Engine, specs: list[tuple[str, ParameterSpec]], rng_for: Callable[[str], np.random.Generator]
    ) -> None:
        sizes = [int(np.prod(spec.shape)) for _, spec in specs]
        self.engine = engine
        self.size = sum(sizes)
        self.penalised_size = sum(size for (_, spec), size in zip(specs, sizes, strict=True) if spec.penalised)
        self.values = engine.zeros((self.size,))
        self.grads = engine.zeros((self.size,))
        self.norm = engine.zeros((1,), np.float64)
        offsets = {True: 0, False: self.penalised_size}
        self._by_name: dict[str, Parameter] = {}
        for (layer, spec), size in zip(specs, sizes, strict=True):
            part = slice(offsets[spec.penalised], offsets[spec.penalised] + size)
            offsets[spec.penalised] += size
            name = f"{layer}.{spec.name}"
            value, grad = self.values[part].reshape(spec.shape), self.grads[part].reshape(spec.shape)
            value[...] = engine.array(spec.initializer(spec.shape, rng_for(name)))
            self._by_name[name] = Parameter(name, value, grad, spec.penalised, (part.start, part.stop))

    @property
    def penalised_values(self) -> Array:
        """The flat part of `values` that L2 and weight decay apply to."""
        return self.values[: self.penalised_size]

    @property
    def penalised_grads(self) -> Array:
        """The flat part of `grads` that belongs to `penalised_values`."""
        return self.grads[: self.penalised_size]

    def __getitem__(self, name: str) -> Parameter:
        return self._by_name[name]

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)
