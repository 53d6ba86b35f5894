"""Balanced sampling: every class equally often, rare rows repeated no sooner than they must be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffnn.backend import create_engine
from ffnn.data import SAMPLERS
from ffnn.data.batches import Batches, Pool, balanced, shuffled


@given(st.lists(st.integers(0, 5), min_size=1, max_size=200), st.integers(0, 2**32 - 1))
def test_balanced_draws_every_class_equally_often(labels: list[int], seed: int) -> None:
    rows = np.array(labels)
    drawn = balanced(rows, np.random.default_rng(seed))
    assert len(drawn) == len(rows)
    counts = np.bincount(rows[drawn])[np.unique(rows)]
    assert counts.max() - counts.min() <= 1
    times = np.bincount(drawn, minlength=len(rows))
    for number in np.unique(rows):
        own = times[rows == number]
        assert own.max() - own.min() <= 1


@given(st.integers(1, 100), st.integers(0, 2**32 - 1))
def test_shuffled_draws_every_row_once(count: int, seed: int) -> None:
    assert sorted(shuffled(np.zeros(count, np.int64), np.random.default_rng(seed))) == list(range(count))


def test_samplers_are_fixed_by_their_generator() -> None:
    labels = np.arange(60) % 3
    for name in SAMPLERS:
        one, two, other = (SAMPLERS[name](labels, np.random.default_rng(seed)) for seed in (1, 1, 2))
        assert one.tolist() == two.tolist()
        assert one.tolist() != other.tolist()


def test_shuffled_epochs_gather_no_labels() -> None:
    """A stack of a hundred networks draws a hundred orders an epoch, for which labels are not needed."""
    images, labels = np.zeros((50, 2), np.uint8), np.arange(50) % 3
    pool = Pool(create_engine("numpy"), images, labels, np.ones(2), np.zeros(2))
    rows = np.arange(10, 40)
    plain, balanced_ones = (Batches(pool, rows, 7, 5, SAMPLERS[name]) for name in ("shuffled", "balanced"))
    del pool.labels
    assert plain.order(2).tolist() == rows[np.random.default_rng([5, 2]).permutation(30)].tolist()
    with pytest.raises(AttributeError):
        balanced_ones.order(2)
