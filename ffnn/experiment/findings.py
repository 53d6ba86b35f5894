"""Findings in words: what was found, with what certainty, and what these runs cannot say.

The words follow from the comparison's statistics alone, so nobody writes a verdict by hand.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from ffnn.experiment.claims import Judged
from ffnn.experiment.comparison import Comparison
from ffnn.experiment.file import BEST
from ffnn.experiment.measures import MEASURES
from ffnn.experiment.statistics import detectable, seeds_needed
from ffnn.lab.config import name_of
from ffnn.words import count_of

ORDER = {
    "better": "better than it",
    "larger": "larger",
    "equal": "equal to it within {margin}",
    "undecided": "no difference shown",
    "smaller": "smaller",
    "worse": "worse",
}
"""Verdicts on conditions in the order in which a sentence tells them, and the sentence's words."""

BRIEFLY = {
    "better": "better", "larger": "larger", "equal": "equal", "smaller": "smaller", "worse": "worse",
    "undecided": "not shown to differ",
}  # fmt: skip
NAMED = 3
"""Conditions of one verdict that a cell names; of more it tells the number."""

MOST_LISTED = 8
FEW = 4
"""Seeds below which intervals are so wide that they need a word of warning."""

ENOUGH = 5
MOST_SEEDS = 50


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
            if row.pairs and row.pairs.mean.count and row.verdict == verdict
        ]
        if names:
            parts.append(f"{words.format(margin=margin)}: {', '.join(names)}")
    without = [row.condition for row in comparison.rows if row.pairs and not row.pairs.mean.count]
    return "; ".join([*parts, *([f"without runs to compare: {', '.join(without)}"] if without else [])])


def certainty_in_words(comparison: Comparison) -> str:
    """The verdict on the expected finding, with the numbers it rests on.

    The largest p of the claims that decide is named.
    """
    judged, seeds = comparison.judged, count_of(comparison.seeds, "seed")
    if not judged:
        return "undecided: the file makes no claims to test"
    by_verdict = {verdict: [one for one in judged if one.verdict == verdict] for verdict in ("confirmed", "undecided")}
    if comparison.verdict == "confirmed":
        return f"confirmed ({_every_p(judged)}, {seeds})"
    if comparison.verdict == "contradicted":
        against = [one for one in judged if one.verdict == "contradicted"]
        texts = ", ".join(one.claim.text for one in against)
        return f"contradicted ({_every_p(against)}, {seeds}): {texts}"
    return (
        f"undecided ({seeds}): of {count_of(len(judged), 'claim')} {len(by_verdict['confirmed'])} confirmed, "
        f"{len(by_verdict['undecided'])} open"
    )


def caveats(comparison: Comparison) -> list[str]:
    """What these runs cannot say, and what went wrong in them."""
    said = []
    made_for = name_of(comparison.experiment.base.get("dataset", comparison.dataset))
    if comparison.judged and comparison.dataset not in (made_for, *comparison.experiment.datasets):
        said.append(f"What is expected was written for {made_for}; these runs are on {comparison.dataset}.")
    if comparison.seeds == 1:
        said.append("One seed: no interval and no test; nothing can be confirmed. Take SEEDS=5.")
    elif comparison.seeds < FEW:
        said.append(_few_seeds(comparison))
    diverged = [f"{row.condition} {row.diverged} of {row.runs}" for row in comparison.rows if row.diverged]
    if diverged:
        said.append(
            f"Diverged: {', '.join(diverged)} runs. They count with the best epoch before, or else as guessing."
        )
    missing = [f"{row.condition} {row.missing}" for row in comparison.rows if row.missing]
    if missing:
        said.append(
            f"Missing, as they failed or were not made: {', '.join(missing)} runs; compared over the other seeds."
        )
    return said


