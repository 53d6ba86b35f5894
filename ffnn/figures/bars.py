"""Bars: one number for each of many names.

Up to fifty names stay legible.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ffnn.figures.canvas import COLOURS, new_figure, save_figure
from ffnn.figures.drawing import own_style, words


@own_style()
def draw_bars(names: Sequence[str], values: NDArray[Any], label: str, path: Path) -> None:
    """A bar for each name, in their order; the label is that of the values."""
    figure, axes = new_figure(max(5.0, 0.21 * len(names) + 1), 3.4)
    axes.bar(range(len(names)), values, color=COLOURS[0], width=0.8)
    names = [words(name) for name in names]
    axes.set_xticks(range(len(names)), names, fontsize=8, rotation=0 if max(map(len, names)) < 3 else 90)
    axes.set(ylabel=label, xlim=(-0.7, len(names) - 0.3))
    axes.grid(axis="y", alpha=0.3)
    save_figure(figure, path)
