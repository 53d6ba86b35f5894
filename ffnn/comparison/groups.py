"""Groups of runs and their comparison: means, paired differences, corrected tests, verdicts.

Runs of two groups are pairs where they agree in everything by which runs of the same group differ: their seed, and
whatever else was varied and is not grouped by.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ffnn.comparison.settings import setting, shown
from ffnn.errors import FFNNError, nearest
from ffnn.lab.config import BOOKKEEPING
from ffnn.lab.experiment.comparison import p_of_equality, words_for
from ffnn.lab.experiment.measures import CHOICE, MEASURES, Measure
from ffnn.lab.experiment.statistics import Mean, Pairs, holm, mean_of
from ffnn.tracking import RunRecord

SHARES = ("accuracy", "macro_f1", "precision", "recall", "ece", "fraction")
SMALLER = ("loss", "seconds", "ece", "gap", "dead_fraction")


@dataclass(frozen=True)
class Group:
    """Runs with the same values of what they are grouped by.

    Attributes
    ----------
    name : str
    runs : list of RunRecord
    mean : Mean
        Of the metric.
    pairs : Pairs or None
        This group minus the reference; None for the reference.
    p : float
        Two-sided, Holm-corrected over the groups; NaN without a test.
    verdict : str
    curve : list of float
        The metric over epochs, mean over the runs; empty where no epoch has it.
    """

    name: str
    runs: Sequence[RunRecord]
    mean: Mean
    pairs: Pairs | None
    p: float
    verdict: str
    curve: Sequence[float]


def find_measure(metric: str, runs: Sequence[RunRecord]) -> Measure:
    """How a metric is read: one of the experiments' measures, a figure of the summary, or the history's last value.

    Raises
    ------
    FFNNError
        If no run has it, with the nearest name.
    """
    if metric in MEASURES:
        return MEASURES[metric]
    known = dict.fromkeys([*MEASURES, *(name for run in runs for name in (*run.summary, *_last(run)))])
    if not any(math.isfinite(_figure(run, metric)) for run in runs):
        hint = nearest(metric, known) or f": expected one of {', '.join(MEASURES)}, or a figure of summary.json"
        raise FFNNError(f"--metric: no run has {metric!r}{hint}")
    is_share = any(part in metric for part in SHARES)
    better: Literal["larger", "smaller"] | None = "larger" if is_share else None
    if any(part in metric for part in SMALLER):
        better = "smaller"
    heading = f"{metric} %" if is_share else metric
    return Measure(heading, "points" if is_share else "", lambda run: _figure(run, metric), 100.0 if is_share else 1.0,
                   2 if is_share else 4, better)  # fmt: skip


def _last(run: RunRecord) -> Mapping[str, float]:
    return run.history[-1] if run.history else {}


def _figure(run: RunRecord, name: str) -> float:
    value = run.summary.get(name, _last(run).get(name))
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def curve_name(metric: str, runs: Sequence[RunRecord]) -> str | None:
    """The name of the history that shows a metric over epochs: its own, or that of validation for a test figure."""
    plain = metric.removeprefix("best/").removeprefix("curve/")
    for name in (plain, plain.replace("test/", "val/"), plain.removeprefix("end/")):
        if any(name in _last(run) for run in runs):
            return name
    return None


def group_runs(runs: Sequence[RunRecord], by: Sequence[str]) -> dict[str, list[RunRecord]]:
    """Runs by the values of settings, in the order in which they come; one group if there is nothing to group by."""
    groups: dict[str, list[RunRecord]] = {}
    for run in runs:
        name = ", ".join(shown(setting(run, key)) for key in by) or "all runs"
        groups.setdefault(name, []).append(run)
    return groups


def varied(groups: Mapping[str, Sequence[RunRecord]], by: Sequence[str]) -> list[str]:
    """Settings in which runs of the same group differ, the seed first: what makes a pair."""
    names = dict.fromkeys(name for runs in groups.values() for run in runs for name in run.config)
    free = [name for name in names if name not in BOOKKEEPING and name not in by]
    differ = [
        name for name in free if any(len({shown(setting(run, name)) for run in runs}) > 1 for runs in groups.values())
    ]
    return sorted(differ, key=lambda name: name != "seed")


def compare_groups(
    groups: Mapping[str, Sequence[RunRecord]], by: Sequence[str], metric: str, against: str | None, margin: float
) -> list[Group]:
    """All groups, best first, against the one named or else the one that is best on validation.

    Parameters
    ----------
    groups : mapping from name to runs
    by : sequence of str
    metric : str
    against : str, optional
        The name of a group.
    margin : float >= 0
        Differences shown to be within it count as equal.

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
    keys = varied(groups, by)
    values = {name: _by_partner(members, keys, measure) for name, members in groups.items()}
    step = max(measure.resolution(run) for run in runs)
    means = {name: mean_of([measure.of(run) for run in members], step) for name, members in groups.items()}
    reference = against or best_group(groups, measure)
    numbers = {key: place for place, key in enumerate(dict.fromkeys(key for one in values.values() for key in one))}
    numbered = {name: {numbers[key]: value for key, value in own.items()} for name, own in values.items()}
    pairs = {name: Pairs(own, numbered[reference], step) for name, own in numbered.items() if name != reference}
    corrected = dict(zip(pairs, holm([pair.p for pair in pairs.values()]), strict=True))
    equal = dict(zip(pairs, holm([p_of_equality(pair, margin) for pair in pairs.values()]), strict=True))
    curve = curve_name(metric, runs)
    rows = [
        Group(
            name,
            members,
            means[name],
            pairs.get(name),
            corrected.get(name, math.nan),
            words_for(pairs.get(name), corrected.get(name, math.nan), equal.get(name, math.nan), measure.better),
            mean_curve(members, curve) if curve else [],
        )
        for name, members in groups.items()
    ]
    sign = 1 if measure.better == "smaller" else -1
    return sorted(rows, key=lambda row: sign * row.mean.mean if row.mean.count else math.inf)


def best_group(groups: Mapping[str, Sequence[RunRecord]], measure: Measure) -> str:
    """The group that is best on validation, as the experiments choose; by the metric itself where that is not known."""
    for judge in (MEASURES[CHOICE], measure):
        means = {name: mean_of([judge.of(run) for run in members]) for name, members in groups.items()}
        known = {name: mean.mean for name, mean in means.items() if mean.count}
        if known:
            return (min if judge.better == "smaller" else max)(known, key=lambda name: known[name])
    return next(iter(groups))


def _by_partner(runs: Sequence[RunRecord], keys: Sequence[str], measure: Measure) -> dict[tuple[str, ...], float]:
    """The metric by what a run shares with its partner in another group; runs made twice count once, as their mean."""
    found: dict[tuple[str, ...], list[float]] = {}
    for run in runs:
        found.setdefault(tuple(shown(setting(run, key)) for key in keys), []).append(measure.of(run))
    return {key: math.fsum(values) / len(values) for key, values in found.items()}


def mean_curve(runs: Sequence[RunRecord], name: str) -> list[float]:
    """A name of the history over epochs, mean over the runs that reached each epoch."""
    series = [[float(record[name]) for record in run.history if name in record] for run in runs]
    longest = max(map(len, series), default=0)
    return [mean_of([one[epoch] for one in series if epoch < len(one)]).mean for epoch in range(longest)]
