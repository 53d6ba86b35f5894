"""Figures of a sweep: best so far, each parameter against the metric, and all of them as parallel coordinates.

They take plain values, so that a report can draw them from trials.csv as well.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ffnn.figures.canvas import COLOURS, legend_below, new_figure, save_figure
from ffnn.figures.drawing import own_style, words

Row = Mapping[str, Any]
AXIS, TICK = 20, 16
"""Letters of a name above an axis, and of one beside it."""
ROOM = 0.09
"""Part of an axis that a label needs."""
FEW = 8
"""So many different numbers stand side by side, as they do in a list of 0, 0.0001 and 0.1."""


@own_style()
def draw_best_so_far(values: Sequence[float], maximize: bool, label: str, path: Path) -> None:
    """Each trial's value in the order they were begun, and the best up to there."""
    figure, axes = new_figure(6.4, 4.0)
    better = max if maximize else min
    best: list[float] = []
    for value in values:
        best.append(value if not best else better(best[-1], value))
    numbers = range(1, len(values) + 1)
    axes.plot(numbers, values, "o", color=COLOURS[5], markersize=4, label="trial")
    axes.step(numbers, best, where="post", color=COLOURS[0], lw=2, label="best so far")
    axes.set(xlabel="trial", ylabel=label)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.3)
    legend_below(figure, axes.get_legend_handles_labels(), 2)
    save_figure(figure, path)


@own_style()
def draw_slices(
    rows: Sequence[Row], values: Sequence[float], logarithmic: Mapping[str, bool], label: str, path: Path
) -> None:
    """The metric over each parameter.

    Rows and values are each trial's parameters and metric; `logarithmic` says which parameters are drawn, and which
    of them on a logarithmic scale.
    """
    columns = min(4, len(logarithmic))
    lines = math.ceil(len(logarithmic) / columns)
    figure, all_axes = _grid(lines, columns)
    for number, (name, is_log) in enumerate(logarithmic.items()):
        axes = all_axes[number]
        places, ticks = _positions([row.get(name) for row in rows], even=not is_log)
        axes.scatter(places, values, c=range(len(values)), cmap="viridis", s=14)
        axes.set(xlabel=words(name))
        if ticks:
            axes.set_xticks(range(len(ticks)), [words(tick) for tick in ticks], rotation=30, ha="right", fontsize=8)
        elif is_log:
            axes.set_xscale("log")
        axes.grid(alpha=0.3)
    for axes in all_axes[len(logarithmic) :]:
        axes.remove()
    for axes in all_axes[: len(logarithmic) : columns]:
        axes.set_ylabel(label)
    figure.suptitle("later trials are lighter", fontsize=9)
    save_figure(figure, path)


@own_style()
def draw_parallel(
    rows: Sequence[Row],
    values: Sequence[float],
    logarithmic: Mapping[str, bool],
    maximize: bool,
    label: str,
    path: Path,
) -> None:
    """A line a trial through an axis for each parameter, coloured by the metric, the best trial by itself.

    The other arguments are those of `draw_slices`.
    """
    from matplotlib import colormaps
    from matplotlib.colors import Normalize

    figure, axes = new_figure(max(6.4, 1.4 * (len(logarithmic) + 1)), 4.6)
    lines: list[list[float]] = [[] for _ in rows]
    behind = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
    for number, (name, is_log) in enumerate([*logarithmic.items(), (label, False)]):
        column = list(values) if number == len(logarithmic) else [row.get(name) for row in rows]
        places, ticks = _positions(column, even=number < len(logarithmic) and not is_log)
        scaled, ends = _scaled(places, is_log and not ticks)
        for line, place in zip(lines, scaled, strict=True):
            line.append(place)
        marks = [(_share(at, ends), text) for at, text in enumerate(ticks)] if ticks else _marks(ends, is_log)
        axes.axvline(number, color="#888888", lw=0.8)
        axes.plot([number] * len(marks), [height for height, _ in marks], "_", color="#444444", markersize=6)
        for height, text in marks:
            axes.annotate(
                words(text, TICK), (number, height), (-7, 0), textcoords="offset points", ha="right", va="center",
                fontsize=8, bbox=behind, zorder=4,
            )  # fmt: skip
    shades = Normalize(min(values), max(values) if max(values) > min(values) else min(values) + 1e-9)
    best = (max if maximize else min)(range(len(values)), key=lambda number: values[number])
    for number in sorted(range(len(values)), key=lambda number: values[number]):
        if number != best:
            colour = colormaps["viridis"](shades(values[number]))
            axes.plot(range(len(lines[number])), lines[number], color=colour, alpha=0.6, lw=1.2)
    axes.plot(range(len(lines[best])), lines[best], color=COLOURS[1], lw=2.6, zorder=3, label="best trial")
    names = [words(name, AXIS) for name in (*logarithmic, label)]
    axes.set_xticks(range(len(names)), names, fontsize=9, fontweight="bold")
    axes.xaxis.tick_top()
    axes.tick_params(axis="x", length=0, pad=8)
    axes.set_yticks([])
    axes.set_xlim(-0.7, len(logarithmic) + 0.15)
    axes.set_ylim(-0.06, 1.06)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    legend_below(figure, axes.get_legend_handles_labels(), 1)
    save_figure(figure, path)


@own_style()
def draw_importances(importances: Mapping[str, float], label: str, path: Path) -> None:
    """How much of the metric's variance each parameter explains, as bars."""
    figure, axes = new_figure(6.4, 1.2 + 0.35 * len(importances))
    names = list(importances)[::-1]
    axes.barh(names, [importances[name] for name in names], color=COLOURS[0])
    axes.set(xlabel=f"importance for {label} (fANOVA)", xlim=(0, 1))
    save_figure(figure, path)


def _grid(lines: int, columns: int) -> tuple[Any, list[Any]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.2 * columns, 2.9 * lines), layout="constrained")
    return figure, list(figure.subplots(lines, columns, squeeze=False, sharey=True).flat)


def _positions(column: Sequence[Any], even: bool) -> tuple[list[float], list[str]]:
    """Where values stand on an axis, and the names of the places: those of words, and with `even` of a few numbers."""
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in column)
    distinct = set(map(str, column))
    if numeric and not (even and len(distinct) <= FEW):
        return [float(value) for value in column], []
    names = sorted(distinct, key=float if numeric else str)
    return [float(names.index(str(value))) for value in column], names


def _scaled(places: Sequence[float], logarithmic: bool) -> tuple[list[float], tuple[float, float]]:
    """Places from 0 to 1, and the ends of their axis."""
    along = [math.log10(place) for place in places] if logarithmic else list(places)
    ends = (min(along), max(along))
    return [_share(place, ends) for place in along], ends


def _share(place: float, ends: tuple[float, float]) -> float:
    low, high = ends
    return (place - low) / (high - low) if high > low else 0.5


def _marks(ends: tuple[float, float], logarithmic: bool) -> list[tuple[float, str]]:
    """Labels of an axis of numbers: its ends, and round numbers between where they leave room."""
    from matplotlib.ticker import MaxNLocator

    texts = [f"{10**end if logarithmic else end:.3g}" for end in ends]
    if ends[0] == ends[1]:
        return [(0.5, texts[0])]
    ticks = map(float, MaxNLocator(4, integer=logarithmic).tick_values(*ends))
    between = [(_share(tick, ends), f"{10**tick if logarithmic else tick:.3g}") for tick in ticks]
    inside = [(share, text) for share, text in between if ROOM < share < 1 - ROOM]
    return [(0.0, texts[0]), *inside, (1.0, texts[1])]
