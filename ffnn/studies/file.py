"""A study's file: what was done and published, the experiment that repeats it, and the claims that it tests.

The experiment in it is one like any other, so runs, seeds and statistics are those of `ffnn.experiment`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError, model_validator

from ffnn.comparison.measures import MEASURES
from ffnn.errors import FFNNError, nearest
from ffnn.experiment.check import command_for, describe_problem
from ffnn.experiment.file import Experiment, Part
from ffnn.tracking import load_yaml


class Published(Part):
    """A figure that a study gives, `what` in words, and the condition and measure in which ours stands.

    The value is in the measure's own numbers: 0.8341 for 83.41 %.
    """

    what: str
    condition: str
    measure: str
    value: float


class Said(Part):
    """A conclusion in words, and the claims that stand for it here; it is confirmed if all of them are."""

    said: str
    tests: list[str]


class Study(Part):
    """What a study file says: who and what (`title`), and what was done and found there.

    `missed` is what the study overlooked, if anything; `assumed` what its text does not say, and what was taken for it;
    also what is shorter here.
    """

    title: str
    did: str
    missed: str = ""
    assumed: tuple[str, ...] = ()
    experiment: Experiment
    published: tuple[Published, ...] = ()
    claims: tuple[Said, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> "Study":
        conditions = self.experiment.all_conditions()
        for figure in self.published:
            for received, names in ((figure.condition, conditions), (figure.measure, MEASURES)):
                if received not in names:
                    raise ValueError(
                        f"published {figure.what!r}: expected one of {', '.join(names)}; received {received!r}"
                        f"{nearest(received, names)}"
                    )
        self.experiment.claims(self.tests)
        return self

    @property
    def tests(self) -> list[str]:
        """All claims of all conclusions, in order: they are corrected together."""
        return [text for conclusion in self.claims for text in conclusion.tests]


def read_study(path: Path, overrides: Mapping[str, Any] | None = None) -> Study:
    """The study in a file; FFNNError names what is wrong with it.

    Overrides are settings of the command line; a data set among them would make it another study and is refused.
    """
    if "dataset" in (overrides or {}):
        raise FFNNError("--dataset: expected none, since a study is about its own data; copy its file to change them")
    values = load_yaml(path)
    if isinstance(values, dict) and "experiment" not in values:
        command = command_for(values, path)
        if command:
            raise FFNNError(f"{path}: expected a study: title, did, experiment, ...; received {command}")
    try:
        return Study.model_validate(values)
    except ValidationError as problem:
        raise FFNNError(f"{path}: {describe_problem(problem, Study.model_fields)}") from None
