"""The figures of the analyses: layers in two dimensions, gradients' lengths, signals through depth."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffnn.analysis.components import Components
from ffnn.analysis.noise import GradientNoise
from ffnn.analysis.signals import Signals
from ffnn.figures import new_figure, new_grid, save_figure
from ffnn.figures.canvas import legend_below, log_scale, style
from ffnn.figures.drawing import own_style, words
from ffnn.figures.plane import name_classes, scatter_classes

FAINTEST = 1e-20
"""Variances below this are drawn on the lower border."""


@own_style()
def draw_components(layers: Sequence[Components], labels: NDArray[Any], class_names: Sequence[str], path: Path) -> None:
    """A panel for each layer: its points on two components, each class named where its middle is."""
    figure, panels = new_grid(len(layers), 3, 3.6, 3.3, "first component")
    for axes, layer in zip(panels, layers, strict=True):
        scatter_classes(axes, layer.points, labels, class_names, s=10, alpha=0.75)
        part = layer.explained[:2].sum()
        axes.set_title(f"{layer.name}: {part:.0%} of its variance is shown", fontsize=9)
        axes.set_ylabel("second component", fontsize=9)
        axes.tick_params(labelsize=8)
    handles, names = panels[0].get_legend_handles_labels()
    legend_below(figure, (handles[:10], names[:10]), 5)
    for axes, layer in zip(panels, layers, strict=True):
        name_classes(axes, layer.points, labels, class_names)
    save_figure(figure, path)


@own_style()
def draw_explained(layers: Sequence[Components], path: Path) -> None:
    """How much of each layer's variance its first so many components hold."""
    figure, axes = new_figure(5.2, 3.6)
    for number, layer in enumerate(layers):
        held = np.cumsum(layer.explained)
        look = style(number)
        axes.plot(np.arange(1, len(held) + 1), held, color=look.colour, ls=look.dashes, label=layer.name)
    axes.set(xscale="log", ylim=(0, 1.02), xlabel="components", ylabel="part of the layer's variance")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.grid(alpha=0.2)
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    save_figure(figure, path)


@own_style()
def draw_norms(stages: Mapping[str, GradientNoise], path: Path) -> None:
    """The lengths of single examples' gradients at each stage, and of their mean."""
    figure, axes = new_figure(6.2, 3.6)
    smallest = min(np.min(noise.norms[noise.norms > 0], initial=1.0) for noise in stages.values())
    largest = max(np.max(noise.norms) for noise in stages.values())
    bins = np.geomspace(max(smallest, largest * 1e-8), max(largest, 1e-30) * 1.05, 50)
    for number, (name, noise) in enumerate(stages.items()):
        look = style(number)
        weights = np.full(len(noise.norms), 100 / len(noise.norms))
        shown = np.clip(noise.norms, bins[0], None)
        axes.hist(shown, bins, weights=weights, histtype="step", color=look.colour, ls=look.dashes, lw=1.6, label=name)
        axes.plot([noise.mean_norm], [0], look.mark, color=look.colour, ms=8, clip_on=False, zorder=5)
    axes.set_xlabel("length of an example's gradient (marks: of the mean gradient)")
    log_scale(axes.xaxis, [bins[0], bins[-1], *(noise.mean_norm for noise in stages.values())])
    axes.set_ylabel("% of examples")
    axes.grid(alpha=0.2)
    axes.legend(frameon=False, fontsize=8)
    save_figure(figure, path)


ROWS = (("forward", "variance of signals"), ("between", "... between inputs"), ("backward", "variance of gradients"))


@own_style()
def draw_signals(variances: Mapping[tuple[str, str], Signals], path: Path) -> None:
    """Variance at each depth: a column for each activation, a row for each measure, a line for each initializer.

    The variances are by initializer and activation.
    """
    initializers = list(dict.fromkeys(initializer for initializer, _ in variances))
    activations = list(dict.fromkeys(activation for _, activation in variances))
    columns, width = len(activations), max(2.5, 6 / len(activations))
    figure, panels = new_grid(len(ROWS) * columns, columns, width, 2.2, "linear layer", sharex=True)
    for place, axes in enumerate(panels):
        row, column = divmod(place, columns)
        part, label = ROWS[row]
        axes.axhline(1, color="#BBBBBB", lw=0.8)
        for number, initializer in enumerate(initializers):
            values = getattr(variances[initializer, activations[column]], part)
            look = style(number)
            depth, shown = np.arange(1, len(values) + 1), np.clip(values, FAINTEST, None)
            axes.plot(depth, shown, color=look.colour, ls=look.dashes, marker=look.mark, ms=3, label=initializer)
        axes.set_yscale("log")
        axes.grid(alpha=0.2)
        axes.tick_params(labelsize=8)
        if row == 0:
            axes.set_title(words(activations[column]), fontsize=10)
        if column == 0:
            axes.set_ylabel(label, fontsize=9)
    _share_heights(panels, columns)
    legend_below(figure, panels[0].get_legend_handles_labels(), min(5, len(initializers)))
    save_figure(figure, path)


def _share_heights(panels: Sequence[Any], columns: int) -> None:
    """All panels of a row have one range, so that activations can be compared."""
    for start in range(0, len(panels), columns):
        row = panels[start : start + columns]
        lows, highs = zip(*(axes.get_ylim() for axes in row), strict=True)
        for axes in row:
            axes.set_ylim(max(min(lows), FAINTEST / 3), max(highs))
