"""Groups of runs and their comparison: means, paired differences, corrected tests, verdicts.

Runs of two groups are pairs where they agree in everything by which runs of the same group differ: their seed, and
whatever else was varied and is not grouped by. Only seeds are chance: what else was varied is averaged before any test.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from ffnn.comparison.metrics import counted_as_guessing, curve_name, find_measure, margin_of
from ffnn.comparison.settings import SEEDS, setting, shown
from ffnn.errors import FFNNError, nearest
from ffnn.experiment.comparison import p_of_equality, words_for
from ffnn.experiment.measures import CHOICE, MEASURES, Measure
from ffnn.experiment.statistics import Mean, Pairs, holm, mean_of
from ffnn.lab.config import BOOKKEEPING
from ffnn.tracking import RunRecord

BySeed = Mapping[tuple[str, ...], Mapping[tuple[str, ...], float]]
"""A group's values: by the seeds, then by what else was varied."""


@dataclass(frozen=True)
class Paired:
    """A group and the reference, over the runs that have a partner.

    Attributes
    ----------
    pairs : Pairs
        Group minus reference: one difference a seed, the mean over the seed's pairs of runs.
    count : int
        Pairs of runs.
    own, other : float
        Means over the paired runs of the group and of the reference; NaN without pairs.
    partial : bool
        Whether either has runs without a partner, so that these are not the means of the table.
    """

    pairs: Pairs
    count: int
    own: float
    other: float
    partial: bool


@dataclass(frozen=True)
class Group:
    """Runs with the same values of what they are grouped by.

    Attributes
    ----------
    name : str
    runs : list of RunRecord
    mean : Mean
        Of the metric, over seeds; without an interval where runs that differ in more than chance would make it one.
    spread : float
        Standard deviation of runs that differ in more than chance; NaN where the mean has an interval or one value.
    known : int
        Runs that have the metric.
    guessed : int
        Those of them that count as guessing, since they diverged.
    paired : Paired or None
        None for the reference.
    p : float
        Two-sided, Holm-corrected over the groups; NaN without a test.
    verdict : str
    curve : list of float
        The metric over epochs, mean over the runs; empty where no epoch has it.
    """

    name: str
    runs: Sequence[RunRecord]
    mean: Mean
    spread: float
    known: int
    guessed: int
    paired: Paired | None
    p: float
    verdict: str
    curve: Sequence[float]


@dataclass(frozen=True)
class Compared:
    """Groups of runs, and how they were compared.

    Attributes
    ----------
    groups : list of Group
        Best first; one of them is the reference.
    by : sequence of str
        What they are grouped by.
    measure : Measure
    varied : sequence of str
        Settings in which runs of a group differ and the runs of a pair agree, seeds first.
    curve : str, optional
        The name of the history that the groups' curves show.
    margin : float, optional
        Differences shown to be within it are called equal; None where nothing is.
    """

    groups: Sequence[Group]
    by: Sequence[str]
    measure: Measure
    varied: Sequence[str]
    curve: str | None
    margin: float | None

    @property
    def averaged(self) -> list[str]:
        """What varied besides seeds."""
        return [name for name in self.varied if name not in SEEDS]

    @property
    def reference(self) -> Group:
        """What the others are compared with."""
        return next(group for group in self.groups if group.paired is None)


def group_runs(runs: Sequence[RunRecord], by: Sequence[str]) -> dict[str, list[RunRecord]]:
    """Runs by the values of settings, in the order in which they come; one group if there is nothing to group by."""
    groups: dict[str, list[RunRecord]] = {}
    for run in runs:
        name = ", ".join(shown(setting(run, key)) for key in by) or "all runs"
        groups.setdefault(name, []).append(run)
    return groups


def varied(groups: Mapping[str, Sequence[RunRecord]], by: Sequence[str]) -> list[str]:
    """Settings in which runs of the same group differ, seeds first: what makes a pair."""
    names = dict.fromkeys(name for runs in groups.values() for run in runs for name in run.config)
    free = [name for name in names if name not in BOOKKEEPING and name not in by]
    differ = [
        name for name in free if any(len({shown(setting(run, name)) for run in runs}) > 1 for runs in groups.values())
    ]
    return sorted(differ, key=lambda name: name not in SEEDS)


