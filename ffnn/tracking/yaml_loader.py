"""The loader behind every YAML file that ffnn reads: values of YAML 1.2, nothing said twice, nothing without an end.

PyYAML follows YAML 1.1, where `1e-4` is text, `012` is 10, `1:30` is 90 and `no` is false.
"""

import re
from typing import Any

import yaml

from ffnn.records import writable

TAG = "tag:yaml.org,2002:"
MERGE = f"{TAG}merge"
# YAML 1.2.2, section 10.3.2: the core schema. Only what begins with one of the characters is compared.
CORE = {
    "null": (re.compile(r"(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    "bool": (re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    "int": (re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$"), list("-+0123456789")),
    "float": (
        re.compile(
            r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
        ),
        list("-+.0123456789"),
    ),
    "merge": (re.compile(r"<<$"), ["<"]),  # of YAML 1.1 alone, and useful
}

LARGEST = 100_000
"""Values that references may make of a file, besides those that stand in it."""


def resolve_core(kind: type[yaml.resolver.BaseResolver]) -> None:
    """Let a loader or dumper take plain text for what it is in YAML 1.2."""
    for name, (pattern, first) in CORE.items():
        kind.add_implicit_resolver(f"{TAG}{name}", pattern, first)


class TwiceError(yaml.MarkedYAMLError):
    """A key that occurs twice; PyYAML would keep the last and say nothing."""

    def __init__(self, first: yaml.Node, second: yaml.Node) -> None:
        self.key = second.value
        lines = f"lines {first.start_mark.line + 1} and {second.start_mark.line + 1}"
        super().__init__(problem=f"{self.key} is there twice ({lines})", problem_mark=second.start_mark)


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the values of YAML 1.2, that refuses a key that occurs twice.

    It also refuses what would not end: a value that contains itself, and references that multiply into more than
    `LARGEST` values.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.most = LARGEST + len(text)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """A whole number; one that begins with 0 is decimal all the same, and nothing else has a place in it."""
        text = self._of_core("int", node)
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        """A number; of infinity and NaN Python's names have no point."""
        text = self._of_core("float", node).lower()
        return float(text if text[-1].isdigit() or text[-1] == "." else text.replace(".", ""))

    def _of_core(self, kind: str, node: yaml.ScalarNode) -> str:
        text = str(self.construct_scalar(node))
        if not CORE[kind][0].match(text):
            raise ValueError
        return text

    def get_single_node(self) -> yaml.Node | None:
        """What the file says, if it can be written out."""
        node: yaml.Node | None = super().get_single_node()
        if node is not None and not isinstance(node, yaml.ScalarNode):
            sound_size(node, self.most, {})
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """A value; PyYAML lets `2024-13-45` and `!!int x` end in whatever exception their type raises."""
        try:
            value = super().construct_object(node, deep)
            if not writable(value):
                raise ValueError
            return value
        except (ValueError, TypeError, AttributeError, LookupError) as problem:
            kind = node.tag.rpartition(":")[2]
            received = f"received {str(node.value)[:40]!r}, which is no {kind} that can be kept"
            text = f"{received}; put it in quotes if it is text"
            raise yaml.constructor.ConstructorError(problem=text, problem_mark=node.start_mark) from problem

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """A mapping as it is written, before `<<` brings in keys of another, which may be repeated."""
        node = super().compose_mapping_node(anchor)
        refuse_twice(node)
        return node


def sound_size(node: yaml.Node, most: int, sizes: dict[int, int]) -> int:
    """How many values a list or mapping is with all references in it replaced by what they refer to.

    `TwiceError` if a mapping in it says something twice; ComposerError beyond `most`. `sizes` are known, by the node.
    """
    if id(node) in sizes:
        size = sizes[id(node)]
    else:
        sizes[id(node)] = 0  # until it is known: whoever meets it before is inside of it
        parts = node.value
        if isinstance(node, yaml.MappingNode):
            refuse_twice(node)
            parts = [part for pair in node.value for part in pair]
        inner = [part for part in parts if not isinstance(part, yaml.ScalarNode)]
        size = 1 + len(parts) - len(inner) + sum(sound_size(part, most, sizes) for part in inner)
        sizes[id(node)] = size
    if not 0 < size <= most:
        what = f"references that make more than {LARGEST:,} values" if size else "a value that contains itself"
        raise yaml.composer.ComposerError(problem=f"received {what}; write it out", problem_mark=node.start_mark)
    return size


def refuse_twice(node: yaml.MappingNode) -> None:
    """`TwiceError` if two of a mapping's keys are the same text of the same type; `<<` may be there again."""
    first: dict[tuple[str, str], yaml.Node] = {}
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode) and key.tag != MERGE:
            before = first.setdefault((key.tag, key.value), key)
            if before is not key:
                raise TwiceError(before, key)


Loader.yaml_implicit_resolvers = {}  # those of YAML 1.1
Loader.add_constructor(f"{TAG}int", Loader.construct_yaml_int)
Loader.add_constructor(f"{TAG}float", Loader.construct_yaml_float)
resolve_core(Loader)
