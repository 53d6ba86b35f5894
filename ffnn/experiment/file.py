"""Experiments: one YAML file a question, turned into a run for every condition and seed.

Files are read in `ffnn.experiment.check`, runs made in `ffnn.experiment.runs` and `ffnn.lab.jobs`, and what
they say to the expected finding is in `ffnn.experiment.comparison`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import product
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ffnn.catalogue import MARGIN
from ffnn.comparison.measures import MEASURES
from ffnn.data import DATASETS
from ffnn.errors import FFNNError, nearest
from ffnn.experiment.claims import Claim, parse_claim
from ffnn.experiment.faults import Fault, FaultsError
from ffnn.lab.config import Config, make_config, name_of, override
from ffnn.lab.jobs import Job
from ffnn.lab.kinds import Count
from ffnn.sweep.marks import Place
from ffnn.tracking.folders import folder_name_fault

BEST = "best"

Origin = tuple[Place, Mapping[str, Any]]
"""Where settings stand in a file, and the settings."""


class Part(BaseModel):
    """A section of an experiment file: nothing in it is unknown, and nothing changes it later."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Compare(Part):
    """How conditions are compared, and what the expected finding says in terms of numbers.

    `against` is a condition, or "best": the one with the highest mean accuracy on validation. Differences of the metric
    smaller than `margin` do not matter. The expected finding is confirmed if all `claims` are, for which see
    `ffnn.experiment.claims`.
    """

    against: str = BEST
    margin: Annotated[float, Field(ge=0, allow_inf_nan=False)] = MARGIN
    claims: list[str] = []


class Search(Part):
    """For each condition and seed a search of so many trials, whose best one on validation then counts."""

    trials: Count


class Variation(Part):
    """What is different on another data set: settings win over those of the file, all else is instead of the file's."""

    expected: str | None = None
    base: dict[str, Any] = {}
    conditions: dict[str, dict[str, Any]] = {}
    claims: list[str] | None = None
    search: Search | None = None


