"""YAML that every reader understands alike, written and read without ever building objects.

PyYAML follows YAML 1.1, where `1e-4` is a string; YAML 1.2 and people take it for a number. Here it
is a number when read, and a string that looks like one is quoted when written.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import yaml

from ffnn.errors import FFNNError
from ffnn.tracking.plain import plain

FLOAT = "tag:yaml.org,2002:float"
# YAML 1.2.2, section 10.3.2: the core schema's floats.
NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)[eE][-+]?[0-9]+$")

UNUSUAL_BREAKS = set("\x85\u2028\u2029")


class Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper that quotes every string some reader takes for a number."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write a list that occurs twice twice, rather than once and a reference."""
        return True

    def represent_text(self, text: str) -> yaml.ScalarNode:
        """Line breaks other than the usual one are lost unless they are escaped, which quotation marks allow."""
        style = '"' if set(text) & UNUSUAL_BREAKS else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style)


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader that reads `1e-4` as a number."""


Dumper.add_representer(str, Dumper.represent_text)
for _class in (Dumper, Loader):
    _class.add_implicit_resolver(FLOAT, NUMBER, list("-+.0123456789"))


def dump_yaml(values: Mapping[str, Any], file: IO[str]) -> None:
    """Write plain values as YAML, in their order.

    Examples
    --------
    >>> import sys
    >>> dump_yaml({"learning_rate": 1e-5, "hidden_layers": (256, 128), "tag": "1e-4"}, sys.stdout)
    learning_rate: 1.0e-05
    hidden_layers:
    - 256
    - 128
    tag: '1e-4'
    """
    yaml.dump(plain(values), file, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=120)


def load_yaml(path: Path) -> Any:
    """Read a YAML file into plain values.

    Raises
    ------
    FFNNError
        If the file cannot be read or is not YAML; the message names the line.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader)  # noqa: S506  a safe loader
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        raise FFNNError(f"{place}: expected YAML; {getattr(problem, 'problem', problem)}") from problem
    except (OSError, UnicodeDecodeError) as problem:
        raise FFNNError(f"{path}: expected a readable YAML file; {problem}") from problem
