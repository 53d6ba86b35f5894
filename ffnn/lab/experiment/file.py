"""Experiments: one YAML file a question, turned into a run for every condition and seed.

How the runs are made is in `ffnn.lab.experiment.series` and `ffnn.lab.jobs`; what they say to the expected finding, in
`ffnn.lab.experiment.comparison`.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ffnn.errors import FFNNError, nearest
from ffnn.lab.config import Config, Count, make_config, name_of, override
from ffnn.lab.experiment.claims import Claim, parse_claim
from ffnn.lab.experiment.measures import MEASURES
from ffnn.lab.jobs import Job
from ffnn.tracking import load_yaml

BEST = "best"


class Part(BaseModel):
    """A section of an experiment file: nothing in it is unknown, and nothing changes it later."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Compare(Part):
    """How conditions are compared, and what the expected finding says in terms of numbers.

    Attributes
    ----------
    against : str
        A condition, or "best": the one with the highest mean accuracy on validation.
    margin : float >= 0
        Differences of the metric smaller than this do not matter.
    claims : list of str
        See `ffnn.lab.experiment.claims`. The expected finding is confirmed if all are.
    """

    against: str = BEST
    margin: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.003
    claims: list[str] = []


class Search(Part):
    """For each condition and seed a search over the sweep's space, whose best trial on validation then counts.

    Attributes
    ----------
    trials : int >= 1
        Of each search.
    """

    trials: Count


class Variation(Part):
    """What is different on another data set.

    Attributes
    ----------
    expected : str, optional
    base, conditions : dict
        Settings that win over those of the file.
    claims : list of str, optional
    search : Search, optional
        Instead of those of the file.
    """

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
        What runs are judged by; a name of `ffnn.lab.experiment.measures.MEASURES`.
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
        names = self.all_conditions()
        if not names:
            raise ValueError("expected at least one condition, under conditions or grid")
        for name in names:
            if name == BEST or not name or any(c.isspace() for c in name):
                raise ValueError(f"conditions: expected a name without spaces, and not {BEST!r}; received {name!r}")
        if self.metric not in MEASURES:
            raise ValueError(
                f"metric: expected one of {', '.join(MEASURES)}; received {self.metric!r}"
                f"{nearest(self.metric, MEASURES)}"
            )
        if self.compare.against not in (BEST, *names):
            raise ValueError(
                f"compare.against: expected {BEST} or one of {', '.join(names)}; received {self.compare.against!r}"
                f"{nearest(self.compare.against, names)}"
            )
        for texts in (self.compare.claims, *(variation.claims or [] for variation in self.datasets.values())):
            self.claims(texts)
        for place, variation in self.datasets.items():
            for name in variation.conditions:
                if name not in names:
                    raise ValueError(
                        f"datasets.{place}.conditions: expected one of {', '.join(names)}; received {name!r}"
                    )
        if self.search and not self.sweep:
            raise ValueError("search: expected a sweep beside it, which names the space to search")
        return self

    def all_conditions(self) -> dict[str, dict[str, Any]]:
        """The settings of every condition by its name: those written out, then the grid's combinations."""
        combinations = product(*(levels.items() for levels in self.grid.values())) if self.grid else ()
        made: dict[str, dict[str, Any]] = dict(self.conditions)
        for levels in combinations:
            name = "-".join(label for label, _ in levels)
            made[name] = {key: value for _, settings in levels for key, value in settings.items()}
        return made

    def claims(self, texts: Sequence[str] | None = None) -> list[Claim]:
        """The claims of the expected finding, or those that `texts` mean here."""
        texts = self.compare.claims if texts is None else texts
        return [parse_claim(text, self.all_conditions(), self.metric, self.compare.margin) for text in texts]

    def on_dataset(self, dataset: str) -> "Experiment":
        """The experiment as the file wants it on this data set."""
        there = self.datasets.get(dataset)
        if not there:
            return self
        conditions = {
            name: override(settings, there.conditions.get(name, {})) for name, settings in self.all_conditions().items()
        }
        claims = self.compare.claims if there.claims is None else there.claims
        return self.model_copy(
            update={
                "expected": there.expected or self.expected,
                "base": override(self.base, there.base),
                "conditions": conditions,
                "grid": {},
                "compare": self.compare.model_copy(update={"claims": claims}),
                "search": there.search or self.search,
            }
        )


def read_experiment(path: Path, overrides: Mapping[str, Any] | None = None) -> Experiment:
    """The experiment in a file, for the data set that it or `overrides` name; FFNNError names what is wrong with it."""
    values = load_yaml(path)
    try:
        experiment = Experiment.model_validate(values)
    except ValidationError as problem:
        raise FFNNError(f"{path}: {describe_problem(problem, Experiment.model_fields)}") from None
    return experiment.on_dataset(_dataset(override(experiment.base, overrides or {})))


def _dataset(values: Mapping[str, Any]) -> str:
    return name_of(values.get("dataset", Config.model_fields["dataset"].default))


def describe_problem(problem: ValidationError, top: Mapping[str, Any]) -> str:
    """What is wrong first in a file with an experiment in it: the place, what was expected, what was received.

    Parameters
    ----------
    problem : ValidationError
    top : mapping
        The fields of the file's outermost level, by name.
    """
    first = problem.errors(include_url=False)[0]
    if first["type"] == "value_error":
        return str(first["msg"]).removeprefix("Value error, ")
    place = ".".join(str(part) for part in first["loc"] if part != "[key]") or "the file"
    known = next((_FIELDS[part] for part in reversed(first["loc"][:-1]) if part in _FIELDS), top)
    unknown = first["type"] == "extra_forbidden"
    hint = nearest(str(first["loc"][-1]), known) if unknown else ""
    expected = f"only {', '.join(known)}" if unknown else _EXPECTED.get(first["type"], first["msg"])
    received = "nothing" if first["type"] == "missing" else repr(first["input"])
    return f"{place}: expected {expected}; received {received}{hint}"


_FIELDS: dict[Any, Mapping[str, Any]] = {
    "experiment": Experiment.model_fields,
    "compare": Compare.model_fields,
    "search": Search.model_fields,
    "datasets": Variation.model_fields,
}
_EXPECTED = {
    "string_type": "text (in quotes, if YAML takes it for something else)",
    "dict_type": "names and values",
    "list_type": "a list",
    "model_type": f"names and values: {', '.join(Experiment.model_fields)}",
    "missing": "a value",
    "int_type": "a whole number",
    "float_type": "a number",
    "greater_than_equal": "a larger number",
}


def plan_jobs(experiment: Experiment, name: str, overrides: Mapping[str, Any], seeds: int | None = None) -> list[Job]:
    """Every run of the experiment, seeds innermost; `overrides` win over both base and condition.

    A condition's run with seed s has the split, the initial draws (of the layers whose shapes are the
    same) and the order of images of every other condition's run with seed s: runs of a seed are pairs.
    """
    conditions = experiment.all_conditions()
    for place, settings in {"the command line": overrides, "base": experiment.base, **conditions}.items():
        if "seed" in settings:
            raise FFNNError(f"{place}: an experiment runs seeds 0, 1, ... itself; expected --seeds=N, received seed")
    jobs = []
    for condition, differences in conditions.items():
        for seed in range(seeds or experiment.seeds):
            values = override(override(experiment.base, differences), overrides)
            dataset = _dataset(values)
            own = {
                "seed": seed,
                "name": f"{dataset}-{condition}",
                "group": f"{name}-{dataset}",
                "tags": [name, condition],
            }
            jobs.append(Job(condition, make_config({**own, **values, "seed": seed})))
    return jobs
