"""What code a run computes with, as a hash: runs with the same one and the same settings are the same run.

Every file of ffnn counts but those named here, so a new one cannot be forgotten; comments and docstrings do not count.
"""

import ast
import functools
import hashlib
import importlib.util
import os
import re
import secrets
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from fnmatch import translate
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from ffnn.files import replacing
from ffnn.tracking.environment import COMPUTING, versions_of

PACKAGE = Path(__file__).parent.parent

OBSERVERS = (
    "analysis", "bench", "commands", "comparison", "diagnosis", "figures", "report", "sklearn", "studies",
    "experiment", "rate_finder", "sweep",
)  # fmt: skip
"""Rooms that choose settings or read runs, and so cannot change what a run with given settings finds."""

TALKERS = (
    "catalogue.py", "cli.py", "command_line.py", "console.py", "present.py", "terminal.py",
    "tracking/wandb_*.py", "*.md",
)  # fmt: skip
"""Files, wherever they are, that only talk to a person or to W&B."""

FRAMEWORKS = "reference"
"""The room that counts for runs of other frameworks only."""

FRAMEWORK_PACKAGES = ("torch", "jax", "optax", "tensorflow", "tensorflow-cpu", "keras")

IGNORED = ("ctx", "type_comment", "kind")
"""Parts of a syntax tree that follow from others or are comments."""

_BEGAN = time.time()


def code_digest(parts: Iterable[Any], framework: str = "ffnn") -> str:
    """A hash of all code that a run computes with.

    `parts` are the registered classes that the run names. One from a file outside ffnn counts with that file and with
    all that this imports, but for the standard library and other installed packages. `framework` is what takes the
    steps.

    Two kinds of code cannot be compared with that of an earlier run: code without a file, as in a notebook, and a file
    that was changed after this process began, so that the process may have read an older version. The hash is then a
    random one, and such runs are always trained again.
    """
    digests = [_package_digest()] if framework == "ffnn" else [_package_digest(), _package_digest(FRAMEWORKS)]
    digests += sorted({_part_digest(part) for part in parts if not _is_of_ffnn(part)})
    return _hash(digests)


@functools.cache
def feature_releases(framework: str = "ffnn") -> tuple[str, ...]:
    """The installed packages that a run computes with, such as "numpy 2.4".

    Only feature releases (X.Y): with them NumPy's random streams may change (NEP 19). A bug-fix release, like another
    processor, may change last digits, which is no reason to repeat a laboratory.
    """
    packages = (*COMPUTING, *(() if framework == "ffnn" else FRAMEWORK_PACKAGES))
    return tuple(f"{name} {'.'.join(version.split('.')[:2])}" for name, version in versions_of(packages).items())


# -- ffnn itself ----------------------------------------------------------------------------------


def computing_files(room: str = "", package: Path = PACKAGE) -> list[Path]:
    """The files of ffnn that count, in order; of the room named, or of all that count always."""
    files = []
    aside = {*OBSERVERS} if room else {*OBSERVERS, FRAMEWORKS}
    for path in sorted(_files_below(package / room)):
        inside = path.relative_to(package)
        version_only = str(inside) in ("__init__.py", "__main__.py")
        left_behind = path.name.startswith(".") or path.name.endswith("~")
        if not (inside.parts[0] in aside or version_only or _talks(f"/{inside.as_posix()}") or left_behind):
            files.append(path)
    return files


_talks = re.compile("|".join(translate(f"*/{pattern}") for pattern in TALKERS)).match


@functools.cache
def files_by_name(framework: str = "ffnn") -> Mapping[str, Path]:
    """The files of ffnn that a run computes with, by their places in the package."""
    files = computing_files() if framework == "ffnn" else [*computing_files(), *computing_files(FRAMEWORKS)]
    return {path.relative_to(PACKAGE).as_posix(): path for path in files}


def _files_below(folder: Path) -> Iterator[Path]:
    """All but the caches, which hold a file for each compiled kernel."""
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        yield from (Path(place, name) for name in names if name != "__pycache__")


def digest_of(contents: Mapping[str, bytes]) -> str:
    """A hash of these files by name, without their comments and docstrings."""
    return _hash([(name, _meaning(name, content)) for name, content in sorted(contents.items())])


@functools.cache
def _package_digest(room: str = "", package: Path = PACKAGE) -> str:
    """Of `computing_files`. To parse them takes half a second, so it is done once and kept."""
    files = computing_files(room, package)
    contents = {path.relative_to(package).as_posix(): path.read_bytes() for path in files}
    raw = _hash(sorted(contents.items()))
    places = list(_places(f"{room or package.name}_code", package))
    digest = next(filter(None, (_recorded_digest(place, raw) for place in places)), None)
    if digest is None:
        digest = digest_of(contents)
        for place in places:
            with suppress(OSError):
                place.parent.mkdir(parents=True, exist_ok=True)
                with replacing(place) as file:
                    file.write(f"{raw} {digest}\n")
                break
    return _unless_edited(digest, files)


