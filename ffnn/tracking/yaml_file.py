"""YAML that every reader understands alike, written and read without ever building objects.

Values are what YAML 1.2 and people take them for, and text that YAML 1.1 takes for something else is quoted when
written.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import yaml

from ffnn.errors import FFNNError, nearest_choice
from ffnn.tracking.plain import plain
from ffnn.tracking.yaml_loader import Loader, TwiceError, resolve_core

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


Dumper.add_representer(str, Dumper.represent_text)
resolve_core(Dumper)  # beside those of YAML 1.1, so that both read text as text


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

    FFNNError if the file cannot be read, is not YAML, or says something twice; the message names the line.
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
