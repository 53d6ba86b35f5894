"""How the panels of a grid are placed, held against Matplotlib's own layout."""

from itertools import combinations

import numpy as np
import pytest

from ffnn.figures.canvas import legend_below, new_grid, place_alike
from ffnn.figures.drawing import own_style


def grid(count: int, title: str = "condition-{}") -> tuple[object, list[object]]:
    figure, panels = new_grid(count, 4, 2.2, 1.55, "epoch", sharex=True, sharey=True)
    for number, panel in enumerate(panels):
        (line,) = panel.plot([0, 10_000], [0, 1e-5 * number])
        panel.set_title(title.format(number), fontsize=9, y=1.0)
    figure.supylabel("norm of the gradient", fontsize=9)
    legend_below(figure, ([line, line], ["first", "last"]), 2)
    return figure, panels


@pytest.mark.parametrize("count", [1, 2, 4, 5, 7, 14])
def test_panels_that_are_alike_neither_touch_nor_leave_the_figure(count: int) -> None:
    with own_style():
        figure, panels = grid(count)
        place_alike(figure, panels)
        assert figure.get_layout_engine() is None
        boxes = [panel.get_tightbbox() for panel in panels]
        boxes += [artist.get_window_extent() for artist in [*figure.texts, *figure.legends]]
        for one, other in combinations(boxes, 2):
            assert not one.overlaps(other), (one, other)
        for box in boxes:
            assert box.x0 >= 0
            assert box.y0 >= 0
            assert box.x1 <= figure.bbox.x1
            assert box.y1 <= figure.bbox.y1
        places = [panel.get_position() for panel in panels]
        assert np.ptp([place.width for place in places]) < 1e-9
        assert np.ptp([place.height for place in places]) < 1e-9
        own, by_matplotlib = grid(count)
        own.get_layout_engine().execute(own)
        theirs = [panel.get_position() for panel in by_matplotlib]
        assert places[0].width > 0.9 * min(place.width for place in theirs)
        assert places[0].height > 0.9 * min(place.height for place in theirs)


def test_titles_that_are_too_wide_are_left_to_matplotlib() -> None:
    with own_style():
        figure, panels = grid(4, "a condition with a name of 40 letters {}")
        place_alike(figure, panels)
        assert figure.get_layout_engine() is not None
