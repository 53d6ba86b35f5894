"""What a framework calls the things that ffnn registers, and what it lacks.

A row tells of one thing what every framework calls it; a framework's table is a column of such rows.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import ModuleType
from typing import Any

from ffnn.errors import FFNNError
from ffnn.nn import BatchNorm, ClipNorm, ClipValue, Dropout, Layer, Linear, Loss
from ffnn.nn.clipping import Clip
from ffnn.registry import Registry

Options = Mapping[str, str | Callable[[Any], Any]]

LAYERS: Registry[Layer] = Registry("layer")
"""Layers that are not activations, which need no registry but here."""

for _layer in (Linear, BatchNorm, Dropout):
    LAYERS.register(_layer.kind)(_layer)

CLIPPINGS: Registry[Clip] = Registry("clipping")
"""Bounds on gradients, by the settings that ask for them."""

CLIPPINGS.register("clip_norm")(ClipNorm)
CLIPPINGS.register("clip_value")(ClipValue)


@dataclass(frozen=True)
class Counterpart:
    """A framework's own class or function for something of ffnn's.

    `name` is what the framework calls it. `options` are the framework's, with the attributes of ffnn's object that hold
    their values, or functions of it; those of `fixed` are always given so. `remark` says where it is defined
    differently, and why the two still nearly agree. `bounds` are the largest relative differences that the remark
    explains, of "loss", "gradients", "parameters" and "outputs"; those not named are to agree as closely as rounding
    lets them. "scheduled" is the bound of the last two where the learning rate moves.

    Examples
    --------
    >>> from ffnn.nn import Adam
    >>> Counterpart("Adam", {"betas": lambda adam: (adam.beta1, adam.beta2), "eps": "epsilon"}).arguments(Adam())
    {'betas': (0.9, 0.999), 'eps': 1e-08}
    """

    name: str
    options: Options = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    remark: str = ""
    bounds: Mapping[str, float] = field(default_factory=dict)

    def arguments(self, thing: object) -> dict[str, Any]:
        """The framework's options, with the values of `thing`."""
        read = {
            option: getattr(thing, source) if isinstance(source, str) else source(thing)
            for option, source in self.options.items()
        }
        return {**read, **self.fixed}


@dataclass(frozen=True)
class Lacking:
    """A framework has nothing of this kind, for a `reason` that messages give: a sentence without its point."""

    reason: str


@dataclass(frozen=True)
class Row:
    """What the frameworks call one thing that ffnn registers."""

    torch: Counterpart | Lacking
    jax: Counterpart | Lacking
    tensorflow: Counterpart | Lacking


class Table:
    """A framework's counterparts of one registry, by the registered name, or by an object of a registered class.

    Examples
    --------
    >>> from ffnn.nn import ACTIVATIONS, ReLU, Tanh
    >>> table = Table("torch", ACTIVATIONS, {"relu": Counterpart("ReLU")})
    >>> table[ReLU()].name
    'ReLU'
    >>> table[Tanh()]
    Traceback (most recent call last):
    ffnn.errors.FFNNError: torch has no counterpart of the activation 'tanh': expected one of relu, or framework=ffnn
    """

    def __init__(self, framework: str, registry: Registry[Any], entries: Mapping[str, Counterpart | Lacking]) -> None:
        self.framework, self.registry = framework, registry
        self._entries = dict(entries)

    def __iter__(self) -> Iterator[str]:
        return (name for name, entry in self._entries.items() if isinstance(entry, Counterpart))

    def __contains__(self, name: object) -> bool:
        return isinstance(self._entries.get(str(name)), Counterpart)

    def __getitem__(self, thing: object) -> Counterpart:
        name = thing if isinstance(thing, str) else registered_name(self.registry, thing)
        entry = self._entries.get(name)
        if isinstance(entry, Counterpart):
            return entry
        why = f"{entry.reason}; " if entry else ""
        raise FFNNError(
            f"{self.framework} has no counterpart of the {self.registry.kind} {name!r}: {why}"
            f"expected one of {', '.join(self)}, or framework=ffnn"
        )


@dataclass(frozen=True)
class Tables:
    """All counterparts of a framework, a table a registry."""

    layers: Table
    activations: Table
    losses: Table
    optimizers: Table
    schedules: Table
    clippings: Table

    @classmethod
    def of(cls, framework: str, **kinds: tuple[Registry[Any], Mapping[str, Row]]) -> "Tables":
        """The column of one framework, from a registry and its rows for each kind of thing."""
        return cls(
            **{
                kind: Table(framework, registry, {name: getattr(row, framework) for name, row in rows.items()})
                for kind, (registry, rows) in kinds.items()
            }
        )

    def of_layer(self, layer: Layer) -> Counterpart:
        """A layer's counterpart, be it an activation or not."""
        return self.layers[layer] if layer.kind in self.layers.registry else self.activations[layer]

    def loss_of(self, module: ModuleType, loss: Loss) -> Callable[..., Any]:
        """A module's function that is this loss, with its options: of outputs and labels, their sum and its divisor."""
        counterpart = self.losses[loss]
        return partial(getattr(module, counterpart.name), loss, **counterpart.arguments(loss))


def registered_name(registry: Registry[Any], thing: object) -> str:
    """The name under which the class of `thing` is registered; the class's own where it is not."""
    return next((name for name in registry if registry[name] is type(thing)), type(thing).__name__)
