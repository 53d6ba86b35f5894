"""What a sweep file may say: W&B's own schema, checked key by key.

Only what needs W&B's servers (launch jobs, custom schedulers, several metrics) is refused here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ffnn.errors import FFNNError, nearest
from ffnn.records import EXPECTED, IN_YAML, expected, message_of
from ffnn.sweep.marks import Marks, Place
from ffnn.tracking import load_yaml
from ffnn.tracking.keys import key_fault

ONLY_WITH_W_AND_B = ("metrics", "scheduler", "controller", "job", "image_uri")
DEFAULT_COMMAND = ["${env}", "${interpreter}", "-m", "ffnn", "train", "${args}"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Metric(_Strict):
    """What a sweep makes as small or as large as it can.

    Attributes
    ----------
    name : str
        As logged, such as best/val/accuracy.
    goal : "minimize" or "maximize", default "minimize"
    target : float, optional
        The sweep ends when a trial reaches it.
    impute : "worst", "best" or "latest", default "worst"
        What Bayesian search takes a failed trial for: the worst value of all trials, or its own best or latest one.
    impute_while_running : "false", "worst", "best" or "latest", default "false"
        The same for a trial under way.
    """

    name: str
    goal: Literal["minimize", "maximize"] = "minimize"
    target: float | None = None
    impute: Literal["latest", "best", "worst"] = "worst"
    impute_while_running: Literal["latest", "best", "worst", "false", False] = "false"

    @property
    def sign(self) -> float:
        """What a value is multiplied with, so that smaller is better."""
        return -1.0 if self.goal == "maximize" else 1.0

    def best(self, values: list[float]) -> float:
        """The best of some values."""
        return min(values, key=lambda value: self.sign * value)

    def reached(self, value: float | None) -> bool:
        """Whether a value is as good as the target."""
        return value is not None and self.target is not None and self.sign * value <= self.sign * self.target


class Hyperband(_Strict):
    """When a trial is stopped early; the rule is in `ffnn.sweep.hyperband`."""

    type: Literal["hyperband"]
    min_iter: Annotated[int, Field(ge=1)] | None = None
    max_iter: Annotated[int, Field(ge=1)] | None = None
    s: Annotated[float, Field(ge=1)] | None = None
    eta: Annotated[float, Field(gt=1)] = 3
    strict: bool = True

    @model_validator(mode="after")
    def _bands_are_given_once(self) -> "Hyperband":
        if self.max_iter is not None and self.s is None:
            raise ValueError("expected s (how often to look) beside max_iter")
        if (self.min_iter is None) == (self.max_iter is None):
            raise ValueError("expected either min_iter (the first look), or max_iter and s (the last look, how many)")
        return self


class SweepFile(_Strict):
    """A sweep file, key by key."""

    method: Literal["grid", "random", "bayes"]
    metric: Metric | None = None
    parameters: Annotated[dict[str, Any], Field(min_length=1)]
    early_terminate: Hyperband | None = None
    run_cap: Annotated[int, Field(ge=1)] | None = None
    command: Annotated[list[str], Field(min_length=1)] = DEFAULT_COMMAND
    program: str | None = None
    name: str | None = None
    description: str | None = None
    project: str | None = None
    entity: str | None = None
    apiVersion: str | None = None  # noqa: N815  W&B's spelling
    kind: Literal["sweep"] | None = None


@dataclass(frozen=True)
class Sweep:
    """A sweep file as read: its path, what it says, and where."""

    path: Path
    file: SweepFile
    marks: Marks


def read_sweep(path: Path) -> Sweep:
    """The sweep in a file; FFNNError with file and line of the first thing to mend."""
    values = load_yaml(path)
    if not isinstance(values, dict):
        received = "an empty file" if values is None else repr(values)
        raise FFNNError(f"{path}: expected a sweep file with method, metric and parameters; received {received}")
    marks = Marks(path)
    for place, fault in _keys_in(values):
        raise FFNNError(f"{marks.at(*place)}: {fault}")
    if "question" in values and "method" not in values:
        raise FFNNError(f"{path}: expected a sweep file; received an experiment, which runs by: ffnn run {path}")
    for key in ONLY_WITH_W_AND_B:
        if key in values:
            raise FFNNError(f"{marks.at(key)}: works with W&B's servers only; remove it, or use `wandb sweep`")
    try:
        file = SweepFile.model_validate(values)
    except ValidationError as problem:
        raise FFNNError(_first_problem(problem, marks)) from None
    if file.metric is None and (file.method == "bayes" or file.early_terminate):
        needing = "method" if file.method == "bayes" else "early_terminate"
        what = "bayes" if needing == "method" else "it"
        raise FFNNError(f"{marks.at(needing)}: {what} needs a metric; write {METRIC_EXAMPLE}")
    return Sweep(path, file, marks)


def _keys_in(value: Any, place: Place = ()) -> Iterator[tuple[Place, str]]:
    """Where in a file something looks like a key, and what is said of it."""
    if isinstance(value, str) and (fault := key_fault(value, long_words=False)):
        yield place, fault
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        yield from _keys_in(part, (*place, name))


METRIC_EXAMPLE = "metric: {name: best/val/accuracy, goal: maximize}"
_MODELS: Mapping[str, type[BaseModel]] = {"metric": Metric, "early_terminate": Hyperband}
_WORDS = {**EXPECTED, **IN_YAML, "too_short": "at least one"}


def _first_problem(problem: ValidationError, marks: Marks) -> str:
    error = problem.errors(include_url=False)[0]
    place = error["loc"]
    where = marks.at(*place)
    model: type[BaseModel] = _MODELS.get(str(place[0]), SweepFile) if len(place) > 1 else SweepFile
    if error["type"] == "extra_forbidden":
        keys = model.model_fields
        return f"{where}: unknown key; expected one of {', '.join(keys)}{nearest(str(place[-1]), keys)}"
    if message := message_of(error):
        return f"{where}: {message}"
    expectation, received, hint = expected(error, _WORDS), repr(error["input"]), ""
    if error["type"] == "missing":
        choices = get_args(model.model_fields[str(place[-1])].annotation)
        names = [choice for choice in choices if isinstance(choice, str)]
        expectation, received = f"one of {', '.join(names)}" if names else expectation, "nothing"
    if place == ("metric",):
        hint = f"; write {METRIC_EXAMPLE}"
    if error["type"] == "literal_error" and isinstance(error["input"], str):
        hint = nearest(error["input"], str(error["ctx"]["expected"]).replace("'", "").replace(" or ", ", ").split(", "))
    return f"{where}: expected {expectation}; received {received}{hint}"
