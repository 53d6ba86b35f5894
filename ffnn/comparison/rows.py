"""Rows of comparisons: the figures of a difference as files keep them, and their texts as people read them.

Terminal, report and study page take the same texts, so that no two tell a difference in two ways.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from ffnn.comparison.measures import Measure
from ffnn.comparison.statistics import Mean, Pairs

MOODS: Mapping[str, Literal["good", "bad", "unsure", "quiet"]] = {
    "confirmed": "good",
    "better": "good",
    "contradicted": "bad",
    "worse": "bad",
    "undecided": "unsure",
    "reference": "quiet",
}
"""What the colour of a verdict says; others have none."""


class Texts(NamedTuple):
    """What a table says about a difference; a dash where something is not known."""

    difference: str
    p: str
    effect: str
    verdict: str


def numbers_of(pairs: Pairs | None, p: float, verdict: str, others: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The figures of a difference; NaN where something is not known, as everything is for the reference.

    The p is corrected for the number of rows; the others are what a file has between the difference and its test.
    """
    mean = pairs.mean if pairs else Mean(math.nan, math.nan, 0)
    return {
        "difference": mean.mean,
        "difference ± 95 %": mean.half_width,
        **(others or {}),
        "p (Holm)": p,
        "Hedges g": pairs.effect if pairs else math.nan,
        "verdict": verdict,
    }


def texts_of(row: Mapping[str, Any], measure: Measure) -> Texts:
    """A row of figures as a table shows it; what is absent or None is not known."""
    difference, half_width, p, effect = (
        number(row, name) for name in ("difference", "difference ± 95 %", "p (Holm)", "Hedges g")
    )
    mean = Mean(difference, half_width, 0 if math.isnan(difference) else 1)
    return Texts(measure.format(mean, "+"), format_p(p), format_effect(effect), row["verdict"])


def number(row: Mapping[str, Any], name: str) -> float:
    """A figure of a row; NaN where it has none."""
    value = row.get(name)
    return math.nan if value is None else float(value)


def format_p(p: float) -> str:
    """A p-value as people read it.

    Examples
    --------
    >>> format_p(0.0312), format_p(0.00001), format_p(float("nan"))
    ('0.031', '<0.001', '-')
    """
    return "-" if math.isnan(p) else "<0.001" if p < 0.001 else f"{p:.3f}"


def format_effect(effect: float) -> str:
    """An effect size, or a dash where there is none.

    Examples
    --------
    >>> format_effect(-1.234), format_effect(float("nan"))
    ('-1.2', '-')
    """
    return "-" if math.isnan(effect) else f"{effect:+.1f}"
