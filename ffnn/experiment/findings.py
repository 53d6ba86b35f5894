"""Findings in words: what was found, with what certainty, and what these runs cannot say.

The words follow from the comparison's statistics alone, so nobody writes a verdict by hand.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ffnn.comparison.groups import Group
from ffnn.comparison.measures import MEASURES
from ffnn.comparison.statistics import detectable, seeds_needed
from ffnn.experiment.claims import Judged
from ffnn.experiment.comparison import Comparison
from ffnn.experiment.file import BEST
from ffnn.lab.config import name_of
from ffnn.words import count_of, first_of

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


def finding_in_words(comparison: Comparison) -> str:
    """What was found, in one sentence: the reference, and who differs from it by how much."""
    against = comparison.experiment.compare.against
    chosen = ", best on validation," if against == BEST and len(comparison.groups) > 1 else ""
    margin = comparison.measure.within(comparison.experiment.compare.margin)
    parts = [f"{comparison.reference}{chosen} has {_reached(comparison)}"]
    parts += [f"{words.format(margin=margin)}: {', '.join(names)}" for words, names in _by_verdict(comparison, ORDER)]
    without = [group.name for group in comparison.groups if group.paired and not group.difference.count]
    return "; ".join([*parts, *([f"without runs to compare: {', '.join(without)}"] if without else [])])


def finding_in_brief(comparison: Comparison) -> str:
    """What was found, with names only where something was shown: a cell of the table over experiments."""
    parts = [f"{comparison.reference}: {_reached(comparison)}"]
    for words, names in _by_verdict(comparison, BRIEFLY):
        parts.append(f"{words}: {', '.join(names) if len(names) <= NAMED else f'{len(names)} conditions'}")
    return "; ".join(parts)


def _reached(comparison: Comparison) -> str:
    measure = comparison.measure
    mean = comparison.group(comparison.reference).mean
    return f"{measure.format(mean)} {measure.heading}"


def _by_verdict(comparison: Comparison, order: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    """The words of each verdict that a condition has, and those conditions with their differences."""
    shown = comparison.measure.shown
    for verdict, words in order.items():
        names = [
            f"{group.name} ({shown(group.difference.mean, '+')})"
            for group in comparison.groups
            if group.difference.count and group.verdict == verdict
        ]
        if names:
            yield words, names


def certainty_in_words(comparison: Comparison) -> str:
    """The verdict on the expected finding, with the numbers it rests on.

    The largest p of the claims that decide is named.
    """
    judged, seeds = comparison.judged, count_of(comparison.seeds, "seed")
    if not judged:
        return "undecided: the file makes no claims to test"
    if comparison.verdict == "confirmed":
        return f"confirmed ({_every_p(judged)}, {seeds})"
    if comparison.verdict == "contradicted":
        against = [result for result in judged if result.verdict == "contradicted"]
        texts = ", ".join(result.claim.text for result in against)
        return f"contradicted ({_every_p(against)}, {seeds}): {texts}"
    confirmed = sum(result.verdict == "confirmed" for result in judged)
    return (
        f"undecided ({seeds}): of {count_of(len(judged), 'claim')} {confirmed} confirmed, "
        f"{len(judged) - confirmed} open"
    )


def _every_p(judged: Sequence[Judged]) -> str:
    largest = max(result.p for result in judged)
    words = "< 0.001" if largest < 0.001 else f"≤ {largest:.3f}"
    return f"{'every p' if len(judged) > 1 else 'p'} {words}"


def caveats(comparison: Comparison) -> list[str]:
    """What these runs cannot say, and what went wrong in them."""
    lines, groups = [], comparison.groups
    made_for = name_of(comparison.experiment.base.get("dataset", comparison.dataset))
    if comparison.judged and comparison.dataset not in (made_for, *comparison.experiment.datasets):
        lines.append(f"What is expected was written for {made_for}; these runs are on {comparison.dataset}.")
    if comparison.seeds == 1:
        lines.append("One seed: no interval and no test; nothing can be confirmed. Take SEEDS=5.")
    elif comparison.seeds < FEW:
        lines.append(_few_seeds(comparison))
    diverged = [f"{group.name} {group.diverged} of {len(group.runs)}" for group in groups if group.diverged]
    if diverged:
        lines.append(
            f"Diverged: {', '.join(diverged)} runs. They count with the best epoch before, or else as guessing."
        )
    missing = [f"{group.name} {comparison.missing(group)}" for group in groups if comparison.missing(group)]
    if missing:
        lines.append(
            f"Missing, as they failed or were not made: {', '.join(missing)} runs; compared over the other seeds."
        )
    return lines


def _few_seeds(comparison: Comparison) -> str:
    """How wide the intervals of so few seeds are, and how many more would make them narrow, or settle what is open."""
    seeds, measure = comparison.seeds, comparison.measure
    intervals = [mean for group in comparison.groups for mean in (group.mean, group.difference) if mean.count > 1]
    widest = max((mean.half_width for mean in intervals), default=math.nan)
    up_to = "" if math.isnan(widest) else f", here up to ±{measure.shown(widest)} {measure.unit}"
    narrower = detectable(seeds) / detectable(ENOUGH)
    text = (
        f"With {seeds} seeds an interval reaches {detectable(seeds):.1f} standard deviations to each side"
        f"{up_to.rstrip()}: that width comes from so few seeds, not from how much the networks differ. "
        f"{count_of(ENOUGH - seeds, 'seed')} more (SEEDS={ENOUGH}) make it about {narrower:.0f} times narrower; "
        "finished runs are kept, and only missing ones are trained."
    )
    undecided = [result for result in comparison.judged if result.verdict == "undecided"]
    needed = [
        n
        for result in undecided
        if (n := seeds_needed(replace(result.pairs.mean, mean=result.excess), MOST_SEEDS)) is not None
    ]
    if not needed:
        return text
    reached = sum(n <= ENOUGH for n in needed)
    settled = f"settle {reached or 'none'} of the {len(undecided)} open claims"
    if len(undecided) == 1:
        settled = f"{'' if reached else 'not '}settle the open claim"
    return f"{text} At the scatter seen, itself uncertain, that would {settled}."


def notes(comparison: Comparison) -> list[str]:
    """Footnotes of the tables: what a figure in them is, where it is not what one would think."""
    groups = comparison.groups
    rounded = [
        *(group.name for group in groups if group.mean.rounded),
        *(f"{group.name} minus {comparison.reference}" for group in groups if group.difference.rounded),
        *(f"the claim {result.claim.text}" for result in comparison.judged if result.pairs.mean.rounded),
    ]
    lines = []
    if rounded:
        lines.append(
            "Seeds that scatter less than counting whole images rounds are not certain: there an interval is that of "
            "rounding, with the standard deviation of 1/√12 image, and of √2 times that for a difference of two "
            f"conditions. So here: {first_of(rounded, MOST_LISTED)}."
        )
    shared = [f"{group.name} has those of {first}" for group, first in _shared(groups)]
    if shared:
        lines.append(f"The same settings are run once: {', '.join(shared)}.")
    used = dict.fromkeys([comparison.experiment.metric, *(result.claim.measure for result in comparison.judged)])
    return [*lines, *(MEASURES[name].remark for name in used if MEASURES[name].remark)]


def _shared(groups: Sequence[Group]) -> Iterator[tuple[Group, str]]:
    """Conditions that have the same runs as one before them, and the name of the first such one."""
    names: dict[tuple[object, ...], str] = {}
    for group in groups:
        paths = tuple(run.path for run in group.runs)
        if paths and names.setdefault(paths, group.name) != group.name:
            yield group, names[paths]
