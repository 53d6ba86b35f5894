"""Curves over epochs: of conditions against each other, and of a network's layers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ffnn.figures.canvas import (
    COLOURS,
    Style,
    legend_below,
    log_scale,
    new_figure,
    new_grid,
    place_alike,
    save_figure,
    style,
)
from ffnn.figures.drawing import TITLE, own_style, words

History = Sequence[Mapping[str, Any]]
FEW = 6
"""Lines whose names fit inside a figure."""

WIDE = 30.0
"""Losses this many times as large as the smallest are shown on a logarithmic scale."""

NARROWEST = 0.01
"""Of the values: the least that an axis spans, so that rounding does not look like a course."""


@own_style()
def draw_curves(histories: Mapping[str, Sequence[History]], panels: Mapping[str, str], title: str, path: Path) -> None:
    """One panel per metric, one line per condition: the mean over its runs, with a band from least to most.

    Panels lead from a metric's name to the label of its axis; the title may be empty.
    """
    extra = 0.0 if len(histories) <= FEW else 0.2 * -(-len(histories) // 3)
    figure, all_axes = new_figure(4.9 * len(panels), 3.5 + extra, columns=len(panels))
    for axes, (metric, label) in zip(np.atleast_1d(all_axes), panels.items(), strict=True):
        for number, (condition, runs) in enumerate(histories.items()):
            _draw_band(axes, runs, metric, condition, style(number), 0.15 if len(histories) <= FEW else 0.06)
        axes.set(xlabel="epoch", ylabel=label)
        _tidy(axes, metric)
    first = np.atleast_1d(all_axes)[0]
    if len(histories) <= FEW:
        first.legend(frameon=False)
    else:
        legend_below(figure, first.get_legend_handles_labels(), 3 * len(panels))
    if title:
        figure.suptitle(words(title, TITLE), fontsize=11)
    _save(figure, path)


@own_style()
def draw_each(histories: Mapping[str, Sequence[History]], metric: str, label: str, path: Path) -> None:
    """A panel for each condition, its runs in colour and all other conditions' means in grey behind."""
    figure, panels = new_grid(len(histories), 4, 2.2, 1.55, "epoch", sharex=True, sharey=True)
    means = {condition: _means(runs, metric) for condition, runs in histories.items()}
    for axes, (condition, runs) in zip(panels, histories.items(), strict=True):
        for other, (epochs, values) in means.items():
            if other != condition:
                axes.plot(epochs, values, color="#BBBBBB", lw=0.7)
        for run in runs:
            _plot(axes, _means([run], metric), color=COLOURS[0], lw=0.6, alpha=0.5)
        _plot(axes, means[condition], color=COLOURS[0], lw=1.8)
        axes.set_title(words(condition), fontsize=9, y=1.0)
        _tidy(axes, metric)
    figure.supylabel(label, fontsize=9)
    _save(figure, path, alike=panels)


@own_style()
def draw_parts(history: History, metric: str, label: str, path: Path, best: int | None = None) -> None:
    """One run's metric on the training and the validation part, and the epoch whose weights were kept."""
    figure, axes = new_figure(4.6, 3.4)
    for part, colour, dashes in (("train", COLOURS[5], "--"), ("val", COLOURS[0], "-")):
        epochs, values = _means([history], f"{part}/{metric}")
        axes.plot(epochs, values, color=colour, ls=dashes, marker="o", ms=3, label=part)
    if best is not None:
        axes.axvline(best, color="black", lw=0.8, ls=":", label="best epoch")
    axes.set(xlabel="epoch", ylabel=label)
    _tidy(axes, metric)
    axes.legend(frameon=False)
    _save(figure, path)


@own_style()
def draw_lines(
    history: History, lines: Mapping[str, str], label: str, path: Path, logarithmic: bool = False, guide: float = 0.0
) -> None:
    """Several values of one run over epochs; `lines` leads from a name in the history to the name shown.

    The axis is `logarithmic` where some value is above 0; a `guide` to compare with is a thin line, none where 0.
    """
    figure, axes = new_figure(4.6, 3.4)
    for number, (metric, name) in enumerate(lines.items()):
        colour = depth_colour(number, len(lines)) if len(lines) > 1 else COLOURS[0]
        axes.plot(*_means([history], metric), color=colour, marker="o", ms=3, lw=1.4, label=words(name))
    if guide:
        axes.axhline(guide, color="black", lw=0.8, ls=":")
    if logarithmic:
        log_scale(axes.yaxis, [record[metric] for record in history for metric in lines if metric in record])
        if axes.get_yscale() == "linear":
            axes.set_ylim(bottom=0)
    axes.set(xlabel="epoch", ylabel=label)
    _tidy(axes, "")
    if 1 < len(lines) <= FEW:
        axes.legend(frameon=False, fontsize=8)
    elif len(lines) > FEW:
        legend_below(figure, axes.get_legend_handles_labels(), 4)
    _save(figure, path)


