"""What a network answers: confusion of classes, confidence, robustness, and the images it got wrong."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffnn.figures.canvas import COLOURS, DASHES, new_figure, save_figure
from ffnn.figures.drawing import own_style, words

LEGIBLE = 20
"""Classes up to which a matrix has room for numbers."""

BINS = 15
"""Of confidence, as many as the expected calibration error has."""


def draw_confusion(confusion: NDArray[np.int64], class_names: Sequence[str], path: Path, shares: bool = False) -> None:
    """A confusion matrix as an image: rows are true classes, shades are percent of a row, numbers are counts.

    Numbers are written for up to 20 classes; beyond that they would not be legible. With `shares` they are
    percent of the true class, for matrices that are sums over several runs.
    """
    percent = 100 * row_shares(confusion)
    numbers = [[f"{v:.1f}" if v >= 0.05 else "" for v in row] for row in percent]
    counts = [[str(v) if v else "" for v in row] for row in confusion.tolist()]
    texts = numbers if shares else counts
    label = "% of the true class" if shares else "shade: % of the true class; numbers: examples"
    _draw_matrix(percent, texts, class_names, "Blues", (0.0, 100.0), label, path)


def draw_confusion_difference(
    one: NDArray[np.int64], other: NDArray[np.int64], class_names: Sequence[str], label: str, path: Path
) -> None:
    """The difference of two confusion matrices in percentage points of the true class: orange more, purple less."""
    points = 100 * (row_shares(one) - row_shares(other))
    largest = max(float(np.abs(points).max()), 0.1)
    texts = [[f"{v:+.1f}" if abs(v) >= 0.05 else "" for v in row] for row in points]
    _draw_matrix(points, texts, class_names, "PuOr_r", (-largest, largest), label, path)


def row_shares(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Each row's fractions; a class without examples has zeros.

    Examples
    --------
    >>> row_shares(np.array([[3, 1], [0, 0]]))
    array([[0.75, 0.25],
           [0.  , 0.  ]])
    """
    return np.asarray(confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1), np.float64)


