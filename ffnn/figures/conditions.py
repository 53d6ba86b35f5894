"""Conditions against each other at the end of training: with their intervals, and against the time they took."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ffnn.figures.canvas import COLOURS, legend_below, log_scale, new_figure, save_figure, style
from ffnn.figures.drawing import TITLE, own_style, words

NO_ENDS = (-math.inf, math.inf)


class Interval(NamedTuple):
    """A value and how far its confidence interval reaches to both sides; NaN where there is none."""

    middle: float
    half_width: float


@own_style()
def draw_intervals(
    intervals: Mapping[str, Interval],
    reference: str,
    margin: float,
    label: str,
    title: str,
    path: Path,
    ends: tuple[float, float] = NO_ENDS,
) -> None:
    """One row a condition: its mean, its interval, and around the reference, black, the band of what does not matter.

    `margin` is half the width of the band; the title may be empty. `ends` are the least and the most that a value can
    be: the axis ends there, however wide an interval is.
    """
    figure, axes = new_figure(7.2, 1.2 + 0.3 * len(intervals))
    for row, (condition, (middle, half_width)) in enumerate(intervals.items()):
        width = None if np.isnan(half_width) else half_width
        colour = "black" if condition == reference else COLOURS[0]
        axes.errorbar(middle, row, xerr=width, fmt="o", color=colour, markersize=5, capsize=3, lw=1.5)
    if reference in intervals:
        middle = intervals[reference].middle
        axes.axvline(middle, color="black", lw=0.8)
        axes.axvspan(middle - margin, middle + margin, color="black", alpha=0.1, lw=0)
    axes.set_yticks(range(len(intervals)), [words(name) for name in intervals])
    axes.invert_yaxis()
    axes.set_xlabel(label)
    axes.set_xlim(*_within(axes.get_xlim(), ends))
    axes.grid(axis="x", alpha=0.3)
    if title:
        figure.suptitle(words(title, TITLE), fontsize=11)
    save_figure(figure, path)


@own_style()
def draw_cost(
    seconds: Mapping[str, float],
    values: Mapping[str, Interval],
    label: str,
    path: Path,
    ends: tuple[float, float] = NO_ENDS,
) -> None:
    """What each condition reached, with its interval, against the time its training took: up and left is better.

    Seconds, in the mean, are above 0; the label is that of the values; `ends` are those of `draw_intervals`.
    """
    figure, axes = new_figure(6.4, 4.0 + 0.2 * -(-len(seconds) // 4))
    for number, (condition, across) in enumerate(seconds.items()):
        look, (up, high) = style(number), values[condition]
        axes.errorbar(
            across, up, yerr=None if np.isnan(high) else high, fmt=look.mark, color=look.colour, ms=6,
            lw=1, alpha=0.9, label=words(condition), mfc=look.colour if look.dashes == "-" else "white",
        )  # fmt: skip
    log_scale(axes.xaxis, seconds.values())
    axes.set(xlabel="seconds of training", ylabel=label)
    axes.set_ylim(*_within(axes.get_ylim(), ends))
    axes.grid(alpha=0.3)
    legend_below(figure, axes.get_legend_handles_labels(), 4)
    save_figure(figure, path)


def _within(limits: tuple[float, float], ends: tuple[float, float]) -> tuple[float, float]:
    """The axis' limits without what no value can be, with room for a mark that lies there."""
    room = 0.02 * (min(limits[1], ends[1]) - max(limits[0], ends[0]))
    return max(limits[0], ends[0] - room), min(limits[1], ends[1] + room)
