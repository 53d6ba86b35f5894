"""Means, paired tests and Holm's correction against published examples, against SciPy and against simulation."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ffnn.comparison.statistics import Pairs, detectable, hedges_correction, holm, mean_of

# Student, "The probable error of a mean", Biometrika 6 (1908), section IX: extra hours of sleep of ten patients by two
# soporifics. R's data set `sleep`; its t.test(paired = TRUE) prints t = -4.0621, df = 9, p-value = 0.002833.
FIRST = dict(enumerate([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]))
SECOND = dict(enumerate([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]))


def test_interval_of_a_textbook_sample() -> None:
    """Five values with mean 3 and standard deviation sqrt(2.5); t(0.975, 4) = 2.776 in any table."""
    result = mean_of([1, 2, 3, 4, 5])
    assert result.mean == 3
    assert result.std == pytest.approx(math.sqrt(2.5))
    assert result.half_width == pytest.approx(2.776 * math.sqrt(2.5 / 5), rel=1e-3)


def test_intervals_cover_the_truth_95_times_in_100() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(1000):
        result = mean_of(list(rng.normal(7, 2, 3)))
        hits += abs(result.mean - 7) <= result.half_width
    assert hits / 1000 == pytest.approx(0.95, abs=0.02)


def test_few_values_promise_nothing() -> None:
    assert mean_of([]).format() == "-"
    assert mean_of([0.5]).format() == "0.50"
    assert mean_of([0.5, math.nan]).count == 1


def test_students_own_data() -> None:
    pairs = Pairs(FIRST, SECOND)
    assert pairs.p == pytest.approx(0.002833, abs=5e-7)
    assert pairs.mean.mean == pytest.approx(-1.58)
    # R's 95 percent confidence interval: -2.4598858 -0.7001142
    assert pairs.mean.mean + pairs.mean.half_width == pytest.approx(-0.7001142, abs=1e-7)
    # Cohen's d_z = t / sqrt(n); J(9) is about 1 - 3 / (4 * 9 - 1), Hedges' own approximation.
    assert pairs.effect == pytest.approx(-4.0621 / math.sqrt(10) * (1 - 3 / 35), rel=1e-3)


@given(
    st.lists(st.floats(-1, 1), min_size=3, max_size=8, unique=True),
    st.floats(-1, 1),
)
def test_one_sided_tests_are_scipys(values: list[float], bound: float) -> None:
    if np.std(values) < 1e-3:
        return
    pairs = Pairs(dict(enumerate(values)), dict.fromkeys(range(len(values)), 0.0))
    for mine, alternative in ((pairs.p_above(bound), "greater"), (pairs.p_below(bound), "less")):
        assert mine == pytest.approx(stats.ttest_1samp(values, bound, alternative=alternative).pvalue, rel=1e-6)


def test_pairing_finds_what_unpaired_values_hide() -> None:
    """Seeds that scatter by 1 around a difference of 0.1: only the pairs show it."""
    rng = np.random.default_rng(0)
    seeds = rng.normal(0, 1, 10)
    left = dict(enumerate(seeds + 0.1 + rng.normal(0, 0.02, 10)))
    right = dict(enumerate(seeds))
    assert Pairs(left, right).p < 1e-6
    assert stats.ttest_ind(list(left.values()), list(right.values())).pvalue > 0.5


def test_pairs_are_matched_by_seed_and_not_by_place() -> None:
    pairs = Pairs({0: 1.0, 1: 2.0, 2: 4.0, 7: 9.0}, {2: 3.0, 1: 1.5, 0: 0.25})
    assert pairs.differences == [0.75, 0.5, 1.0]


def test_a_value_that_is_no_number_costs_its_pair() -> None:
    assert Pairs({0: 1.0, 1: math.nan, 2: 2.0}, {0: 0.0, 1: 0.0, 2: math.inf}).mean.count == 1


def test_one_pair_says_nothing() -> None:
    pairs = Pairs({0: 1.0}, {0: 0.0})
    assert all(map(math.isnan, (pairs.p, pairs.p_above(0), pairs.effect, pairs.mean.half_width)))


def test_two_pairs_have_no_effect_size() -> None:
    """J(1) is 0: an unbiased effect size does not exist."""
    assert math.isnan(Pairs({0: 1.0, 1: 2.0}, {0: 0.0, 1: 0.0}).effect)


def test_equal_differences_of_counted_images_are_not_certain() -> None:
    """Two seeds that both got one image of 180 more are no proof; five hundred images more are."""
    one_more = Pairs({0: 0.90, 1: 0.95}, {0: 0.90 - 1 / 180, 1: 0.95 - 1 / 180}, resolution=1 / 180)
    assert one_more.p > 0.05
    assert Pairs({0: 0.90, 1: 0.95}, {0: 0.40, 1: 0.45}, resolution=1 / 180).p < 0.01
    assert Pairs({0: 0.90, 1: 0.95}, {0: 0.40, 1: 0.45}).p == 0


def test_a_number_is_not_rounded_and_the_other_side_of_a_pair_is() -> None:
    """Two equal values in steps of 0.01 scatter by s = 0.01/sqrt(12) = 0.0028868, of pairs by sqrt(2) s = 0.0040825.

    With one degree of freedom P(T > t) = arctan(1/t)/pi, and here t = 0.05 / (s / sqrt(2)): sqrt(600) = 24.495 against
    the number, sqrt(300) = 17.321 against the pairs; so P is 0.012988 and 0.018357.
    """
    equal, other = {0: 0.90, 1: 0.90}, {0: 0.85, 1: 0.85}
    of_one, of_two = Pairs(equal, 0.85, resolution=0.01), Pairs(equal, other, resolution=0.01)
    assert of_one.differences == of_two.differences == pytest.approx([0.05, 0.05])
    assert (of_one.mean.std, of_two.mean.std) == pytest.approx((0.0028868, 0.0040825), abs=5e-8)
    assert (of_one.p_above(0), of_two.p_above(0)) == pytest.approx((0.012988, 0.018357), abs=5e-7)


def test_only_where_seeds_scatter_less_than_rounding_does_an_interval_say_so() -> None:
    assert mean_of([0.90, 0.90], 0.01).rounded
    assert not mean_of([0.90, 0.90]).rounded
    assert not mean_of([0.90, 0.91], 0.01).rounded
    assert mean_of([0.90, 0.90], 0.01).std == pytest.approx(mean_of([0.895, 0.905], 0.01).std / math.sqrt(6))


@pytest.mark.parametrize(
    # From Gamma(1/2) = sqrt(pi), Gamma(1) = 1, Gamma(3/2) = sqrt(pi) / 2 and Gamma(2) = 1, by hand.
    ("degrees", "exact"),
    [(2, 1 / math.sqrt(math.pi)), (3, math.sqrt(math.pi / 6)), (4, math.sqrt(2 / math.pi))],
)
def test_hedges_correction_by_hand(degrees: int, exact: float) -> None:
    assert hedges_correction(degrees) == pytest.approx(exact, rel=1e-12)


def test_effect_size_is_unbiased() -> None:
    """Over many samples of five with a true d_z of 0.8 the mean effect is 0.8; Cohen's own would be 1.0."""
    draws = np.random.default_rng(1).normal(0.8, 1, (2000, 5))
    effects = [Pairs(dict(enumerate(row)), dict.fromkeys(range(5), 0.0)).effect for row in draws]
    assert np.mean(effects) == pytest.approx(0.8, abs=0.04)


