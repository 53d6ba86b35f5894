"""What studies draw: heatmaps over two settings, lines against each, speed against accuracy, bars.

A cell or a point is the mean over the runs that share its settings.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffnn.figures.canvas import COLOURS, new_figure, save_figure, style
from ffnn.figures.drawing import own_style, words


@own_style()
def draw_heatmaps(
    tables: Mapping[str, NDArray[np.float64]],
    rows: Sequence[str],
    columns: Sequence[str],
    labels: tuple[str, str],
    title: str,
    path: Path,
) -> None:
    """A heatmap for each name, all on one scale, with the numbers written in.

    Rows and columns are settings as the ticks show them; the labels are those of the rows' axis and the columns'.
    """
    figure, all_axes = new_figure(3.6 * len(tables) + 0.6, 3.9, columns=len(tables))
    values = np.stack(list(tables.values()))
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    for axes, (name, table) in zip(np.atleast_1d(all_axes), tables.items(), strict=True):
        image = axes.imshow(table, cmap="viridis", vmin=low, vmax=high, aspect="auto")
        axes.set_xticks(range(len(columns)), columns)
        axes.set_yticks(range(len(rows)), rows)
        axes.set(xlabel=labels[1], title=name)
        for (row, column), value in np.ndenumerate(table):
            colour = "black" if value > (low + high) / 2 else "white"
            axes.text(column, row, f"{value:.3g}", ha="center", va="center", color=colour, fontsize=8)
    np.atleast_1d(all_axes)[0].set_ylabel(labels[0])
    figure.colorbar(image, ax=all_axes, label=title, fraction=0.05, pad=0.02)
    save_figure(figure, path)


@own_style()
def draw_against_setting(
    panels: Mapping[str, Mapping[str, Sequence[float]]], places: Sequence[float], label: str, path: Path
) -> None:
    """A panel for each measure, a line for each name, against a setting's values on a logarithmic axis."""
    figure, all_axes = new_figure(5.2 * len(panels), 4.0, columns=len(panels))
    for axes, (measure, lines) in zip(np.atleast_1d(all_axes), panels.items(), strict=True):
        _draw_lines(axes, places, lines, (label, measure))
        axes.set(xscale="log")
        axes.set_xticks(places, [f"{place:g}" for place in places])
        axes.minorticks_off()
    np.atleast_1d(all_axes)[0].legend(frameon=False, fontsize=9)
    save_figure(figure, path)


@own_style()
def draw_against_level(
    levels: Sequence[float], lines: Mapping[str, Sequence[float]], labels: tuple[str, str], path: Path
) -> None:
    """A line for each name, with a value for each level."""
    figure, axes = new_figure(7.0, 4.4)
    _draw_lines(axes, levels, lines, labels)
    axes.legend(frameon=False, fontsize=9)
    save_figure(figure, path)


def _draw_lines(
    axes: Any, places: Sequence[float], lines: Mapping[str, Sequence[float]], labels: tuple[str, str]
) -> None:
    for number, (name, values) in enumerate(lines.items()):
        look = style(number)
        axes.plot(places, values, color=look.colour, ls=look.dashes, marker=look.mark, ms=5, label=name)
    axes.set(xlabel=labels[0], ylabel=labels[1])
    axes.grid(alpha=0.3)


@own_style()
def draw_speed_against_accuracy(
    groups: Mapping[str, Sequence[tuple[float, float]]], labels: tuple[str, str], path: Path
) -> None:
    """A point a run, its seconds and its accuracy; a colour and a marker a group; seconds on a logarithmic axis."""
    figure, axes = new_figure(7.0, 4.6)
    for number, (name, points) in enumerate(groups.items()):
        x, y = zip(*points, strict=True)
        colour, _, mark = style(number)
        axes.scatter(x, y, color=colour, marker=mark, s=22, alpha=0.75, lw=0, label=name)
    axes.set(xscale="log", xlabel=labels[0], ylabel=labels[1])
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=9)
    save_figure(figure, path)


@own_style()
def draw_bars(names: Sequence[str], values: NDArray[Any], label: str, path: Path) -> None:
    """A bar for each name, in their order, legible up to fifty; the label is that of the values."""
    figure, axes = new_figure(max(5.0, 0.21 * len(names) + 1), 3.4)
    axes.bar(range(len(names)), values, color=COLOURS[0], width=0.8)
    names = [words(name) for name in names]
    axes.set_xticks(range(len(names)), names, fontsize=8, rotation=0 if max(map(len, names)) < 3 else 90)
    axes.set(ylabel=label, xlim=(-0.7, len(names) - 0.3))
    axes.grid(axis="y", alpha=0.3)
    save_figure(figure, path)
