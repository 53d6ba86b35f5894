"""Any runs compared by their settings: who is grouped with whom, by what runs are pairs, and which group is best.

Nobody planned these runs together, so what pairs them is found in their settings.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from ffnn.comparison.groups import Group, best_group, compare_groups
from ffnn.comparison.measures import CHOICE, MEASURES, Measure, curve_name, find_measure
from ffnn.comparison.settings import SEEDS, setting, shown
from ffnn.errors import FFNNError, nearest
from ffnn.lab.config import BOOKKEEPING
from ffnn.tracking import RunRecord


@dataclass(frozen=True)
class Compared:
    """Groups of runs, the best one first, and how they were compared with one of them, the reference.

    Groups are made `by` these settings; in those of `varied` runs of a group differ and the runs of a pair agree, seeds
    first. `curve` names the history that shows the metric over epochs. Differences shown to be within `margin` are
    called equal; None where nothing is.
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


def compare_settings(
    runs: Sequence[RunRecord], by: Sequence[str], metric: str, against: str | None = None, margin: float | None = None
) -> Compared:
    """Runs grouped by settings, best group first, against the one named or else the one that is best on validation.

    `by` names settings; with none all runs are one group. `against` names a group. Differences shown to be within
    `margin` count as equal; by default 0.003 of accuracies and their like, else none. FFNNError if the metric or the
    group is unknown.
    """
    groups = group_runs(runs, by)
    measure = find_measure(metric, runs)
    if against is not None and against not in groups:
        raise FFNNError(
            f"--against: expected one of {'; '.join(groups)}; received {against!r}{nearest(against, groups)}"
        )
    reference = against or best_group(groups, MEASURES[CHOICE], measure) or next(iter(groups))
    if margin is None:
        margin = measure.metric.margin
    keys, resolution = varied(groups, by), max(measure.resolution(run) for run in runs)
    compared = compare_groups(groups, measure, reference, margin, resolution, keys)
    sign = 1 if measure.better == "smaller" else -1
    compared.sort(key=lambda group: sign * group.mean.mean if group.mean.count else math.inf)
    return Compared(compared, by, measure, keys, curve_name(metric, runs), margin)


def mean_curve(runs: Sequence[RunRecord], name: str) -> list[float]:
    """A name of the history over epochs, mean over the runs that reached each epoch."""
    series = [[float(record[name]) for record in run.history if name in record] for run in runs]
    longest = max(map(len, series), default=0)
    return [fmean(values[epoch] for values in series if epoch < len(values)) for epoch in range(longest)]