@own_style()
def draw_reliability(confidence: NDArray[np.float64], correct: NDArray[np.bool_], path: Path) -> None:
    """How often answers are right that are given with some confidence, and how many there are of each.

    On the diagonal confidence tells the truth; below it the network is surer than it should be.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 4.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    place = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    counts = np.bincount(place, minlength=BINS)
    accuracy = np.bincount(place, correct, minlength=BINS) / np.maximum(counts, 1)
    mean = np.bincount(place, confidence, minlength=BINS) / np.maximum(counts, 1)
    middles, width, filled = (np.arange(BINS) + 0.5) / BINS, 1 / BINS, counts > 0
    upper.bar(middles[filled], accuracy[filled], width, color=COLOURS[5], edgecolor="white", label="fraction right")
    upper.plot(mean[filled], accuracy[filled], "o", color=COLOURS[0], ms=4, label="at its mean confidence")
    upper.plot([0, 1], [0, 1], color="black", lw=0.9, ls="--", label="calibrated")
    upper.set(ylabel="fraction right", ylim=(0, 1.02), xlim=(0, 1))
    upper.legend(frameon=False, fontsize=8, loc="upper left")
    lower.bar(middles, 100 * counts / max(1, counts.sum()), width, color="#999999", edgecolor="white")
    lower.set(xlabel="confidence", ylabel="% of answers")
    for axes in (upper, lower):
        axes.grid(alpha=0.3)
        axes.set_axisbelow(True)
        axes.tick_params(labelsize=8)
    save_figure(figure, path)


@own_style()
def draw_robustness(
    levels: Sequence[float], accuracy: Sequence[float], by_class: Mapping[str, Sequence[float]], label: str, path: Path
) -> None:
    """Accuracy against the strength of a perturbation: all images, black, and each class."""
    figure, axes = new_figure(6.4, 4.0)
    for number, (name, values) in enumerate(by_class.items()):
        colour, dashes = COLOURS[number % 6], DASHES[number // 6 % 3]
        axes.plot(levels, values, color=colour, alpha=0.6, lw=1, ls=dashes, label=words(name))
    axes.plot(levels, accuracy, color="black", lw=2.5, marker="o", label="all")
    axes.set(xlabel=label, ylabel="accuracy", ylim=(0, 1))
    axes.grid(alpha=0.3)
    if len(by_class) <= LEGIBLE:
        axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    save_figure(figure, path)


@own_style()
def draw_images(images: Sequence[NDArray[np.uint8]], texts: Sequence[str], path: Path, columns: int = 6) -> None:
    """Images, (height, width[, 3]) from 0 to 255, in rows, each with its one or two lines of text below."""
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    figure, axes = new_figure(1.25 * columns, 1.72 * rows)
    for number, (image, text) in enumerate(zip(images, texts, strict=True)):
        row, column = divmod(number, columns)
        left, top = 1.25 * column + 0.1, 1.72 * row
        axes.imshow(
            image, extent=(left, left + 1.05, top + 1.05, top), interpolation="nearest",
            **({} if image.ndim == 3 else {"cmap": "gray", "vmin": 0, "vmax": 255}),
        )  # fmt: skip
        axes.text(left + 0.525, top + 1.1, text, ha="center", va="top", fontsize=7.5, linespacing=1.15)
    axes.set(xlim=(0, 1.25 * columns), ylim=(1.72 * rows, -0.03), aspect="equal")
    axes.axis("off")
    save_figure(figure, path)


@own_style()
def draw_filters(weights: NDArray[np.float64], shape: Sequence[int], path: Path, columns: int = 8) -> None:
    """The weights (features, units) into each unit of the first layer: blue below zero, grey-white at zero, red above.

    Inputs are of the shape (height, width[, channels]). Every image has a scale of its own; of colour images, the
    mean over the channels is shown.
    """
    pictures = weights.T.reshape(-1, *shape)
    pictures = pictures.mean(axis=-1) if len(shape) == 3 else pictures
    count, (height, width) = len(pictures), pictures.shape[1:]
    columns = min(columns, count)
    rows, gap = -(-count // columns), max(1, width // 12)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap), np.nan)
    for number, picture in enumerate(pictures):
        row, column = divmod(number, columns)
        largest = float(np.abs(picture).max()) or 1.0
        top, left = row * (height + gap), column * (width + gap)
        sheet[top : top + height, left : left + width] = picture / largest
    figure, axes = new_figure(0.95 * columns, 0.95 * rows * (height + gap) / (width + gap))
    axes.imshow(sheet, cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
    axes.axis("off")
    save_figure(figure, path)


@own_style()
def _draw_matrix(
    values: NDArray[np.float64],
    texts: Sequence[Sequence[str]],
    class_names: Sequence[str],
    colours: str,
    ends: tuple[float, float],
    label: str,
    path: Path,
) -> None:
    count = len(class_names)
    side = max(4.5, 0.62 * count if count <= LEGIBLE else 0.24 * count)
    figure, axes = new_figure(side + 1.2, side)
    image = axes.imshow(values, cmap=colours, vmin=ends[0], vmax=ends[1])
    figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03, label=label)
    size = 9 if count <= LEGIBLE else 6
    names: list[Any] = [words(name) for name in class_names]
    axes.set_xticks(range(count), names, rotation=45 if count <= LEGIBLE else 90, ha="right", fontsize=size)
    axes.set_yticks(range(count), names, fontsize=size)
    axes.set(xlabel="predicted", ylabel="true")
    if count <= LEGIBLE:
        strongest = max(abs(ends[0]), abs(ends[1]))
        for row, column in np.ndindex(values.shape):
            if texts[row][column]:
                colour = "white" if abs(values[row, column]) > 0.5 * strongest else "black"
                axes.text(column, row, texts[row][column], ha="center", va="center", color=colour, fontsize=8)
    save_figure(figure, path)
