"""Where in a YAML file a value stands, so that a message can name the line to mend.

The values themselves are read by `ffnn.tracking.load_yaml`; this keeps only line numbers.
"""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from ffnn.tracking.yaml_file import compose_yaml

Place = tuple[str | int, ...]
"""Keys from the file's outermost level inwards."""


class Marks:
    """Line numbers of everything in a file of valid YAML."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._text = path.read_text(encoding="utf-8")

    @functools.cached_property
    def _lines(self) -> dict[Place, int]:
        """By place; most files have nothing to mend, and nobody asks."""
        return dict(_places(compose_yaml(self._text), ()))

    def at(self, *place: str | int) -> str:
        """Such as "sweeps/l2.yaml:9: parameters.l2": the file, the line of the nearest thing there, and the place."""
        nearest = next((place[:end] for end in range(len(place), 0, -1) if place[:end] in self._lines), None)
        line = f":{self._lines[nearest]}" if nearest else ""
        where = ".".join(map(str, place))
        return f"{self.path}{line}: {where}" if where else f"{self.path}{line}"


def _places(node: Any, place: Place) -> Iterator[tuple[Place, int]]:
    """Everything in a node with its line."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner: Place = (*place, str(key.value))
            yield inner, key.start_mark.line + 1
            yield from _places(value, inner)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            inner = (*place, number)
            yield inner, value.start_mark.line + 1
            yield from _places(value, inner)
