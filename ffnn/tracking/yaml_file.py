"""YAML that every reader understands alike, written and read without ever building objects.

PyYAML follows YAML 1.1, where `1e-4` is text, `012` is 10, `1:30` is 90 and `no` is false. Here values are what YAML
1.2 and people take them for, and text that any of the two takes for something else is quoted when written.
"""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import yaml

from ffnn.errors import FFNNError, nearest_choice
from ffnn.tracking.plain import plain, writable

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


class TwiceError(yaml.MarkedYAMLError):
    """A key that occurs twice; PyYAML would keep the last and say nothing.

    Parameters
    ----------
    first, second : Node
    """

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


Dumper.add_representer(str, Dumper.represent_text)
Loader.yaml_implicit_resolvers = {}  # those of YAML 1.1, which the dumper keeps
Loader.add_constructor(f"{TAG}int", Loader.construct_yaml_int)
Loader.add_constructor(f"{TAG}float", Loader.construct_yaml_float)
for _class in (Dumper, Loader):
    for _kind, (_pattern, _first) in CORE.items():
        _class.add_implicit_resolver(f"{TAG}{_kind}", _pattern, _first)


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


def read_yaml(text: str) -> Any:
    """What a text says; yaml.YAMLError or RecursionError where it is no YAML, and `TwiceError` for a repeated key.

    Examples
    --------
    >>> read_yaml("{a: 012, b: 1e-4, c: 1:30, d: no, e: 0o17, f: [.5, -.inf, null]}")
    {'a': 12, 'b': 0.0001, 'c': '1:30', 'd': 'no', 'e': 15, 'f': [0.5, -inf, None]}
    """
    return _through(text, "get_single_data")


def compose_yaml(text: str) -> yaml.Node | None:
    """The nodes of a text, which know their lines; errors as those of `read_yaml`."""
    node: yaml.Node | None = _through(text, "get_single_node")
    return node


def _through(text: str, step: str) -> Any:
    """What one of a loader's steps makes of a text; where the fast one fails, the other says why."""
    if yaml.__with_libyaml__:
        from ffnn.tracking.fast_yaml import FastLoader

        with suppress(yaml.YAMLError, RecursionError, ValueError, TypeError):  # TypeError: a list as a name
            return _run(FastLoader(text), step)
    return _run(Loader(text), step)


def _run(loader: Loader, step: str) -> Any:
    try:
        return getattr(loader, step)()
    finally:
        loader.dispose()


def load_yaml(path: Path) -> Any:
    """Read a YAML file into plain values.

    Raises
    ------
    FFNNError
        If the file cannot be read, is not YAML, or says something twice; the message names the line.
    """
    try:
        return read_yaml(path.read_text(encoding="utf-8"))
    except TwiceError as problem:
        raise FFNNError(f"{_place(path, problem)}: {problem.problem}; only the last would count: keep one") from problem
    except yaml.YAMLError as problem:
        reason = " ".join(str(getattr(problem, "problem", problem)).split())
        if "'\\t'" in reason:
            reason = "received a tab, where only spaces may indent; replace it with spaces"
        raise FFNNError(f"{_place(path, problem)}: expected YAML; {reason}") from problem
    except RecursionError as problem:
        raise FFNNError(f"{path}: expected YAML; received lists or mappings nested too deep") from problem
    except FileNotFoundError as problem:
        hint = nearest_file(path, path.parent.glob("*.yaml"))
        raise FFNNError(f"{path}: expected a readable YAML file; there is none of this name{hint}") from problem
    except UnicodeDecodeError as problem:
        raise FFNNError(
            f"{path}: expected a readable YAML file in UTF-8; received byte {problem.object[problem.start]:#x} at "
            f"{problem.start}; save it as UTF-8"
        ) from problem
    except OSError as problem:
        raise FFNNError(f"{path}: expected a readable YAML file; {problem.strerror}") from problem


def nearest_file(path: Path, files: Iterable[Path]) -> str:
    """A hint for a misspelt file: the one of nearest name as a question, or nothing.

    Names are compared without their endings, which make all of them alike.

    Examples
    --------
    >>> nearest_file(Path("vlaues.yaml"), [Path("values.yaml"), Path("other.yaml")])
    '; did you mean values.yaml?'
    >>> nearest_file(Path("none.yaml"), [Path("init.yaml"), Path("tobio.yaml")])
    ''
    """
    by_stem = {file.stem: file for file in files}
    stem = nearest_choice(path.stem, by_stem, cutoff=0.7)
    return f"; did you mean {by_stem[stem]}?" if stem is not None else ""


def _place(path: Path, problem: yaml.YAMLError) -> str:
    mark = getattr(problem, "problem_mark", None)
    return f"{path}:{mark.line + 1}" if mark else str(path)
