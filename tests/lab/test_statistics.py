"""Means and intervals against published values and against simulation."""

import math

import numpy as np
import pytest

from ffnn.lab.statistics import mean_of


def test_interval_of_a_textbook_sample() -> None:
    """Five values with mean 3 and standard deviation sqrt(2.5); t(0.975, 4) = 2.776 in any table."""
    result = mean_of([1, 2, 3, 4, 5])
    assert result.mean == 3
    assert result.half_width == pytest.approx(2.776 * math.sqrt(2.5 / 5), rel=1e-3)


def test_intervals_cover_the_truth_95_times_in_100() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(2000):
        result = mean_of(list(rng.normal(7, 2, 3)))
        hits += abs(result.mean - 7) <= result.half_width
    assert hits / 2000 == pytest.approx(0.95, abs=0.015)


def test_few_values_promise_nothing() -> None:
    assert mean_of([]).format() == "-"
    assert mean_of([0.5]).format() == "0.50"
    assert mean_of([0.5, math.nan]).count == 1
