"""Claims: the machine-checkable half of an expected finding, such as "adam > sgd".

A claim names a region for the true difference of two conditions. Where statistics put the difference
inside, the claim is confirmed; outside, contradicted; where they cannot tell, it is undecided.
"""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ffnn.comparison.measures import MEASURES
from ffnn.comparison.statistics import ALPHA, Pairs, holm
from ffnn.errors import FFNNError, nearest

Verdict = Literal["confirmed", "contradicted", "undecided"]
FORM = re.compile(
    r"(?P<left>\S+)\s+(?P<relation>>=|<=|>|<|~)\s+(?P<right>\S+)(\s+on\s+(?P<measure>\S+))?(\s+within\s+(?P<margin>\S+))?"
)
HOW = "LEFT > RIGHT, with one of > >= ~ <= <, and perhaps `on MEASURE` and `within MARGIN` after it"


@dataclass(frozen=True)
class Claim:
    """One relation between two conditions, or between a condition and a number.

    With d = left - right, in the measure's own numbers, and a margin m within which differences do not
    matter: `>` says d > m (clearly larger), `>=` says d > -m (not clearly smaller), `~` says |d| < m
    (practically equal); `<` and `<=` are the same with the sides exchanged.

    The text is the claim as it was written; the measure is a name of `ffnn.comparison.measures.MEASURES`.
    """

    text: str
    left: str
    relation: str
    right: str | float
    measure: str
    margin: float


def parse_claim(text: str, conditions: Collection[str], measure: str, margin: float) -> Claim:
    """The claim that a text means, such as "adam > sgd on curve/val/accuracy within 0.01" or "baseline > 0.85".

    `measure` and `margin` hold where it names none; claims about a number have the margin 0, those on another measure
    must name one. FFNNError if it does not have this form, or names an unknown condition or measure.

    Examples
    --------
    >>> claim = parse_claim("adam >= sgd", ["sgd", "adam"], "test/accuracy", 0.003)
    >>> claim.left, claim.relation, claim.right, claim.margin
    ('adam', '>=', 'sgd', 0.003)
    >>> parse_claim("adam > sdg", ["sgd", "adam"], "test/accuracy", 0.003)
    Traceback (most recent call last):
    ffnn.errors.FFNNError: claim 'adam > sdg': expected a condition of sgd, adam; received 'sdg'; did you mean 'sgd'?
    """
    form = FORM.fullmatch(text.strip())
    if not form:
        raise FFNNError(f"claim {text!r}: expected {HOW}")
    right = _number(form["right"])
    for name in [form["left"]] if right is not None else [form["left"], form["right"]]:
        if name not in conditions:
            listed = ", ".join(conditions)
            raise FFNNError(
                f"claim {text!r}: expected a condition of {listed}; received {name!r}{nearest(name, conditions)}"
            )
    on = form["measure"] or measure
    if on not in MEASURES:
        raise FFNNError(
            f"claim {text!r}: expected a measure of {', '.join(MEASURES)}; received {on!r}{nearest(on, MEASURES)}"
        )
    within = 0.0 if right is not None else margin
    if form["margin"]:
        number = _number(form["margin"])
        within = math.nan if number is None else number
    elif on != measure and right is None:
        raise FFNNError(f"claim {text!r}: expected `within MARGIN`, as {on} is not measured in {measure}")
    if not 0 <= within < math.inf:
        raise FFNNError(f"claim {text!r}: expected a margin of at least 0; received {form['margin']!r}")
    return Claim(text, form["left"], form["relation"], form["right"] if right is None else right, on, within)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


@dataclass(frozen=True)
class Judged:
    """What the runs say to a claim.

    The pairs are left - right, where the right may be a number; p, Holm-corrected over the claims that were judged
    together, is NaN without a test.
    """

    claim: Claim
    pairs: Pairs
    p: float
    verdict: Verdict

    @property
    def excess(self) -> float:
        """How far the difference lies from the nearest edge of the claim's region."""
        margin = self.claim.margin
        edges = (-margin, margin) if self.claim.relation == "~" else (_bound(self.claim),)
        return min(abs(self.pairs.mean.mean - edge) for edge in edges)


def judge(
    claims: Sequence[Claim],
    values: Mapping[str, Mapping[str, Mapping[int, float]]],
    resolutions: Mapping[str, float] | None = None,
) -> list[Judged]:
    """A verdict for each claim, all of them together wrong with a probability of at most 5 %.

    Each claim has two one-sided tests, one for the difference lying inside its region and one for its lying outside, of
    which at most one can succeed; the smaller p counts twice, and Holm corrects over the claims.

    Values are by measure, condition and seed; resolutions are the steps of a measure's values, 0 where it has none.
    """
    steps = resolutions or {}
    pairs = [_pairs_of(claim, values[claim.measure], steps.get(claim.measure, 0.0)) for claim in claims]
    tests = [_tests(claim, pair) for claim, pair in zip(claims, pairs, strict=True)]
    corrected = holm([_two_sided(*test) for test in tests])
    return [
        Judged(claim, pair, p, _verdict(p, *test))
        for claim, pair, p, test in zip(claims, pairs, corrected, tests, strict=True)
    ]


def _two_sided(inside: float, outside: float) -> float:
    return math.nan if math.isnan(inside) else min(1.0, 2 * min(inside, outside))


def _pairs_of(claim: Claim, values: Mapping[str, Mapping[int, float]], resolution: float) -> Pairs:
    right = values[claim.right] if isinstance(claim.right, str) else claim.right
    return Pairs(values[claim.left], right, resolution)


def _tests(claim: Claim, pairs: Pairs) -> tuple[float, float]:
    """p-values that are small where the true difference lies inside the claim's region, and outside."""
    margin = claim.margin
    if claim.relation == "~":
        return (max(pairs.p_above(-margin), pairs.p_below(margin)), min(pairs.p_below(-margin), pairs.p_above(margin)))
    bound = _bound(claim)
    tests = pairs.p_above(bound), pairs.p_below(bound)
    return tests if claim.relation.startswith(">") else tests[::-1]


def _bound(claim: Claim) -> float:
    """The edge of a region that has one."""
    return claim.margin if claim.relation in (">", "<=") else -claim.margin


def _verdict(p: float, inside: float, outside: float) -> Verdict:
    if not p < ALPHA:
        return "undecided"
    return "confirmed" if inside < outside else "contradicted"


def verdict_of(judged: Sequence[Judged]) -> Verdict:
    """Of the whole finding: confirmed if every claim is, contradicted if one is, else undecided."""
    verdicts = {result.verdict for result in judged}
    if "contradicted" in verdicts:
        return "contradicted"
    return "confirmed" if verdicts == {"confirmed"} else "undecided"