class Experiment(Part):
    """What an experiment file says.

    Attributes
    ----------
    question : str
        What is asked.
    expected : str
        What one expects to find, written down before the runs.
    base : dict
        Settings of all runs.
    conditions : dict
        For each condition, by name, the settings that differ.
    grid : dict
        Factors, each with its named levels and their settings. Every combination is a condition, named
        by its levels with dashes between.
    seeds : int
        Every condition runs with seeds 0, 1, ..., seeds - 1.
    metric : str
        What runs are judged by; a name of `ffnn.comparison.measures.MEASURES`.
    compare : Compare
    sweep : str, optional
        The sweep file that covers the same values, from the folder above this file's.
    search : Search, optional
    datasets : dict
        By data set, what is different there.
    """

    question: str
    expected: str
    base: dict[str, Any]
    conditions: dict[str, dict[str, Any]] = {}
    grid: dict[str, dict[str, dict[str, Any]]] = {}
    seeds: Count = 5
    metric: str = "test/accuracy"
    compare: Compare = Compare()
    sweep: str | None = None
    search: Search | None = None
    datasets: dict[str, Variation] = {}

    @model_validator(mode="after")
    def _check(self) -> "Experiment":
        faults = list(self._faults())
        if faults:
            raise FaultsError(faults, self)
        return self

    def _faults(self) -> Iterator[Fault]:
        """Everything that contradicts itself."""
        names = self.all_conditions()
        if not names:
            yield Fault((), "expected at least one condition, under conditions or grid")
        for name in names:
            fault = folder_name_fault(name)  # it is part of its runs' names
            if name == BEST or any(c.isspace() for c in name):
                fault = f"expected a name without spaces, and not {BEST!r}; received {name!r}"
            if fault:
                (place, _), *_ = self.all_origins()[name]
                yield Fault(place, fault)
        yield from _not_one_of(("metric",), self.metric, MEASURES)
        yield from _not_one_of(("compare", "against"), self.compare.against, (BEST, *names))
        if self.metric in MEASURES:
            yield from self._faulty_claims(("compare", "claims"), self.compare.claims)
        for dataset, variation in self.datasets.items():
            yield from _not_one_of(("datasets", dataset), dataset, list(DATASETS))
            for name in variation.conditions:
                yield from _not_one_of(("datasets", dataset, "conditions", name), name, names)
            if self.metric in MEASURES:
                yield from self._faulty_claims(("datasets", dataset, "claims"), variation.claims or ())
        if self.search and not self.sweep:
            yield Fault(("search",), "expected a sweep beside it, which names the space to search")

    def _faulty_claims(self, place: Place, texts: Sequence[str]) -> Iterator[Fault]:
        for number, text in enumerate(texts):
            try:
                self.claims([text])
            except FFNNError as problem:
                yield Fault((*place, number), str(problem))

    def all_origins(self) -> dict[str, list[Origin]]:
        """Every condition's settings, with their places in the file: those written out, then the grid's combinations.

        A combination wins over a condition of its name.
        """
        origins: dict[str, list[Origin]] = {
            name: [(("conditions", name), settings)] for name, settings in self.conditions.items()
        }
        for levels in product(*self.grid.values()) if self.grid else ():
            chosen = zip(self.grid.items(), levels, strict=True)
            origins["-".join(levels)] = [
                (("grid", factor, level), settings[level]) for (factor, settings), level in chosen
            ]
        return origins

    def all_conditions(self) -> dict[str, dict[str, Any]]:
        """The settings of every condition by its name."""
        return {
            name: {key: value for _, settings in origins for key, value in settings.items()}
            for name, origins in self.all_origins().items()
        }

    def claims(self, texts: Sequence[str] | None = None) -> list[Claim]:
        """The claims of the expected finding, or those that `texts` mean here."""
        texts = self.compare.claims if texts is None else texts
        return [parse_claim(text, self.all_conditions(), self.metric, self.compare.margin) for text in texts]

    def without(self, claims: Collection[str]) -> "Experiment":
        """The experiment less some of its claims."""
        remaining = [text for text in self.compare.claims if text not in claims]
        return self.model_copy(update={"compare": self.compare.model_copy(update={"claims": remaining})})

    def on_dataset(self, dataset: str) -> "Experiment":
        """The experiment as the file wants it on this data set."""
        variation = self.datasets.get(dataset)
        if not variation:
            return self
        conditions = {
            name: override(settings, variation.conditions.get(name, {}))
            for name, settings in self.all_conditions().items()
        }
        claims = self.compare.claims if variation.claims is None else variation.claims
        return self.model_copy(
            update={
                "expected": variation.expected or self.expected,
                "base": override(self.base, variation.base),
                "conditions": conditions,
                "grid": {},
                "compare": self.compare.model_copy(update={"claims": claims}),
                "search": variation.search or self.search,
            }
        )


def _not_one_of(place: Place, received: str, names: Collection[str]) -> Iterator[Fault]:
    if received not in names:
        yield Fault(place, f"expected one of {', '.join(names)}; received {received!r}{nearest(received, names)}")


def dataset_of(values: Mapping[str, Any]) -> str:
    """The name of the data set that these settings mean."""
    return name_of(values.get("dataset", Config.model_fields["dataset"].default))


def plan_jobs(experiment: Experiment, name: str, overrides: Mapping[str, Any], seeds: int | None = None) -> list[Job]:
    """Every run of the experiment, seeds innermost; `overrides` win over both base and condition.

    A condition's run with seed s has the split, the initial draws (of the layers whose shapes are the
    same) and the order of images of every other condition's run with seed s: runs of a seed are pairs.
    """
    jobs = []
    for condition, differences in experiment.all_conditions().items():
        values = override(override(experiment.base, differences), overrides)
        dataset = dataset_of(values)
        identity = {"name": f"{dataset}-{condition}", "group": f"{name}-{dataset}", "tags": [name, condition]}
        config = make_config({**identity, **values, "seed": 0})
        jobs += [Job(condition, config.model_copy(update={"seed": seed})) for seed in range(seeds or experiment.seeds)]
    return jobs
