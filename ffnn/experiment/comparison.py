"""The comparison of an experiment's conditions, which are groups of runs, and what it says to the expected finding.

It reads records and computes; words, tables and figures are made elsewhere from what it gives.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ffnn.comparison.groups import Group, best_group, compare_groups
from ffnn.comparison.measures import CHOICE, MEASURES, Measure
from ffnn.comparison.statistics import Mean, mean_of
from ffnn.experiment.claims import Judged, Verdict, judge, verdict_of
from ffnn.experiment.file import BEST, Experiment
from ffnn.lab.config import name_of
from ffnn.tracking import RunRecord


@dataclass(frozen=True)
class Comparison:
    """Everything that an experiment has found: its conditions as groups, compared in its metric with a `reference`.

    `judged` are the claims of the expected finding; `expected` runs are those that each condition should have;
    `resolutions` have the step of values by measure.
    """

    experiment: Experiment
    groups: Sequence[Group]
    reference: str
    judged: Sequence[Judged]
    dataset: str
    expected: int
    resolutions: Mapping[str, float]

    @property
    def runs(self) -> int:
        """Runs that there are; a run that serves two conditions counts in both."""
        return sum(len(group.runs) for group in self.groups)

    @property
    def planned(self) -> int:
        """Runs that there would be, had all been made."""
        return self.expected * len(self.groups)

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
        return max(len(group.runs) for group in self.groups)

    def group(self, condition: str) -> Group:
        """The condition of a name."""
        return next(group for group in self.groups if group.name == condition)

    def missing(self, group: Group) -> int:
        """Runs of a condition that failed or were not made."""
        return self.expected - len(group.runs)

    def mean(self, condition: str, measure: str) -> Mean:
        """Mean, deviation and interval of any measure over a condition's runs."""
        return mean_of([MEASURES[measure].of(run) for run in self.group(condition).runs], self.resolutions[measure])


def compare(experiment: Experiment, records: Mapping[str, Sequence[RunRecord]], seeds: int | None = None) -> Comparison:
    """Compare the conditions of an experiment, each with its runs; those of the same seed are pairs.

    A diverged run counts with what it had reached, or else with what guessing reaches; a condition that lacks runs is
    compared over the seeds it has. Each should have as many runs as `seeds`, by default the most that one has.
    """
    any_run = next(run for runs in records.values() for run in runs)
    resolutions = {name: measure.resolution(any_run) for name, measure in MEASURES.items()}
    metric, reference = experiment.metric, experiment.compare.against
    if reference == BEST:
        reference = best_group(records, MEASURES[CHOICE]) or next(iter(records))
    groups = compare_groups(records, MEASURES[metric], reference, experiment.compare.margin, resolutions[metric])
    claims = experiment.claims()
    values = {
        name: {
            condition: {int(run.config["seed"]): MEASURES[name].of(run) for run in runs}
            for condition, runs in records.items()
        }
        for name in {claim.measure for claim in claims}
    }
    return Comparison(
        experiment,
        groups,
        reference,
        judge(claims, values, resolutions),
        name_of(any_run.config.get("dataset", "")),
        seeds or max(len(runs) for runs in records.values()),
        resolutions,
    )