def _hash(value: object) -> str:
    return hashlib.sha256(repr(value).encode("utf-8", "surrogatepass")).hexdigest()


def _places(name: str, package: Path) -> Iterator[Path]:
    """Where a digest may be kept: beside the package, or else in the user's cache."""
    beside = Path(importlib.util.cache_from_source(str(package / f"{name}.py"))).with_suffix(".txt")
    yield beside
    if not os.access(beside.parent if beside.parent.is_dir() else package, os.W_OK):
        import pooch

        yield Path(pooch.os_cache("ffnn")) / "code" / beside.name


def _recorded_digest(path: Path, raw: str) -> str | None:
    with suppress(OSError, ValueError):
        match = re.fullmatch(r"([0-9a-f]{64}) ([0-9a-f]{64})\n", path.read_text("utf-8"))
        if match and match[1] == raw:
            return match[2]
    return None


@functools.cache
def _meaning(name: str, content: bytes) -> str:
    """A hash of a file without what cannot change a number."""
    tree = _parsed(name, content)
    if tree is not None:
        return _hash(_plain(tree))
    if name.endswith(".cu"):
        content = re.sub(rb"//[^\n]*|/\*.*?\*/", b"", content, flags=re.DOTALL)
    return _hash(content)


def _parsed(name: str, content: bytes) -> ast.AST | None:
    if name.endswith((".py", ".pyw")):
        with suppress(SyntaxError, ValueError, RecursionError):
            return ast.parse(content)
    return None


def _plain(node: Any) -> object:
    """A syntax tree as nested tuples, without docstrings, places, and what not every version of Python writes down."""
    if isinstance(node, list):
        return [_plain(part) for part in node if not _is_docstring(part)]
    if not isinstance(node, ast.AST):
        return node
    fields = [(name, getattr(node, name, None)) for name in node._fields if name not in IGNORED]
    return type(node).__name__, [(name, _plain(value)) for name, value in fields if value is not None and value != []]


def _is_docstring(node: object) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


# -- a user's own parts ---------------------------------------------------------------------------


@functools.cache
def _part_digest(part: Any) -> str:
    module = sys.modules.get(_module_name(part))
    start = _file_of(module)
    if start is None:
        return _of_this_process()
    files: dict[Path, str] = {}
    pending = [(start, getattr(module, "__package__", None) or "")]
    while pending:
        path, package = pending.pop()
        if path in files:
            continue
        try:
            content = path.read_bytes()
        except OSError:
            return _of_this_process()
        files[path] = _meaning(path.name, content)
        for name in _imported(path.name, content, package):
            other = _user_file(name, _top(package) or path.stem)
            if other is not None:
                pending.append((other, name if other.stem == "__init__" else name.rpartition(".")[0]))
    return _unless_edited(_hash(sorted(files.values())), list(files))


@functools.cache
def _is_of_ffnn(part: Any) -> bool:
    return _top(_module_name(part)) == PACKAGE.name


def _module_name(part: Any) -> str:
    while hasattr(part, "func"):  # functools.partial
        part = part.func
    return str(getattr(part, "__module__", None))


def _top(module: str) -> str:
    return module.partition(".")[0]


def _file_of(module: object) -> Path | None:
    name = getattr(module, "__file__", None)
    return Path(name) if isinstance(name, str) else None


def _imported(name: str, content: bytes, package: str) -> Iterator[str]:
    """The names of all modules that a file may import, wherever in it."""
    tree = _parsed(name, content)
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Import):
            full = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            with suppress(ImportError):
                origin = importlib.util.resolve_name("." * node.level + origin, package or None)
            full = [origin, *(f"{origin}.{alias.name}" for alias in node.names)]
        else:
            continue
        for module in full:
            pieces = module.split(".")
            yield from (".".join(pieces[:count]) for count in range(1, len(pieces) + 1))


def _user_file(name: str, package: str) -> Path | None:
    """The file of a module that is of this package, or of nobody's: not ffnn's, the standard library's or installed."""
    if _top(name) in (PACKAGE.name, *sys.stdlib_module_names):
        return None
    path = _file_of(sys.modules.get(name))
    if path is None:  # one that is not imported before it is needed; looked for without importing anything
        above = sys.modules.get(name.rpartition(".")[0])
        search = getattr(above, "__path__", []) if "." in name else None
        spec = PathFinder.find_spec(name, search)
        path = Path(spec.origin) if spec and spec.has_location and spec.origin else None
    installed = path is not None and {"site-packages", "dist-packages"} & set(path.parts)
    return None if installed and _top(name) != package else path


def _unless_edited(digest: str, files: Sequence[Path]) -> str:
    now = time.time()
    try:
        edited = any(_BEGAN < path.stat().st_mtime <= now for path in files)
    except OSError:
        edited = True
    return _of_this_process() if edited else digest


@functools.cache
def _of_this_process() -> str:
    return secrets.token_hex(32)
