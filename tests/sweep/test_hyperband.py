"""Hyperband's rule against cases worked by hand, among them the example of W&B's own code."""

import math

import pytest

from ffnn.sweep import hyperband
from ffnn.sweep.hyperband import bands
from ffnn.sweep.schema import Hyperband


def rule(**options: float | bool) -> Hyperband:
    return Hyperband.model_validate({"type": "hyperband", **options})


def stops(wanted: Hyperband, sign: int, own: list[float], every: list[list[float]]) -> int | None:
    return hyperband.stops(wanted, sign, own, [dict(enumerate(values, start=1)) for values in every])


@pytest.mark.parametrize(
    ("options", "limit", "expected"),
    [
        ({"min_iter": 3}, 100, [3, 9, 27, 81]),
        ({"min_iter": 3, "eta": 2}, 20, [3, 6, 12]),
        ({"min_iter": 1, "eta": 1.5}, 8, [1, 1, 2, 3, 5, 7]),  # 1, 1.5, 2.25, 3.375, 5.06, 7.59
        ({"max_iter": 27, "s": 2}, math.inf, [3, 9]),
        ({"max_iter": 5, "s": 2, "eta": 2}, math.inf, [1, 2]),  # 2.5, 1.25
        ({"max_iter": 9, "s": 10}, math.inf, [1, 3]),  # below 1 there are no epochs
        ({"max_iter": 2, "s": 1}, math.inf, []),
        ({"min_iter": 10}, 9, []),
    ],
)
def test_bands(options: dict[str, float], limit: float, expected: list[int]) -> None:
    assert bands(rule(**options), limit) == expected


LOSSES = {"a": [10, 9], "b": [10, 10], "c": [10, 8, 8], "d": [10, 7, 7], "e": [10, 6, 6]}


def test_the_example_of_wandb() -> None:
    """max_iter 5, eta 2, s 2: bands 1 and 2. At 2 the values are 6 7 8 9 10, the one at floor(5/2) is 8."""
    every = list(LOSSES.values())
    wanted = rule(max_iter=5, eta=2, s=2)
    assert {name: stops(wanted, 1, own, every) for name, own in LOSSES.items()} == {
        "a": 2, "b": 2, "c": None, "d": None, "e": None,
    }  # fmt: skip


def test_more_is_better_when_maximizing() -> None:
    negative = {name: [-value for value in values] for name, values in LOSSES.items()}
    wanted = rule(max_iter=5, eta=2, s=2)
    for name, own in negative.items():
        assert stops(wanted, -1, own, list(negative.values())) == stops(wanted, 1, LOSSES[name], list(LOSSES.values()))


def test_the_first_trial_goes_on_and_nobody_is_stopped_before_a_band() -> None:
    wanted = rule(min_iter=2)
    assert stops(wanted, 1, [5.0], [[5.0], [1.0, 1.0]]) is None
    assert stops(wanted, 1, [5.0, 5.0], [[5.0, 5.0]]) is None
    assert stops(wanted, 1, [5.0, 5.0], [[5.0, 5.0], [1.0, 1.0]]) == 2


def test_equal_values_go_on() -> None:
    same = [[0.5, 0.5]] * 4
    assert stops(rule(min_iter=2), 1, same[0], same) is None


def test_only_the_last_band_reached_counts() -> None:
    """Bad at 1, good at 2: it goes on, because nobody looked in between."""
    others = [[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]
    assert stops(rule(min_iter=1, eta=2), 1, [9.0, 0.5], [*others, [9.0, 0.5]]) is None


def test_strict_looks_at_the_band_and_otherwise_at_the_best_so_far() -> None:
    own, others = [0.1, 9.0], [[1.0, 1.0], [2.0, 2.0]]
    assert stops(rule(min_iter=2, strict=True), 1, own, [*others, own]) == 2
    assert stops(rule(min_iter=2, strict=False), 1, own, [*others, own]) is None


def test_strict_is_the_default_as_in_wandbs_schema() -> None:
    assert rule(min_iter=2).strict
