"""What is drawn does not depend on whose notebook or settings it is drawn in, and leaves those as they were."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from ffnn.figures import draw_confusion, draw_curves
from ffnn.figures.drawing import words
from ffnn.files import StorageError

MAKERS = {"new_figure", "new_grid", "_grid", "Figure", "save_figure", "figure.savefig"}
HELPERS = {"new_figure", "new_grid", "save_figure", "_grid", "_save"}
"""Of the functions that draw, which call them."""
OTHERS = {"ffnn/report/pictures.py", "ffnn/report/document.py", "ffnn/studies/finished.py"}
"""Where a Figure is a block of a page."""


def test_every_function_that_draws_does_so_in_ffnns_own_style(repository: Path) -> None:
    bare, found = [], 0
    for path in sorted(repository.glob("ffnn/**/*.py")):
        if str(path.relative_to(repository)) in OTHERS:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name not in HELPERS:
                calls = {ast.unparse(call.func) for call in ast.walk(node) if isinstance(call, ast.Call)}
                if calls & MAKERS:
                    found += 1
                    if "own_style()" not in map(ast.unparse, node.decorator_list):
                        bare.append(f"{path}: {node.name}")
    assert bare == []
    assert found > 25


def test_a_name_is_no_formula_not_left_out_and_not_too_long() -> None:
    assert (words("a$x$"), words("_a"), len(words("a" * 100))) == (r"a\$x\$", " _a", 40)


def draw(folder: Path) -> dict[str, bytes]:
    draw_confusion(np.array([[3, 1], [0, 2]]), ("a", "b"), folder / "confusion.png")
    history = [{"epoch": 1, "m": 0.5}, {"epoch": 2, "m": 0.25}]
    draw_curves({"a": [history]}, {"m": "loss"}, "title", folder / "curves.png")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_users_settings_neither_show_nor_are_changed(tmp_path: Path) -> None:
    expected = draw(tmp_path / "default")
    assert len(expected) == 4
    own = {
        "text.usetex": True, "font.size": 30.0, "figure.dpi": 300.0, "savefig.bbox": "tight", "axes.grid": True,
        "savefig.format": "pdf", "figure.autolayout": True, "svg.fonttype": "none", "image.cmap": "jet",
        "lines.linewidth": 9.0, "axes.facecolor": "red",
    }  # fmt: skip
    with matplotlib.rc_context(own):
        before = dict(matplotlib.rcParams)
        assert draw(tmp_path / "own") == expected
        assert dict(matplotlib.rcParams) == before
        (tmp_path / "none.png").mkdir()
        with pytest.raises(StorageError):
            draw_confusion(np.eye(2, dtype=int), ("a", "b"), tmp_path / "none.png")
        assert dict(matplotlib.rcParams) == before


NOTEBOOK = """
import os
from pathlib import Path
import numpy as np
from ffnn.figures import draw_confusion

draw_confusion(np.array([[3, 1], [0, 2]]), ("a", "b"), Path("confusion.png"))
print(os.environ["MPLBACKEND"])
"""


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "of_a_notebook_elsewhere"])
def test_a_notebooks_backend_and_a_broken_matplotlibrc_are_nothing_to_it(
    tmp_path: Path, repository: Path, backend: str
) -> None:
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nno colon\nlines.linewidth: wide\nunknown.setting: 1\n")
    environment = {**os.environ, "MPLBACKEND": backend, "PYTHONPATH": str(repository)}
    command = [sys.executable, "-c", NOTEBOOK]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == backend
    assert (tmp_path / "confusion.png").read_bytes()[:4] == b"\x89PNG"