def _few_seeds(comparison: Comparison) -> str:
    """How wide the intervals of so few seeds are, and how many more would make them narrow, or settle what is open."""
    seeds, measure = comparison.seeds, comparison.measure
    metric = comparison.experiment.metric
    shown = [mean for row in comparison.rows for mean in (row.means[metric], row.pairs and row.pairs.mean) if mean]
    widest = max((mean.half_width for mean in shown if mean.count > 1), default=math.nan)
    here = "" if math.isnan(widest) else f", here up to ±{measure.scale * widest:.{measure.digits}f} {measure.unit}"
    narrower = detectable(seeds) / detectable(ENOUGH)
    text = (
        f"With {seeds} seeds an interval reaches {detectable(seeds):.1f} standard deviations to each side"
        f"{here.rstrip()}: that width comes from so few seeds, not from how much the networks differ. "
        f"{count_of(ENOUGH - seeds, 'seed')} more (SEEDS={ENOUGH}) make it about {narrower:.0f} times narrower; "
        "finished runs are kept, and only missing ones are trained."
    )
    open_ones = [one for one in comparison.judged if one.verdict == "undecided"]
    needed = [
        n for one in open_ones if (n := seeds_needed(replace(one.pairs.mean, mean=one.excess), MOST_SEEDS)) is not None
    ]
    if not needed:
        return text
    reached = sum(n <= ENOUGH for n in needed)
    settled = f"settle {reached or 'none'} of the {len(open_ones)} open claims"
    if len(open_ones) == 1:
        settled = f"{'' if reached else 'not '}settle the open claim"
    return f"{text} At the scatter seen, itself uncertain, that would {settled}."


def notes(comparison: Comparison) -> list[str]:
    """Footnotes of the tables: what a figure in them is, where it is not what one would think."""
    metric = comparison.experiment.metric
    rounded = [
        *(row.condition for row in comparison.rows if row.means[metric].rounded),
        *(
            f"{row.condition} minus {comparison.reference}"
            for row in comparison.rows
            if row.pairs and row.pairs.mean.rounded
        ),
        *(f"the claim {one.claim.text}" for one in comparison.judged if one.pairs.mean.rounded),
    ]
    said = []
    if rounded:
        said.append(
            "Seeds that scatter less than counting whole images rounds are not certain: there an interval is that of "
            "rounding, with the standard deviation of 1/√12 image, and of √2 times that for a difference of two "
            f"conditions. So here: {_listed(rounded)}."
        )
    shared = [f"{row.condition} has those of {row.same_as}" for row in comparison.rows if row.same_as]
    if shared:
        said.append(f"The same settings are run once: {', '.join(shared)}.")
    used = dict.fromkeys([metric, *(one.claim.measure for one in comparison.judged)])
    return [*said, *(MEASURES[name].remark for name in used if MEASURES[name].remark)]


def found_briefly(comparison: Comparison) -> str:
    """What was found, with names only where something was shown: a cell of the table over experiments."""
    measure, experiment, name = comparison.measure, comparison.experiment, comparison.reference
    (row,) = (row for row in comparison.rows if row.condition == name)
    parts = [f"{name}: {row.means[experiment.metric].format(measure.scale, measure.digits)} {measure.heading}"]
    for verdict, words in BRIEFLY.items():
        those = [row for row in comparison.rows if row.pairs and row.pairs.mean.count and row.verdict == verdict]
        listed = ", ".join(
            f"{row.condition} ({measure.scale * row.pairs.mean.mean:+.{measure.digits}f})" for row in those if row.pairs
        )
        if those:
            parts.append(f"{words}: {listed if len(those) <= NAMED else f'{len(those)} conditions'}")
    return "; ".join(parts)


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - MOST_LISTED
    return ", ".join(names[:MOST_LISTED]) + (f" and {rest} more" if rest > 0 else "")


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


def _every_p(judged: Sequence[Judged]) -> str:
    largest = max(one.p for one in judged)
    words = "< 0.001" if largest < 0.001 else f"≤ {largest:.3f}"
    return f"{'every p' if len(judged) > 1 else 'p'} {words}"