@own_style()
def draw_layers(
    histories: Mapping[str, Sequence[History]], prefix: str, label: str, path: Path, guide: float = 0.0
) -> None:
    """A panel for each condition, a line for each layer, from the first, dark, to the last, light; means over runs.

    What follows a prefix such as "grad_norm/" in the history is the layer; the guide is that of `draw_lines`.
    """
    layers = {condition: layers_of(runs, prefix) for condition, runs in histories.items()}
    longest = max(layers.values(), key=len)
    figure, panels = new_grid(len(histories), 4, 2.2, 1.55, "epoch", sharex=True, sharey=True)
    for axes, (condition, runs) in zip(panels, histories.items(), strict=True):
        for number, layer in enumerate(layers[condition]):
            _plot(axes, _means(runs, prefix + layer), color=depth_colour(number, len(longest)), lw=1.3)
        if guide:
            axes.axhline(guide, color="black", lw=0.8, ls=":")
        axes.set_title(words(condition), fontsize=9, y=1.0)
        _tidy(axes, "")
    names = [prefix + layer for layer in longest]
    records = (record for runs in histories.values() for run in runs for record in run)
    log_scale(panels[0].yaxis, [record[name] for record in records for name in names if name in record])
    figure.supylabel(label, fontsize=9)
    from matplotlib.lines import Line2D

    shown = range(0, len(longest), -(-len(longest) // 10))
    handles = [Line2D([], [], color=depth_colour(number, len(longest)), lw=1.6) for number in shown]
    legend_below(figure, (handles, [longest[number] for number in shown]), min(6, max(2, 2 * len(histories))))
    _save(figure, path, alike=panels)


@own_style()
def draw_fans(history: History, prefix: str, label: str, path: Path) -> None:
    """How the values of each layer are distributed over time: median, middle 50 % and middle 90 %, a panel a layer.

    What follows a prefix such as "weight_quantiles/" is the layer and the quantile in percent: "linear1/05".
    """
    names = dict.fromkeys(name.removeprefix(prefix).partition("/")[0] for name in _names([history], prefix))
    figure, panels = new_grid(len(names), 4, 2.3, 2.2, "epoch", sharex=True)
    for axes, layer in zip(panels, names, strict=True):
        at = {percent: _means([history], f"{prefix}{layer}/{percent}") for percent in ("05", "25", "50", "75", "95")}
        epochs = at["50"][0]
        for low, high, strength in (("05", "95", 0.2), ("25", "75", 0.35)):
            axes.fill_between(epochs, at[low][1], at[high][1], color=COLOURS[0], alpha=strength, lw=0)
        _plot(axes, at["50"], color=COLOURS[0], lw=1.5)
        axes.set_title(words(layer), fontsize=9)
        _tidy(axes, "")
    figure.supylabel(label, fontsize=9)
    _save(figure, path)


def layers_of(runs: Sequence[History], prefix: str) -> list[str]:
    """The layers that the runs' histories have values of, in the network's order."""
    return [name.removeprefix(prefix) for name in _names(runs, prefix) if name != f"{prefix}all"]


def depth_colour(number: int, count: int) -> Any:
    """From dark blue, the first layer, to green, the last; the palest part of the map is left out."""
    from matplotlib import colormaps

    return colormaps["viridis"](0.85 * number / max(1, count - 1))


def _names(runs: Sequence[History], prefix: str) -> list[str]:
    return list(dict.fromkeys(name for run in runs for record in run for name in record if name.startswith(prefix)))


def _means(runs: Sequence[History], metric: str) -> tuple[list[int], list[float]]:
    by_epoch = _by_epoch(runs, metric)
    return list(by_epoch), [float(np.mean(values)) for values in by_epoch.values()]


def _by_epoch(runs: Sequence[History], metric: str) -> dict[int, list[float]]:
    values: dict[int, list[float]] = {}
    for run in runs:
        for record in run:
            if metric in record:
                values.setdefault(int(record["epoch"]), []).append(float(record[metric]))
    return dict(sorted(values.items()))


def _plot(axes: Any, course: tuple[list[int], list[float]], **look: Any) -> None:
    """A line; a single epoch, which no line could show, as a point."""
    axes.plot(*course, marker="o" if len(course[0]) == 1 else "", ms=4, **look)


def _draw_band(axes: Any, runs: Sequence[History], metric: str, condition: str, look: Style, alpha: float) -> None:
    by_epoch = _by_epoch(runs, metric)
    epochs, values = list(by_epoch), list(by_epoch.values())
    means = [np.mean(v) for v in values]
    axes.plot(epochs, means, color=look.colour, ls=look.dashes, label=words(condition), marker=look.mark, ms=3, lw=1.4)
    axes.fill_between(epochs, [min(v) for v in values], [max(v) for v in values], color=look.colour, alpha=alpha, lw=0)


def _tidy(axes: Any, metric: str) -> None:
    """A light grid, whole epochs, small numbers; and a logarithmic scale for losses that differ much."""
    axes.grid(alpha=0.3)
    axes.tick_params(labelsize=8)
    axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    # An offset above the axis, "1e-8+1.289", is read by nobody.
    if axes.get_yscale() == "linear":
        axes.ticklabel_format(axis="y", useOffset=False)
    if metric.endswith("loss"):
        values = np.concatenate([np.asarray(line.get_ydata(), float) for line in axes.lines] or [np.empty(0)])
        values = values[np.isfinite(values)]
        if values.size and values.min() > 0 and values.max() > WIDE * values.min():
            log_scale(axes.yaxis, values)


def _save(figure: Any, path: Path, alike: Sequence[Any] = ()) -> None:
    """Save a figure whose axes are wide enough to say something, also of a single epoch or a value that stands still.

    Panels that are `alike` share both axes.

    To be done last: what is drawn after it would not widen the axes any more.
    """
    for axes in figure.axes:
        first, last = axes.get_xlim()
        if last - first < 1:
            middle = round((first + last) / 2)
            axes.set_xlim(middle - 0.5, middle + 0.5)
        low, high = axes.get_ylim()
        narrowest = NARROWEST * max(abs(low), abs(high))
        if axes.get_yscale() == "linear" and high - low < narrowest:
            middle = (low + high) / 2
            axes.set_ylim(middle - narrowest / 2, middle + narrowest / 2)
    if alike:
        place_alike(figure, alike)
    save_figure(figure, path)
