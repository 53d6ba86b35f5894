"""Names written beside what they name, pushed apart until none hides another.

A name that had to move is tied to its place by a thin line.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROUNDS = 400
LETTER, LINE = 0.62, 1.9
"""Width of a letter and height of a name in its box, in font sizes."""

PAD = 0.9
"""What a box adds to its letters' width, in font sizes."""


def pushed_apart(
    places: NDArray[Any], sizes: NDArray[Any], low: NDArray[Any], high: NDArray[Any]
) -> NDArray[np.float64]:
    """Centres of boxes that do not overlap and lie between `low` and `high`, as near to their places as pushing leaves.

    Places (N, 2) are the boxes' centres as one wants them, sizes (N, 2) their widths and heights.

    Examples
    --------
    >>> pushed_apart(np.array([[0.0, 0], [0, 0.5]]), np.ones((2, 2)), np.full(2, -9.0), np.full(2, 9.0))
    array([[ 0.  , -0.25],
           [ 0.  ,  0.75]])
    """
    centres = np.array(places, np.float64)
    # Of two at the very same place, one goes up: any rule does that is the same every time.
    centres[:, 1] += 1e-9 * np.arange(len(centres))
    for _ in range(ROUNDS):
        moved = False
        for one in range(len(centres)):
            for other in range(one + 1, len(centres)):
                gap = centres[other] - centres[one]
                overlap = (sizes[one] + sizes[other]) / 2 - np.abs(gap)
                if (overlap > 1e-6).all():
                    axis = int(overlap[1] <= overlap[0])
                    push = np.copysign(overlap[axis] / 2, gap[axis])
                    centres[one, axis] -= push
                    centres[other, axis] += push
                    moved = True
        centres = np.clip(centres, low + sizes / 2, high - sizes / 2)
        if not moved:
            break
    return centres


def draw_names(axes: Any, places: NDArray[Any], names: Sequence[str], colours: Sequence[Any], size: float = 8) -> None:
    """Write names into axes whose limits are set, each in a box of its colour; letters are `size` points high.

    Places (N, 2) are in the axes' numbers.
    """
    if not len(names):
        return
    figure = axes.figure
    # Boxes are measured in points, so the layout must be what it will be.
    figure.draw_without_rendering()
    scale = 72 / figure.dpi
    at = axes.transData.transform(places) * scale
    inside = axes.get_window_extent()
    boxes = np.array([[(LETTER * len(name) + PAD) * size, LINE * size] for name in names])
    low, high = np.array([inside.x0, inside.y0]) * scale, np.array([inside.x1, inside.y1]) * scale
    centres = pushed_apart(at, boxes, low, high)
    for place, offset, name, colour in zip(places, centres - at, names, colours, strict=True):
        box = {"boxstyle": "round,pad=0.15", "fc": "white", "ec": colour, "lw": 1.2, "alpha": 0.9}
        tie = {"arrowstyle": "-", "color": colour, "lw": 0.8} if np.hypot(*offset) > size else None
        axes.annotate(
            name, place, offset, textcoords="offset points", fontsize=size, ha="center", va="center",
            bbox=box, arrowprops=tie, zorder=6,
        )  # fmt: skip
