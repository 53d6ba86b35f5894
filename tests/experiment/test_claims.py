"""Claims: what the parser refuses, and that verdicts follow from the numbers in both directions."""

import math

import numpy as np
import pytest

from ffnn.errors import FFNNError
from ffnn.experiment.claims import Judged, judge, parse_claim, verdict_of

NAMES = ["a", "b", "deep-he"]


def judged(text: str, difference: float, scatter: float = 0.01, seeds: int = 5) -> Judged:
    """The verdict on a claim about a and b, where a is larger by `difference`."""
    noise = np.resize([1.0, -1.0, 0.5, -0.5, 0.0], seeds) * scatter
    values = {"a": {s: 0.5 + difference + noise[s] for s in range(seeds)}, "b": dict.fromkeys(range(seeds), 0.5)}
    claim = parse_claim(text, ["a", "b"], "test/accuracy", 0.1)
    (one,) = judge([claim], {"test/accuracy": values})
    return one


@pytest.mark.parametrize(
    ("text", "difference", "verdict"),
    [
        ("a > b", 0.2, "confirmed"),
        ("a > b", 0.1, "undecided"),
        ("a > b", 0.05, "contradicted"),
        ("a > b", -0.2, "contradicted"),
        ("a >= b", 0.0, "confirmed"),
        ("a >= b", -0.1, "undecided"),
        ("a >= b", -0.2, "contradicted"),
        ("a < b", -0.2, "confirmed"),
        ("a < b", 0.0, "contradicted"),
        ("a <= b", 0.05, "confirmed"),
        ("a <= b", 0.2, "contradicted"),
        ("a ~ b", 0.05, "confirmed"),
        ("a ~ b", -0.05, "confirmed"),
        ("a ~ b", 0.1, "undecided"),
        ("a ~ b", 0.2, "contradicted"),
        ("a ~ b", -0.2, "contradicted"),
        ("b > a", -0.2, "confirmed"),
        ("a > b within 0.3", 0.2, "contradicted"),
        ("a > 0.6", 0.2, "confirmed"),
        ("a > 0.6", 0.0, "contradicted"),
        ("a ~ 0.7 within 0.05", 0.2, "confirmed"),
    ],
)
def test_a_verdict_follows_from_where_the_difference_lies(text: str, difference: float, verdict: str) -> None:
    assert judged(text, difference).verdict == verdict


@pytest.mark.parametrize("text", ["a > b", "a >= b", "a ~ b"])
def test_scatter_and_single_seeds_leave_a_claim_undecided(text: str) -> None:
    assert judged(text, 0.05, scatter=1.0).verdict == "undecided"
    alone = judged(text, 0.05, seeds=1)
    assert alone.verdict == "undecided"
    assert math.isnan(alone.p)


def test_a_claim_about_a_number_is_the_test_of_one_sample() -> None:
    """With the step 0.01 and two equal values 0.05 above: p one-sided 0.012988, by hand as in test_statistics.py."""
    claim = parse_claim("a > 0.85", ["a"], "test/accuracy", 0.0)
    (one,) = judge([claim], {"test/accuracy": {"a": {0: 0.90, 1: 0.90}}}, {"test/accuracy": 0.01})
    assert one.p == pytest.approx(2 * 0.012988, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "difference", "excess"),
    [("a > b", 0.3, 0.2), ("a >= b", 0.3, 0.4), ("a < b", 0.3, 0.4), ("a <= b", 0.3, 0.2), ("a ~ b", -0.03, 0.07)],
)
def test_how_far_a_claim_is_from_its_edge(text: str, difference: float, excess: float) -> None:
    assert judged(text, difference).excess == pytest.approx(excess)


def test_a_claim_on_another_measure_reads_that_measure() -> None:
    claim = parse_claim("a > b on curve/val/accuracy within 0", ["a", "b"], "test/accuracy", 0.1)
    high, low = {0: 0.9, 1: 0.91, 2: 0.92}, {0: 0.1, 1: 0.1, 2: 0.1}
    (one,) = judge([claim], {"test/accuracy": {"a": low, "b": high}, "curve/val/accuracy": {"a": high, "b": low}})
    assert one.verdict == "confirmed"


def test_many_claims_need_stronger_evidence_each() -> None:
    """A claim that alone is just confirmed is not, among twenty that chance would confirm as easily."""
    values = {"a": {0: 0.11, 1: 0.13, 2: 0.12, 3: 0.05, 4: 0.06}, "b": dict.fromkeys(range(5), 0.0)}
    claim = parse_claim("a > b", ["a", "b"], "test/accuracy", 0.04)
    (alone,) = judge([claim], {"test/accuracy": values})
    among = judge([claim] * 20, {"test/accuracy": values})
    assert alone.verdict == "confirmed"
    assert {one.verdict for one in among} == {"undecided"}


def test_true_claims_are_contradicted_at_most_as_often_as_promised() -> None:
    """On the region's very edge a claim is decided, either way, in 5 of 100 experiments."""
    rng = np.random.default_rng(0)
    claim = parse_claim("a >= b", ["a", "b"], "test/accuracy", 0.5)
    decided = 0
    for _ in range(1500):
        values = {"a": dict(enumerate(rng.normal(-0.5, 1, 5))), "b": dict.fromkeys(range(5), 0.0)}
        (one,) = judge([claim], {"test/accuracy": values})
        decided += one.verdict != "undecided"
    assert decided / 1500 == pytest.approx(0.05, abs=0.02)


def test_a_finding_is_as_strong_as_its_claims() -> None:
    yes, no, open_ = judged("a > b", 0.2), judged("a > b", -0.2), judged("a > b", 0.1)
    assert verdict_of([yes, yes]) == "confirmed"
    assert verdict_of([yes, open_]) == "undecided"
    assert verdict_of([yes, open_, no]) == "contradicted"
    assert verdict_of([]) == "undecided"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a b", "expected LEFT > RIGHT"),
        ("a => b", "expected LEFT > RIGHT"),
        ("a > b > deep-he", "expected LEFT > RIGHT"),
        ("a > b within", "expected LEFT > RIGHT"),
        ("", "expected LEFT > RIGHT"),
        ("a > c", "received 'c'"),
        ("deep-hee > a", "did you mean 'deep-he'"),
        ("0.5 < a", "received '0.5'"),
        ("a > b on val/acc", "expected a measure"),
        ("a > b on best/val/loss", "expected `within MARGIN`"),
        ("a > b within -1", "margin of at least 0"),
        ("a > b within much", "received 'much'"),
        ("a > b within nan", "received 'nan'"),
        ("a > b within inf", "received 'inf'"),
    ],
)
def test_a_claim_that_means_nothing_is_one_line(text: str, message: str) -> None:
    with pytest.raises(FFNNError) as caught:
        parse_claim(text, NAMES, "test/accuracy", 0.1)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert repr(text) in str(caught.value)
