"""Registries: the tables through which configs, commands and tests find classes by name.

A class registers itself where it is written, so adding one touches no other file.
"""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from ffnn.errors import FFNNError, nearest

T = TypeVar("T")
Maker = Callable[..., T]


class Registry(Generic[T]):
    """Names of one kind of thing, in the order in which they were registered.

    `kind` is what is registered, as error messages call it: "activation", "optimizer".

    Examples
    --------
    >>> SHAPES = Registry("shape")
    >>> @SHAPES.register("square")
    ... class Square:
    ...     def __init__(self, side=1.0):
    ...         self.side = side
    >>> SHAPES.create({"name": "square", "side": 2.0}).side
    2.0
    >>> SHAPES.create("sqare")
    Traceback (most recent call last):
    ffnn.errors.FFNNError: unknown shape 'sqare': expected one of square; did you mean 'square'?
    >>> SHAPES.create("square", edge=1.0)
    Traceback (most recent call last):
    ffnn.errors.FFNNError: shape 'square' has no option 'edge': it accepts side
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, Maker[T]] = {}

    def register(self, name: str) -> Callable[[Maker[T]], Any]:
        """Class decorator: make the class known as `name`."""

        def remember(entry: Maker[T]) -> Maker[T]:
            if name in self._entries:
                raise ValueError(f"{self.kind} {name!r} is registered twice")
            self._entries[name] = entry
            return entry

        return remember

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __getitem__(self, name: str) -> Maker[T]:
        if name not in self._entries:
            names = ", ".join(self._entries)
            raise FFNNError(f"unknown {self.kind} {name!r}: expected one of {names}{nearest(str(name), self._entries)}")
        return self._entries[name]

    def options(self, name: str) -> dict[str, inspect.Parameter]:
        """What the entry's constructor accepts, by name."""
        return dict(_parameters(self[name]))

    def create(self, spec: str | Mapping[str, Any], **options: Any) -> T:
        """The entry `spec`, a name or a mapping with a `name` and options, made with all options together."""
        values = {"name": spec} if isinstance(spec, str) else dict(spec)
        if "name" not in values:
            raise FFNNError(f"{self.kind} needs a 'name': expected one of {', '.join(self)}; received {values!r}")
        name = values.pop("name")
        if not isinstance(name, str):
            raise FFNNError(f"{self.kind}: expected a name, one of {', '.join(self)}; received {name!r}")
        values.update(options)
        accepted = self.options(name)
        for option in values:
            if option not in accepted:
                listed = ", ".join(accepted) or "none"
                hint = nearest(option, accepted)
                raise FFNNError(f"{self.kind} {name!r} has no option {option!r}: it accepts {listed}{hint}")
        missing = [p.name for p in accepted.values() if p.default is p.empty and p.name not in values]
        if missing:
            raise FFNNError(
                f"{self.kind} {name!r} needs {', '.join(missing)}: write {{name: {name}, {missing[0]}: ...}}"
            )
        return self[name](**values)


@functools.cache
def _parameters(entry: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Of a constructor; asking takes longer than everything else about a setting, and 50,000 runs ask."""
    return inspect.signature(entry).parameters
