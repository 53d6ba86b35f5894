"""Figures say what they show: classes that everybody can tell apart, axes that can be read, names that hide nothing."""

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ffnn.figures import answers, curves
from ffnn.figures.labels import pushed_apart
from ffnn.figures.plane import SHAPES, TEN, class_colours

SIGHT = {
    "normal": np.eye(3),
    "no red cones": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green cones": [
        [0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]
    ],
    "no blue cones": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}  # fmt: skip
"""What of linear red, green and blue is seen: Machado, Oliveira and Fernandes, 2009, at full severity."""


def oklab(linear: NDArray[Any]) -> NDArray[Any]:
    """Ottosson's uniform colour space, 2020, from linear sRGB."""
    cones = np.cbrt(
        np.clip(linear, 0, 1)
        @ np.array([
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]).T
    )  # fmt: skip
    return cones @ np.array([
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]).T  # fmt: skip


@pytest.mark.parametrize("sight", SIGHT)
def test_ten_classes_differ_in_colour_for_everybody(sight: str) -> None:
    colours = np.array(class_colours(10))[:, :3]
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    seen = oklab(linear @ np.asarray(SIGHT[sight]).T)
    nearest = min((float(np.linalg.norm(seen[a] - seen[b])), TEN[a], TEN[b]) for a, b in combinations(range(10), 2))
    # About seven times what is just noticed; the nearest of Matplotlib's own ten are 0.007 apart.
    assert nearest[0] > 0.14, nearest


def test_ten_classes_differ_in_shape() -> None:
    assert len(set(SHAPES)) == len(TEN) == 10


@pytest.mark.parametrize("seed", range(8))
def test_names_do_not_hide_one_another(seed: int) -> None:
    rng = np.random.default_rng(seed)
    places, sizes = rng.normal(150, 12, (10, 2)), rng.uniform(12, 40, (10, 2))
    places[3] = places[4]
    low, high = np.zeros(2), np.full(2, 300.0)
    centres = pushed_apart(places, sizes, low, high)
    assert (centres - sizes / 2 >= low).all()
    assert (centres + sizes / 2 <= high).all()
    for one, other in combinations(range(10), 2):
        overlap = (sizes[one] + sizes[other]) / 2 - np.abs(centres[one] - centres[other])
        assert overlap.min() < 1e-3


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures that are saved, as they are then."""
    found: list[Any] = []
    for module in (curves, answers):
        monkeypatch.setattr(module, "save_figure", lambda figure, *_: found.append(figure))
    return found


def ticks(axis: Any) -> list[str]:
    axis.figure.draw_without_rendering()
    low, high = sorted(axis.get_view_interval())
    return [t.get_text() for t, at in zip(axis.get_ticklabels(), axis.get_ticklocs(), strict=True) if low <= at <= high]


def test_one_epoch_is_an_axis_that_can_be_read(kept: list[Any], tmp_path: Path) -> None:
    runs = [[{"epoch": 1, "train/loss": 1.2895211 + error}] for error in (0, 1e-8)]
    curves.draw_curves({"a": runs}, {"train/loss": "loss"}, "", tmp_path / "one")
    curves.draw_each({"a": runs, "b": runs}, "train/loss", "loss", tmp_path / "each")
    for figure in kept:
        for axes in figure.axes:
            assert ticks(axes.xaxis) == ["1"]
            assert axes.yaxis.get_offset_text().get_text() == ""
            assert np.ptp(axes.get_ylim()) > 0.01
            assert "o" in {line.get_marker() for line in axes.lines}


def test_epochs_are_whole_numbers_and_a_flat_course_looks_flat(kept: list[Any], tmp_path: Path) -> None:
    run = [{"epoch": epoch, "train/loss": 2.3 + 1e-7 * epoch} for epoch in (1, 2, 3)]
    curves.draw_curves({"a": [run]}, {"train/loss": "loss"}, "", tmp_path / "flat")
    (axes,) = kept[0].axes
    assert ticks(axes.xaxis) == ["1", "2", "3"]
    heights = axes.transAxes.inverted().transform(axes.transData.transform(axes.lines[0].get_xydata()))[:, 1]
    np.testing.assert_allclose(heights, 0.5, atol=0.01)


def test_a_confusion_matrix_has_one_unit(kept: list[Any], tmp_path: Path) -> None:
    answers.draw_confusion(np.array([[3, 1], [0, 4]]), ("a", "b"), tmp_path / "c", shares=True)
    matrix, bar = kept[0].axes
    assert bar.get_ylabel() == "% of the true class"
    assert bar.get_ylim() == (0, 100)
    assert [text.get_text() for text in matrix.texts] == ["75.0", "25.0", "100.0"]
    np.testing.assert_allclose(matrix.images[0].get_array(), [[75, 25], [0, 100]])
