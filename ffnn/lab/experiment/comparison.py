"""The comparison of an experiment's conditions: means, paired differences and verdicts.

It reads records and computes; words, tables and figures are made elsewhere from what it gives.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ffnn.lab.experiment.claims import Judged, Verdict, judge, verdict_of
from ffnn.lab.experiment.file import BEST, Experiment
from ffnn.lab.experiment.measures import CHOICE, MEASURES, Measure
from ffnn.lab.experiment.statistics import ALPHA, Mean, Pairs, holm, mean_of
from ffnn.tracking import RunRecord

Values = Mapping[str, Mapping[str, Mapping[int, float]]]
"""From measure to condition to seed to value."""


@dataclass(frozen=True)
class Row:
    """One condition, alone and against the reference.

    Attributes
    ----------
    condition : str
    runs, diverged, missing : int
        Runs that are there; those of them that diverged; those that failed and are not there.
    means : dict
        From measure to Mean.
    pairs : Pairs or None
        Condition minus reference, in the metric; None for the reference itself.
    p : float
        Two-sided, Holm-corrected over the conditions; NaN without a test.
    verdict : str
        In words.
    """

    condition: str
    runs: int
    diverged: int
    missing: int
    means: Mapping[str, Mean]
    pairs: Pairs | None
    p: float
    verdict: str


@dataclass(frozen=True)
class Comparison:
    """Everything that an experiment has found.

    Attributes
    ----------
    experiment : Experiment
    reference : str
        The condition that the others are compared with.
    rows : list of Row
    judged : list of Judged
        The claims of the expected finding.
    """

    experiment: Experiment
    reference: str
    rows: Sequence[Row]
    judged: Sequence[Judged]

    @property
    def measure(self) -> Measure:
        """How the metric is shown."""
        return MEASURES[self.experiment.metric]

    @property
    def verdict(self) -> Verdict:
        """On the expected finding."""
        return verdict_of(self.judged)

    @property
    def seeds(self) -> int:
        """The most runs that a condition has."""
        return max(row.runs for row in self.rows)


def compare(experiment: Experiment, records: Mapping[str, Sequence[RunRecord]]) -> Comparison:
    """Compare the conditions of an experiment.

    Parameters
    ----------
    experiment : Experiment
    records : mapping from condition to its runs
        Runs of the same seed are pairs. A diverged run counts with what it had reached, or else with
        what guessing reaches; a condition that lacks runs is compared over the seeds it has.
    """
    values: Values = {
        name: {
            condition: {int(run.config["seed"]): measure.of(run) for run in runs} for condition, runs in records.items()
        }
        for name, measure in MEASURES.items()
    }
    reference = experiment.compare.against
    if reference == BEST:
        reference = _best(values[CHOICE])
    expected = max(len(runs) for runs in records.values())
    of_metric = values[experiment.metric]
    any_run = next(run for runs in records.values() for run in runs)
    steps = {name: measure.resolution(any_run) for name, measure in MEASURES.items()}
    pairs = {
        name: Pairs(of_metric[name], of_metric[reference], steps[experiment.metric])
        for name in records
        if name != reference
    }
    corrected = dict(zip(pairs, holm([pair.p for pair in pairs.values()]), strict=True))
    rows = [
        Row(
            condition,
            len(runs),
            sum(bool(run.summary.get("diverged")) for run in runs),
            expected - len(runs),
            {name: mean_of(list(values[name][condition].values()), steps[name]) for name in MEASURES},
            pairs.get(condition),
            corrected.get(condition, math.nan),
            _in_words(experiment, pairs.get(condition), corrected.get(condition, math.nan)),
        )
        for condition, runs in records.items()
    ]
    return Comparison(experiment, reference, rows, judge(experiment.claims(), values, steps))


def _best(by_condition: Mapping[str, Mapping[int, float]]) -> str:
    means = {condition: mean_of(list(values.values())) for condition, values in by_condition.items()}
    return max(means, key=lambda condition: means[condition].mean if means[condition].count else -math.inf)


def _in_words(experiment: Experiment, pairs: Pairs | None, p: float) -> str:
    """The verdict on a condition: what is shown about its difference to the reference."""
    if pairs is None:
        return "reference"
    margin = experiment.compare.margin
    if p < ALPHA:
        side = "larger" if pairs.mean.mean > 0 else "smaller"
        better = MEASURES[experiment.metric].better
        return side if better is None else "better" if side == better else "worse"
    if max(pairs.p_above(-margin), pairs.p_below(margin)) < ALPHA / 2:
        return "equal"
    return "undecided"