def compare_groups(
    groups: Mapping[str, Sequence[RunRecord]],
    by: Sequence[str],
    metric: str,
    against: str | None = None,
    margin: float | None = None,
) -> Compared:
    """All groups, best first, against the one named or else the one that is best on validation.

    Parameters
    ----------
    groups : mapping from name to runs
    by : sequence of str
    metric : str
    against : str, optional
        The name of a group.
    margin : float >= 0, optional
        Differences shown to be within it count as equal; by default 0.003 of accuracies and their like, else none.

    Raises
    ------
    FFNNError
        If the metric or the group is unknown.
    """
    runs = [run for members in groups.values() for run in members]
    measure = find_measure(metric, runs)
    if against is not None and against not in groups:
        raise FFNNError(
            f"--against: expected one of {'; '.join(groups)}; received {against!r}{nearest(against, groups)}"
        )
    keys, within = varied(groups, by), margin_of(metric) if margin is None else margin
    values = {name: _by_seed(members, keys, measure) for name, members in groups.items()}
    step = max(measure.resolution(run) for run in runs)
    reference = against or best_group(groups, measure)
    paired = {name: _paired(own, values[reference], step) for name, own in values.items() if name != reference}
    corrected = dict(zip(paired, holm([one.pairs.p for one in paired.values()]), strict=True))
    equal = dict.fromkeys(paired, math.nan)
    if within is not None:
        both = holm([p_of_equality(one.pairs, within) for one in paired.values()])
        equal = dict(zip(paired, both, strict=True))
    curve = curve_name(metric, runs)
    rows = []
    for name, members in groups.items():
        pairs, p = paired[name].pairs if name in paired else None, corrected.get(name, math.nan)
        mean, spread = _mean(values[name], step)
        known = sum(math.isfinite(measure.of(run)) for run in members)
        guessed = sum(counted_as_guessing(run, measure) for run in members)
        verdict = words_for(pairs, p, equal.get(name, math.nan), measure.better)
        drawn = mean_curve(members, curve) if curve else []
        rows.append(Group(name, members, mean, spread, known, guessed, paired.get(name), p, verdict, drawn))
    sign = 1 if measure.better == "smaller" else -1
    rows.sort(key=lambda row: sign * row.mean.mean if row.mean.count else math.inf)
    return Compared(rows, by, measure, keys, curve, within)


def best_group(groups: Mapping[str, Sequence[RunRecord]], measure: Measure) -> str:
    """The group that is best on validation, as the experiments choose; by the metric itself where that is not known."""
    for judge in (MEASURES[CHOICE], measure):
        means = {name: mean_of([judge.of(run) for run in members]) for name, members in groups.items()}
        known = {name: mean.mean for name, mean in means.items() if mean.count}
        if known:
            return (min if judge.better == "smaller" else max)(known, key=lambda name: known[name])
    return next(iter(groups))


def _by_seed(runs: Sequence[RunRecord], keys: Sequence[str], measure: Measure) -> BySeed:
    """Values that are known; runs made twice count once, as their mean."""
    found: dict[tuple[str, ...], dict[tuple[str, ...], list[float]]] = {}
    for run in runs:
        seeds, rest = (
            tuple(shown(setting(run, key)) for key in keys if (key in SEEDS) == is_seed) for is_seed in (True, False)
        )
        if math.isfinite(value := measure.of(run)):
            found.setdefault(seeds, {}).setdefault(rest, []).append(value)
    return {seeds: {rest: fmean(values) for rest, values in cells.items()} for seeds, cells in found.items()}


def _mean(values: BySeed, step: float) -> tuple[Mean, float]:
    """The mean with its interval over seeds; or with a spread, where seeds do not all have the same other settings."""
    cells = [value for one in values.values() for value in one.values()]
    alike = len({frozenset(one) for one in values.values()}) == 1
    if len(cells) < 2 or (alike and len(values) > 1):
        return mean_of([fmean(one.values()) for one in values.values()], step), math.nan
    return Mean(fmean(cells), math.nan, len(cells)), stdev(cells)


def _paired(own: BySeed, other: BySeed, step: float) -> Paired:
    """Differences over the runs that both sides have, averaged within a seed."""
    shared = {seeds: [rest for rest in own[seeds] if rest in other[seeds]] for seeds in own if seeds in other}
    shared = {seeds: both for seeds, both in shared.items() if both}
    count = sum(map(len, shared.values()))
    left, right = (
        {number: fmean(side[seeds][rest] for rest in both) for number, (seeds, both) in enumerate(shared.items())}
        for side in (own, other)
    )
    means = [
        fmean(side[seeds][rest] for seeds, both in shared.items() for rest in both) if count else math.nan
        for side in (own, other)
    ]
    partial = any(sum(map(len, side.values())) > count for side in (own, other))
    return Paired(Pairs(left, right, step), count, means[0], means[1], partial)


def mean_curve(runs: Sequence[RunRecord], name: str) -> list[float]:
    """A name of the history over epochs, mean over the runs that reached each epoch."""
    series = [[float(record[name]) for record in run.history if name in record] for run in runs]
    longest = max(map(len, series), default=0)
    return [fmean(one[epoch] for one in series if epoch < len(one)) for epoch in range(longest)]
