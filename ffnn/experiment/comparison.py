"""The comparison of an experiment's conditions: means, paired differences and verdicts.

It reads records and computes; words, tables and figures are made elsewhere from what it gives.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ffnn.experiment.claims import Judged, Verdict, judge, verdict_of
from ffnn.experiment.file import BEST, Experiment
from ffnn.experiment.measures import CHOICE, MEASURES, Measure
from ffnn.experiment.statistics import ALPHA, Mean, Pairs, holm, mean_of
from ffnn.lab.config import name_of
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
    same_as : str, optional
        An earlier condition with the same settings, whose runs these are.
    """

    condition: str
    runs: int
    diverged: int
    missing: int
    means: Mapping[str, Mean]
    pairs: Pairs | None
    p: float
    verdict: str
    same_as: str | None = None


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
    dataset : str
        What the runs were trained on.
    planned : int
        Runs that there would be, had all been made.
    """

    experiment: Experiment
    reference: str
    rows: Sequence[Row]
    judged: Sequence[Judged]
    dataset: str
    planned: int

    @property
    def runs(self) -> int:
        """Runs that there are; a run that serves two conditions counts in both."""
        return sum(row.runs for row in self.rows)

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


def compare(experiment: Experiment, records: Mapping[str, Sequence[RunRecord]], seeds: int | None = None) -> Comparison:
    """Compare the conditions of an experiment.

    Parameters
    ----------
    experiment : Experiment
    records : mapping from condition to its runs
        Runs of the same seed are pairs. A diverged run counts with what it had reached, or else with
        what guessing reaches; a condition that lacks runs is compared over the seeds it has.
    seeds : int, optional
        Runs that each condition should have; by default the most that one has.
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
    expected = seeds or max(len(runs) for runs in records.values())
    of_metric = values[experiment.metric]
    any_run = next(run for runs in records.values() for run in runs)
    steps = {name: measure.resolution(any_run) for name, measure in MEASURES.items()}
    pairs = {
        name: Pairs(of_metric[name], of_metric[reference], steps[experiment.metric])
        for name in records
        if name != reference
    }
    corrected = dict(zip(pairs, holm([pair.p for pair in pairs.values()]), strict=True))
    margin = experiment.compare.margin
    equal = dict(zip(pairs, holm([p_of_equality(pair, margin) for pair in pairs.values()]), strict=True))
    rows = [
        Row(
            condition,
            len(runs),
            sum(bool(run.summary.get("diverged")) for run in runs),
            expected - len(runs),
            {name: mean_of(list(values[name][condition].values()), steps[name]) for name in MEASURES},
            pairs.get(condition),
            corrected.get(condition, math.nan),
            _in_words(
                experiment, pairs.get(condition), corrected.get(condition, math.nan), equal.get(condition, math.nan)
            ),
            _same(condition, records),
        )
        for condition, runs in records.items()
    ]
    judged = judge(experiment.claims(), values, steps)
    dataset = name_of(any_run.config.get("dataset", ""))
    return Comparison(experiment, reference, rows, judged, dataset, expected * len(records))


def _same(condition: str, records: Mapping[str, Sequence[RunRecord]]) -> str | None:
    """The first other condition before this one that has the same runs."""
    own = [run.path for run in records[condition]]
    for name, runs in records.items():
        if name == condition or not own:
            return None
        if [run.path for run in runs] == own:
            return name
    return None


def _best(by_condition: Mapping[str, Mapping[int, float]]) -> str:
    means = {condition: mean_of(list(values.values())) for condition, values in by_condition.items()}
    return max(means, key=lambda condition: means[condition].mean if means[condition].count else -math.inf)


def p_of_equality(pairs: Pairs, margin: float) -> float:
    """Small where the true difference lies within the margin: two one-sided tests, of which the larger p counts twice.

    Twice, as for claims, since a condition is tested for being different, too.
    """
    return min(1.0, 2 * max(pairs.p_above(-margin), pairs.p_below(margin))) if pairs.mean.count > 1 else math.nan


def _in_words(experiment: Experiment, pairs: Pairs | None, p: float, p_equal: float) -> str:
    """The verdict on a condition: what is shown about its difference to the reference."""
    return words_for(pairs, p, p_equal, MEASURES[experiment.metric].better)


def words_for(pairs: Pairs | None, p: float, p_equal: float, better: Literal["larger", "smaller"] | None) -> str:
    """What a difference shows.

    Parameters
    ----------
    pairs : Pairs or None
        None for the reference itself.
    p, p_equal : float
        Corrected p of there being no difference, and of one beyond the margin.
    better : "larger", "smaller" or None

    Examples
    --------
    >>> pairs = Pairs({0: 0.95, 1: 0.94, 2: 0.96}, {0: 0.90, 1: 0.89, 2: 0.92})
    >>> words_for(pairs, pairs.p, p_of_equality(pairs, 0.003), "larger"), words_for(pairs, 0.2, 0.01, "larger")
    ('better', 'equal')
    """
    if pairs is None:
        return "reference"
    if p < ALPHA:
        side = "larger" if pairs.mean.mean > 0 else "smaller"
        return side if better is None else "better" if side == better else "worse"
    return "equal" if p_equal < ALPHA else "undecided"
