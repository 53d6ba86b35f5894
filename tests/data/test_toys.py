"""Points in the plane: the shapes they promise, whatever the options."""

import numpy as np
import pytest

from ffnn.data import DATASETS, load
from ffnn.errors import FFNNError

TOYS = ("moons", "circles", "spirals")


@pytest.mark.parametrize("name", TOYS)
def test_a_toy_is_balanced_reproducible_and_inside_its_square(name):
    one, same, other = load(name), load(name), load({"name": name, "seed": 1, "size": 301})
    assert one.digest == same.digest != other.digest
    assert len(other) == 301
    for data in (one, other):
        counts = np.bincount(data.labels)
        assert counts.max() - counts.min() <= 1
        assert 20 <= data.images.min() < data.images.max() <= 235


def around_the_middle(data):
    """Distance from the middle and angle of each point, in units of the square."""
    x, y = (data.images / 255 - 0.5).T
    return np.hypot(x, y), np.arctan2(y, x)


def test_circles_are_round_and_one_is_twice_the_other():
    data = load({"name": "circles", "noise": 0})
    radius, _ = around_the_middle(data)
    outer, inner = radius[data.labels == 0], radius[data.labels == 1]
    assert np.ptp(outer) < 0.01
    assert outer.mean() / inner.mean() == pytest.approx(2, rel=0.02)


def test_spirals_wind_as_often_as_they_are_told():
    entry = DATASETS.create({"name": "spirals", "noise": 0, "turns": 2.0, "size": 3000})
    points, labels = entry.draw()
    for arm in range(3):
        x, y = points[labels == arm].T
        order = np.hypot(x, y).argsort()
        wound = np.ptp(np.unwrap(np.arctan2(y, x)[order])) / (2 * np.pi)
        # From a tenth of the radius outwards, so for nine tenths of the turns.
        assert wound == pytest.approx(0.9 * 2, rel=0.01)


def test_moons_cannot_be_parted_by_a_line_but_nearly_by_neighbours():
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    data = load("moons")
    assert LogisticRegression().fit(data.images / 255, data.labels).score(data.images / 255, data.labels) < 0.93
    train, test = slice(None, 500), slice(500, None)
    neighbours = KNeighborsClassifier(5).fit(data.images[train], data.labels[train])
    assert neighbours.score(data.images[test], data.labels[test]) > 0.97


def test_a_wrong_option_is_refused():
    with pytest.raises(FFNNError, match=r"noise must be in \[0, inf\); received -1"):
        load({"name": "moons", "noise": -1})
    with pytest.raises(FFNNError, match="data set 'circles' has no option 'turns'"):
        load({"name": "circles", "turns": 2})
