"""Groups of runs and their comparison: means, paired differences, corrected tests, verdicts.

Runs of two groups are pairs where they agree in everything by which runs of the same group differ: their seed, and
whatever else was varied and is not grouped by. Only seeds are chance: what else was varied is averaged before any test.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal

from ffnn.comparison.measures import Measure
from ffnn.comparison.settings import SEEDS, setting, shown
from ffnn.comparison.statistics import ALPHA, Mean, Pairs, holm, mean_of
from ffnn.tracking import RunRecord

BySeed = Mapping[tuple[str, ...], Mapping[tuple[str, ...], float]]
"""A group's values: by the seeds, then by what else was varied."""


@dataclass(frozen=True)
class Paired:
    """A group and the reference, over the runs that have a partner, of which there are `count` pairs.

    `pairs` are group minus reference: one difference a seed, the mean over the seed's pairs of runs. The means are
    those of the paired runs, NaN without pairs; `partial` says whether either side has runs without a partner, so that
    these are not the means of the table.
    """

    pairs: Pairs
    count: int
    mean: float
    reference_mean: float
    partial: bool


@dataclass(frozen=True)
class Group:
    """Runs that belong together, alone and against the reference.

    `mean` is that of the metric, over seeds; it has no interval where runs that differ in more than chance would make
    it one, and `spread` is then the standard deviation of those runs, else NaN. `paired` is None for the reference; `p`
    is two-sided, Holm-corrected over the groups, NaN without a test; `verdict` is in words.
    """

    name: str
    runs: Sequence[RunRecord]
    mean: Mean
    spread: float
    paired: Paired | None
    p: float
    verdict: str

    @property
    def pairs(self) -> Pairs | None:
        """Differences to the reference, seed by seed; None for the reference itself."""
        return self.paired.pairs if self.paired else None

    @property
    def difference(self) -> Mean:
        """Mean of the differences to the reference; without a value where there are none."""
        return self.paired.pairs.mean if self.paired else mean_of([])

    @property
    def diverged(self) -> int:
        """Runs that diverged."""
        return sum(bool(run.summary.get("diverged")) for run in self.runs)


def compare_groups(
    groups: Mapping[str, Sequence[RunRecord]],
    measure: Measure,
    reference: str,
    margin: float | None,
    resolution: float,
    keys: Sequence[str] = ("seed",),
) -> list[Group]:
    """All groups, runs by name, against the one called `reference`, in their order.

    Differences shown to be within `margin` count as equal; with None, none do. Values come in steps of `resolution`, as
    for `mean_of`; the runs of a pair agree in the settings `keys`.
    """
    values = {name: _by_seed(runs, keys, measure) for name, runs in groups.items()}
    paired = {
        name: _paired(group, values[reference], resolution) for name, group in values.items() if name != reference
    }
    p = dict(zip(paired, holm([pairing.pairs.p for pairing in paired.values()]), strict=True))
    p_equal = dict.fromkeys(paired, math.nan)
    if margin is not None:
        tests = [p_of_equality(pairing.pairs, margin) for pairing in paired.values()]
        p_equal = dict(zip(paired, holm(tests), strict=True))
    compared = []
    for name, runs in groups.items():
        verdict = "reference"
        if name in paired:
            verdict = verdict_on(paired[name].pairs, p[name], p_equal[name], measure.better)
        mean, spread = _mean(values[name], resolution)
        compared.append(Group(name, runs, mean, spread, paired.get(name), p.get(name, math.nan), verdict))
    return compared


def best_group(groups: Mapping[str, Sequence[RunRecord]], *measures: Measure) -> str | None:
    """The group with the best mean of the first measure that any group has; None where none has one."""
    for measure in measures:
        means = {name: mean_of([measure.of(run) for run in runs]) for name, runs in groups.items()}
        best = {name: mean.mean for name, mean in means.items() if mean.count}
        if best:
            return (min if measure.better == "smaller" else max)(best, key=lambda name: best[name])
    return None


def p_of_equality(pairs: Pairs, margin: float) -> float:
    """Small where the true difference lies within the margin: two one-sided tests, of which the larger p counts twice.

    Twice, as for claims, since a group is tested for being different, too.
    """
    return min(1.0, 2 * max(pairs.p_above(-margin), pairs.p_below(margin))) if pairs.mean.count > 1 else math.nan


def verdict_on(pairs: Pairs, p: float, p_equal: float, better: Literal["larger", "smaller"] | None) -> str:
    """What is shown about a difference.

    The corrected p are those of there being no difference, and of one beyond the margin.

    Examples
    --------
    >>> pairs = Pairs({0: 0.95, 1: 0.94, 2: 0.96}, {0: 0.90, 1: 0.89, 2: 0.92})
    >>> verdict_on(pairs, pairs.p, p_of_equality(pairs, 0.003), "larger"), verdict_on(pairs, 0.2, 0.01, "larger")
    ('better', 'equal')
    """
    if p < ALPHA:
        side = "larger" if pairs.mean.mean > 0 else "smaller"
        return side if better is None else "better" if side == better else "worse"
    return "equal" if p_equal < ALPHA else "undecided"


def _by_seed(runs: Sequence[RunRecord], keys: Sequence[str], measure: Measure) -> BySeed:
    """Values that are known; runs made twice count once, as their mean."""
    cells: dict[tuple[str, ...], dict[tuple[str, ...], list[float]]] = {}
    for run in runs:
        seeds, rest = (
            tuple(shown(setting(run, key)) for key in keys if (key in SEEDS) == is_seed) for is_seed in (True, False)
        )
        if math.isfinite(value := measure.of(run)):
            cells.setdefault(seeds, {}).setdefault(rest, []).append(value)
    return {seeds: {rest: fmean(values) for rest, values in inner.items()} for seeds, inner in cells.items()}


def _mean(values: BySeed, resolution: float) -> tuple[Mean, float]:
    """The mean with its interval over seeds; or with a spread, where seeds do not all have the same other settings."""
    cells = [value for inner in values.values() for value in inner.values()]
    alike = len({frozenset(inner) for inner in values.values()}) == 1
    if len(cells) < 2 or (alike and len(values) > 1):
        return mean_of([fmean(inner.values()) for inner in values.values()], resolution), math.nan
    return Mean(fmean(cells), math.nan, len(cells)), stdev(cells)


def _paired(group: BySeed, reference: BySeed, resolution: float) -> Paired:
    """Differences over the runs that both sides have, averaged within a seed."""
    shared = {
        seeds: [rest for rest in group[seeds] if rest in reference[seeds]] for seeds in group if seeds in reference
    }
    shared = {seeds: both for seeds, both in shared.items() if both}
    count = sum(map(len, shared.values()))
    sides = [[[side[seeds][rest] for rest in both] for seeds, both in shared.items()] for side in (group, reference)]
    left, right = ({number: fmean(values) for number, values in enumerate(side)} for side in sides)
    means = [fmean(value for values in side for value in values) if count else math.nan for side in sides]
    partial = any(sum(map(len, side.values())) > count for side in (group, reference))
    return Paired(Pairs(left, right, resolution), count, means[0], means[1], partial)
