"""A contact sheet: some images of every class in one picture, so that a person sees what a network will see.

Images that lie on their side, or labels that are one off, show at a glance.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ffnn.data.dataset import DataError, Dataset
from ffnn.figures.canvas import new_figure
from ffnn.figures.drawing import TITLE, own_style, words

GAP = 2
"""White pixels between images."""

INCHES = 0.42
"""Height of a row on paper."""


@own_style()
def draw_sheet(dataset: Dataset, count: int, path: Path, title: str) -> None:
    """Save a contact sheet: rows are classes, with their names beside, and each has its first `count` images.

    `title` is written above; the ending of `path` decides the format, PNG without one. DataError if the file cannot be
    written.
    """
    mosaic = contact_sheet(dataset, count)
    classes = len(dataset.class_names)
    rows, columns = mosaic.shape[:2]
    height = max(2.0, INCHES * classes)
    figure, axes = new_figure(height * columns / rows + 1.6, height + 0.5)
    axes.imshow(
        mosaic, interpolation="nearest", **({} if mosaic.ndim == 3 else {"cmap": "gray", "vmin": 0, "vmax": 255})
    )
    middles = GAP + dataset.shape[0] / 2 - 0.5 + np.arange(classes) * (dataset.shape[0] + GAP)
    axes.set_yticks(middles, [words(name) for name in dataset.class_names], fontsize=9)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(words(title, TITLE), fontsize=10)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format=path.suffix[1:] or "png", dpi=130)
    except (OSError, ValueError) as problem:
        raise DataError(f"--out: expected a file that can be written, such as sheet.png, found {problem}") from None


def contact_sheet(dataset: Dataset, count: int) -> NDArray[np.uint8]:
    """The picture of a contact sheet, (height, width[, 3]), 0 to 255, white where there is no image.

    Examples
    --------
    >>> pixels = np.array([[10], [20], [30]], dtype=np.uint8)
    >>> data = Dataset("three", pixels, np.array([1, 0, 1]), ("a", "b"), (1, 1), 255, 0, "memory")
    >>> contact_sheet(data, 2)[GAP :: 1 + GAP, GAP :: 1 + GAP]
    array([[ 20, 255],
           [ 10,  30]], dtype=uint8)
    """
    height, width = dataset.shape[:2]
    classes = len(dataset.class_names)
    step_down, step_right = height + GAP, width + GAP
    sheet = np.full((GAP + classes * step_down, GAP + count * step_right, *dataset.shape[2:]), 255, np.uint8)
    for label in range(classes):
        top = GAP + label * step_down
        for place, row in enumerate(np.flatnonzero(dataset.labels == label)[:count]):
            left = GAP + place * step_right
            sheet[top : top + height, left : left + width] = dataset.image(int(row))
    return sheet
