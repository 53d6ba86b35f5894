"""The house: every room stands above the rooms that it uses, none is too big, and no two files need each other.

A new file or folder of `ffnn` needs no entry here, but for a new room its place among the floors.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

FLOORS = [
    ["."],  # the files of ffnn itself, but for the command
    ["figures", "backend"],
    ["nn", "data"],
    ["training", "tracking"],
    ["reference", "diagnosis", "analysis"],
    ["lab"],
    ["sklearn", "rate_finder", "sweep", "bench", "comparison"],
    ["experiment"],
    ["report"],
    ["studies"],
    ["commands"],
    ["cli"],
]
"""From the ground up; a room may use those below it, and none beside or above."""

SHARE = 0.15
"""Of all lines, in the biggest room."""

BUDGET = 40_150
"""Lines of Python in ffnn; 37,000 are to be enough for all that is planned."""


@pytest.fixture
def files(repository: Path) -> dict[str, str]:
    """Every module's source by its name, a package's by that of the package."""
    names = {}
    for path in sorted((repository / "ffnn").rglob("*.py")):
        parts = path.relative_to(repository).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text(encoding="utf-8")
    return names


def room_of(module: str, files: dict[str, str]) -> str:
    parts = module.split(".")[1:]
    if not parts or parts == ["__main__"]:
        return "cli" if parts else "."
    inside = len(parts) > 1 or any(name.startswith(f"{module}.") for name in files)
    return parts[0] if inside or parts == ["cli"] else "."


def imports(module: str, files: dict[str, str]) -> Iterator[str]:
    """The modules of ffnn that one names in imports, wherever in it they stand."""
    for node in ast.walk(ast.parse(files[module])):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name in files)
        elif isinstance(node, ast.ImportFrom) and node.module in files:
            for name in node.names:
                inner = f"{node.module}.{name.name}"
                yield inner if inner in files else node.module


def test_every_arrow_goes_down(files: dict[str, str]) -> None:
    floor = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
    rooms = {module: room_of(module, files) for module in files}
    assert set(rooms.values()) == set(floor), "each room has its place in FLOORS"
    upward = {
        f"{module} -> {used}"
        for module in files
        for used in imports(module, files)
        if used != "ffnn" and rooms[used] != rooms[module] and floor[rooms[used]] >= floor[rooms[module]]
    }
    assert upward == set()


def test_no_files_need_each_other(files: dict[str, str]) -> None:
    left = {module: {used for used in imports(module, files) if used != module} for module in files}
    while free := {module for module, used in left.items() if not used & set(left)}:
        left = {module: used for module, used in left.items() if module not in free}
    assert left == {}, "in or above a circle of imports"


def test_the_guard_of_a_trial_runs_without_any_package(files: dict[str, str]) -> None:
    """It is started by a bare Python, `python -I -S guard.py`."""
    nodes = list(ast.walk(ast.parse(files["ffnn.sweep.guard"])))
    names = [name.name for node in nodes if isinstance(node, ast.Import) for name in node.names]
    names += [str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)]
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


def test_files_and_functions_are_small(files: dict[str, str]) -> None:
    """A file of at most 300 lines, a function of at most 50 without its docstring."""
    assert {module: size for module, source in files.items() if (size := source.count("\n")) > 300} == {}
    long = {
        f"{module}: {node.name}"
        for module, source in files.items()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and lines_of(node) > 50
    }
    assert long == {"ffnn.sklearn.classifier: __init__"}, "scikit-learn wants every parameter there by name"


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = function.body[1] if ast.get_docstring(function) and len(function.body) > 1 else function.body[0]
    head = function.body[0].lineno - function.lineno
    return head + (function.end_lineno or 0) - first.lineno + 1


def test_the_size_of_the_house(files: dict[str, str]) -> None:
    """`make size` prints what this counts."""
    sizes: dict[str, int] = {}
    for module, source in files.items():
        room = room_of(module, files)
        sizes[room] = sizes.get(room, 0) + source.count("\n")
    total = sum(sizes.values())
    for room, lines in sorted(sizes.items(), key=lambda pair: -pair[1]):
        print(f"{lines:>7,} {lines / total:6.1%}  {room}")
    print(f"{total:>7,}         ffnn")
    assert max(sizes.values()) <= SHARE * total
    assert total <= BUDGET
