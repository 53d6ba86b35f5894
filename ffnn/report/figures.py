"""Figures: what numbers look like, drawn with Matplotlib and saved as files.

Colours are Okabe and Ito's eight, which the colour-blind can tell apart.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
DASHES = ("-", "--", ":")


class Interval(NamedTuple):
    """A value and how far its confidence interval reaches to both sides; NaN where there is none."""

    middle: float
    half_width: float


def draw_confusion(confusion: NDArray[np.int64], class_names: Sequence[str], path: Path) -> None:
    """A confusion matrix as an image: rows are true classes, shades are fractions of a row, numbers are counts.

    Counts are written for up to 20 classes; beyond that they would not be legible.
    """
    count = len(class_names)
    side = max(4.5, 0.62 * count if count <= 20 else 0.24 * count)
    figure, axes = _figure(side + 1.2, side)
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03, label="fraction of the true class")
    size = 9 if count <= 20 else 6
    axes.set_xticks(range(count), class_names, rotation=45 if count <= 20 else 90, ha="right", fontsize=size)
    axes.set_yticks(range(count), class_names, fontsize=size)
    axes.set(xlabel="predicted", ylabel="true")
    if count <= 20:
        for (row, column), value in np.ndenumerate(confusion):
            if value:
                colour = "white" if shares[row, column] > 0.5 else "black"
                axes.text(column, row, str(value), ha="center", va="center", color=colour, fontsize=8)
    _save(figure, path)


def draw_curves(
    histories: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]], panels: Mapping[str, str], title: str, path: Path
) -> None:
    """One panel per metric, one line per condition: the mean over its runs, with a band from least to most.

    Parameters
    ----------
    histories : mapping from condition to the histories of its runs
    panels : mapping from metric name to the label of its axis
    title : str
    path : Path
        Its ending decides the format.
    """
    figure, all_axes = _figure(5.2 * len(panels), 4.0, columns=len(panels))
    for axes, (metric, label) in zip(np.atleast_1d(all_axes), panels.items(), strict=True):
        for number, (condition, runs) in enumerate(histories.items()):
            colour, dashes = COLOURS[number % len(COLOURS)], DASHES[number // len(COLOURS) % len(DASHES)]
            _draw_band(axes, runs, metric, condition, colour, dashes)
        axes.set(xlabel="epoch", ylabel=label)
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
    if len(histories) <= 6:
        np.atleast_1d(all_axes)[0].legend(frameon=False)
    else:
        handles, labels = np.atleast_1d(all_axes)[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center", frameon=False, fontsize=8)
    figure.suptitle(title, fontsize=11)
    _save(figure, path)


def draw_intervals(
    intervals: Mapping[str, Interval], reference: str, margin: float, label: str, title: str, path: Path
) -> None:
    """One row a condition: its mean, its interval, and around the reference the band of what does not matter.

    Parameters
    ----------
    intervals : mapping from condition to Interval
    reference : str
        The condition drawn black, with a line through all rows.
    margin : float >= 0
        Half the width of the band.
    label, title : str
    path : Path
    """
    figure, axes = _figure(7.2, 1.2 + 0.3 * len(intervals))
    for row, (condition, (middle, half_width)) in enumerate(intervals.items()):
        width = None if np.isnan(half_width) else half_width
        colour = "black" if condition == reference else COLOURS[0]
        axes.errorbar(middle, row, xerr=width, fmt="o", color=colour, markersize=5, capsize=3, lw=1.5)
    if reference in intervals:
        middle = intervals[reference].middle
        axes.axvline(middle, color="black", lw=0.8)
        axes.axvspan(middle - margin, middle + margin, color="black", alpha=0.1, lw=0)
    axes.set_yticks(range(len(intervals)), list(intervals))
    axes.invert_yaxis()
    axes.set_xlabel(label)
    axes.grid(axis="x", alpha=0.3)
    figure.suptitle(title, fontsize=11)
    _save(figure, path)


def draw_robustness(
    levels: Sequence[float], accuracy: Sequence[float], by_class: Mapping[str, Sequence[float]], label: str, path: Path
) -> None:
    """Accuracy against the strength of a perturbation: all images, black, and each class."""
    figure, axes = _figure(7.2, 4.4)
    for number, (name, values) in enumerate(by_class.items()):
        axes.plot(levels, values, color=COLOURS[number % 6], alpha=0.6, lw=1, ls=DASHES[number // 6 % 3], label=name)
    axes.plot(levels, accuracy, color="black", lw=2.5, marker="o", label="all")
    axes.set(xlabel=label, ylabel="accuracy", ylim=(0, 1))
    axes.grid(alpha=0.3)
    if len(by_class) <= 20:
        axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    _save(figure, path)


def _draw_band(
    axes: Any, runs: Sequence[Sequence[Mapping[str, Any]]], metric: str, condition: str, colour: str, dashes: str
) -> None:
    by_epoch: dict[int, list[float]] = {}
    for run in runs:
        for record in run:
            if metric in record:
                by_epoch.setdefault(int(record["epoch"]), []).append(float(record[metric]))
    epochs = sorted(by_epoch)
    values = [by_epoch[epoch] for epoch in epochs]
    axes.plot(epochs, [np.mean(v) for v in values], color=colour, ls=dashes, label=condition, marker="o", ms=3)
    axes.fill_between(epochs, [min(v) for v in values], [max(v) for v in values], color=colour, alpha=0.15, lw=0)


def _figure(width: float, height: float, columns: int = 1) -> tuple[Any, Any]:
    # Figures are made without pyplot, which would keep them all and ask for a display.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(1, columns)


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
