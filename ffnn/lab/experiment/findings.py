"""Findings in words: what was found, with what certainty, and what these runs cannot say.

The words follow from the comparison's statistics alone, so nobody writes a verdict by hand.
"""

import math
from collections.abc import Sequence

from ffnn.lab.experiment.claims import Judged
from ffnn.lab.experiment.comparison import Comparison
from ffnn.lab.experiment.file import BEST
from ffnn.lab.experiment.statistics import detectable

ORDER = {
    "better": "better than it",
    "larger": "larger",
    "equal": "equal to it within {margin}",
    "undecided": "no difference shown",
    "smaller": "smaller",
    "worse": "worse",
}
"""Verdicts on conditions in the order in which a sentence tells them, and the sentence's words."""


def found_in_words(comparison: Comparison) -> str:
    """What was found, in one sentence: the reference, and who differs from it by how much."""
    measure, name, experiment = comparison.measure, comparison.reference, comparison.experiment
    (row,) = (row for row in comparison.rows if row.condition == name)
    mean = row.means[experiment.metric].format(measure.scale, measure.digits)
    chosen = ", best on validation," if experiment.compare.against == BEST and len(comparison.rows) > 1 else ""
    parts = [f"{name}{chosen} has {mean} {measure.heading}"]
    margin = f"{measure.scale * experiment.compare.margin:g} {measure.unit}".strip()
    for verdict, words in ORDER.items():
        names = [
            f"{row.condition} ({measure.scale * row.pairs.mean.mean:+.{measure.digits}f})"
            for row in comparison.rows
            if row.pairs and row.verdict == verdict
        ]
        if names:
            parts.append(f"{words.format(margin=margin)}: {', '.join(names)}")
    return "; ".join(parts)


def certainty_in_words(comparison: Comparison) -> str:
    """The verdict on the expected finding, with the numbers it rests on.

    The largest p of the claims that decide is named.
    """
    judged, seeds = comparison.judged, _count(comparison.seeds, "seed")
    if not judged:
        return "undecided: the file makes no claims to test"
    by_verdict = {verdict: [one for one in judged if one.verdict == verdict] for verdict in ("confirmed", "undecided")}
    if comparison.verdict == "confirmed":
        return f"confirmed (every p {_at_most(judged)}, {seeds})"
    if comparison.verdict == "contradicted":
        against = [one for one in judged if one.verdict == "contradicted"]
        texts = ", ".join(one.claim.text for one in against)
        return f"contradicted (every p {_at_most(against)}, {seeds}): {texts}"
    return (
        f"undecided ({seeds}): of {_count(len(judged), 'claim')} {len(by_verdict['confirmed'])} confirmed, "
        f"{len(by_verdict['undecided'])} open"
    )


def caveats(comparison: Comparison) -> list[str]:
    """What these runs cannot say, and what went wrong in them."""
    said = []
    if comparison.seeds == 1:
        said.append("One seed: no interval and no test; nothing can be confirmed. Take SEEDS=5.")
    elif comparison.seeds < 4:
        said.append(
            f"Only {comparison.seeds} seeds: a difference must exceed {detectable(comparison.seeds):.1f} times its own "
            f"scatter to be shown, even in a single test; with 5 seeds, {detectable(5):.1f} times."
        )
    diverged = [f"{row.condition} {row.diverged} of {row.runs}" for row in comparison.rows if row.diverged]
    if diverged:
        said.append(
            f"Diverged: {', '.join(diverged)} runs. They count with the best epoch before, or else as guessing."
        )
    missing = [f"{row.condition} {row.missing}" for row in comparison.rows if row.missing]
    if missing:
        said.append(f"Failed and missing: {', '.join(missing)} runs; compared over the other seeds.")
    return said


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


def _at_most(judged: Sequence[Judged]) -> str:
    largest = max(one.p for one in judged)
    return "< 0.001" if largest < 0.001 else f"≤ {largest:.3f}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