def test_holm_worked_by_hand() -> None:
    """Four tests: 4 * 0.005 = 0.02; 3 * 0.01 = 0.03; 2 * 0.03 = 0.06; 1 * 0.04 = 0.04, raised to 0.06."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_holm_does_not_count_tests_that_could_not_be_made() -> None:
    first, missing, second = holm([0.01, math.nan, 0.02])
    assert (first, second) == pytest.approx((0.02, 0.02))
    assert math.isnan(missing)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_rejects_what_its_definition_rejects(p_values: list[float]) -> None:
    """Going up from the smallest p, reject while p_(k) < 0.05 / (n - k + 1), and stop at the first that is not."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    rejected = set()
    for k, place in enumerate(order):
        if not p_values[place] * (len(p_values) - k) < 0.05:
            break
        rejected.add(place)
    assert {place for place, p in enumerate(holm(p_values)) if p < 0.05} == rejected


def test_holm_errs_at_most_5_times_in_100_over_a_family() -> None:
    families = np.random.default_rng(2).uniform(size=(3000, 7))
    assert np.mean([min(holm(list(family))) < 0.05 for family in families]) == pytest.approx(0.05, abs=0.01)


def test_detectable_is_where_a_test_begins_to_see() -> None:
    scatter = [-1.0, 0.0, 1.0]
    shift = detectable(3)
    for factor, seen in ((0.99, False), (1.01, True)):
        pairs = Pairs({i: v + factor * shift for i, v in enumerate(scatter)}, dict.fromkeys(range(3), 0.0))
        assert (pairs.p < 0.05) == seen


def test_numbers_of_a_csv_read_back_are_those_written(tmp_path: Path) -> None:
    from ffnn.experiment.tables import _write_csv

    _write_csv([{"a": 0.1, "b": math.nan}, {"a": 1 / 3, "c": "x,y"}], tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["a"]) for row in rows] == [0.1, 1 / 3]
    assert (rows[0]["b"], rows[0]["c"], rows[1]["c"]) == ("", "", "x,y")
