"""Points in two dimensions by class, alone or over the regions that a classifier decides for.

A class has a colour, a shape and its name where its middle is. Colours and shapes repeat after ten classes; the legend
then names only the first ten.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffnn.figures.canvas import new_figure, save_figure
from ffnn.figures.drawing import own_style, words
from ffnn.figures.labels import draw_names

MOST_POINTS = 4000
"""More than this hide one another; every k-th is drawn then."""

TEN = (
    "#0080ff", "#df8000", "#bf0020", "#002060", "#80dfff", "#804080", "#ffbf80", "#600000", "#9f809f", "#0000df",
)  # fmt: skip
"""Of 606 colours that show on white, ten whose two nearest are far apart in OKLab for everybody: found by search over
normal sight and Machado's simulations of the three kinds of colour blindness, and checked in the tests."""

SHAPES = ("o", "s", "^", "D", "v", "P", "X", "*", "<", "h")
"""A shape for each of the ten."""

EDGE = "#00000090"
"""Around every point: the palest would be lost on white, and each on its own region."""

NAMED = 20
"""Classes up to which there is room for all names in the picture."""


def class_colours(count: int) -> list[Any]:
    """A colour (red, green, blue, opacity) for each class; they repeat after ten."""
    from matplotlib.colors import to_rgba

    return [to_rgba(TEN[number % len(TEN)]) for number in range(count)]


def name_classes(axes: Any, points: NDArray[Any], labels: NDArray[Any], class_names: Sequence[str]) -> None:
    """Write each class's name where the middle of its points (N, 2) is; nothing for more classes than there is room."""
    present = [number for number in range(len(class_names)) if (labels == number).any()]
    if len(class_names) <= NAMED:
        colours = class_colours(len(class_names))
        middles = np.array([np.median(points[labels == number], axis=0) for number in present]).reshape(-1, 2)
        draw_names(axes, middles, [words(class_names[n], 12) for n in present], [colours[n] for n in present])


def region_colours(probabilities: NDArray[Any]) -> NDArray[np.float64]:
    """The winner's colour for each row of probabilities (M, K), the stronger the surer; (M, 4)."""
    count = probabilities.shape[1]
    colours = np.array(class_colours(count), np.float64)[probabilities.argmax(axis=1)]
    colours[:, 3] = 0.1 + 0.45 * (probabilities.max(axis=1) - 1 / count) / (1 - 1 / count)
    return np.asarray(colours)


@own_style()
def draw_points(
    points: NDArray[Any], labels: NDArray[Any], class_names: Sequence[str], axis_labels: tuple[str, str], path: Path
) -> None:
    """A scatter plot of points (N, 2) by class, whose labels are (N,)."""
    figure, axes = new_figure(7.4, 5.6)
    draw_scatter(axes, points, labels, class_names)
    axes.set(xlabel=axis_labels[0], ylabel=axis_labels[1])
    name_classes(axes, points, labels, class_names)
    save_figure(figure, path)


@own_style()
def draw_regions(
    decide: Callable[[NDArray[Any]], NDArray[Any]],
    points: NDArray[Any],
    labels: NDArray[Any],
    class_names: Sequence[str],
    axis_labels: tuple[str, str],
    path: Path,
) -> None:
    """Points over the regions of a classifier, which leads from places (M, 2) to probabilities (M, K).

    The stronger the colour, the surer it is. The other arguments are those of `draw_points`.
    """
    figure, axes = new_figure(7.4, 5.6)
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.05 * (high - low)
    x, y = (np.linspace(start, end, 250) for start, end in zip(low - margin, high + margin, strict=True))
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    colours = region_colours(decide(grid))
    axes.imshow(colours.reshape(250, 250, 4), extent=(x[0], x[-1], y[0], y[-1]), origin="lower", aspect="auto")
    draw_scatter(axes, points, labels, class_names)
    axes.set(xlabel=axis_labels[0], ylabel=axis_labels[1])
    name_classes(axes, points, labels, class_names)
    save_figure(figure, path)


def draw_scatter(axes: Any, points: NDArray[Any], labels: NDArray[Any], class_names: Sequence[str]) -> None:
    """Points (N, 2) in the colours of their classes, with a legend beside the axes."""
    step = -(-len(points) // MOST_POINTS)
    scatter_classes(axes, points[::step], labels[::step], class_names, s=14, alpha=0.75)
    handles, names = axes.get_legend_handles_labels()
    axes.legend(
        handles[:10], names[:10], frameon=False, fontsize=8, markerscale=2, loc="center left", bbox_to_anchor=(1, 0.5)
    )
    axes.grid(alpha=0.2)


def scatter_classes(
    axes: Any, points: NDArray[Any], labels: NDArray[Any], class_names: Sequence[str], **look: Any
) -> None:
    """Points (N, 2) in the colours and shapes of their classes; `look` goes to Matplotlib's `scatter`."""
    for number, (name, colour) in enumerate(zip(class_names, class_colours(len(class_names)), strict=True)):
        members = points[labels == number]
        axes.scatter(
            members[:, 0], members[:, 1], label=words(name), facecolor=colour, marker=SHAPES[number % len(SHAPES)],
            edgecolors=EDGE, lw=0.3, **look,
        )  # fmt: skip
