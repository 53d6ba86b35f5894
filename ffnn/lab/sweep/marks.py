"""Where in a YAML file a value stands, so that a message can name the line to mend.

The values themselves are read by `ffnn.tracking.load_yaml`; this keeps only line numbers.
"""

from pathlib import Path
from typing import Any

import yaml

from ffnn.tracking.yaml_file import compose_yaml

Place = tuple[str | int, ...]


class Marks:
    """Line numbers of everything in a YAML file.

    Parameters
    ----------
    path : Path
        A file that holds valid YAML.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: dict[Place, int] = {}
        node = compose_yaml(path.read_text(encoding="utf-8"))
        if node is not None:
            self._walk(node, ())

    def _walk(self, node: Any, place: Place) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                inner = (*place, str(key.value))
                self._lines[inner] = key.start_mark.line + 1
                self._walk(value, inner)
        elif isinstance(node, yaml.SequenceNode):
            for number, value in enumerate(node.value):
                inner = (*place, number)
                self._lines[inner] = value.start_mark.line + 1
                self._walk(value, inner)

    def at(self, *place: str | int) -> str:
        """Such as "sweeps/l2.yaml:9: parameters.l2": the file, the line of the nearest thing there, and the place."""
        known = next((place[:end] for end in range(len(place), 0, -1) if place[:end] in self._lines), None)
        line = f":{self._lines[known]}" if known else ""
        where = ".".join(map(str, place))
        return f"{self.path}{line}: {where}" if where else f"{self.path}{line}"
