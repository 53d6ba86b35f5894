"""The formats of a run's files: what each name in them holds, said once for everybody who reads a run.

They take what every version of ffnn has written; what they do not list may hold any plain value.
"""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, model_validator

from ffnn.ranges import is_number
from ffnn.records import LARGEST, Count, Format, Number, Positive, mismatch

MEASURED = ("test/", "best/", "time/")
"""What begins so is a number whatever is measured, but for the summary's two tables."""
TABLES = ("test/per_class", "test/confusion")

Component = str | dict[str, Any]


class Settings(Format):
    """Of config.yaml, what readers look at without running it; whoever runs it again makes a Config of all of it."""

    finite = False  # YAML has infinities, and a setting may be one

    dataset: Component = "digits"
    data_dir: str | None = None
    hidden_layers: list[Positive] | None = None
    optimizer: Component = "adam"
    loss: Component = "cross_entropy"
    learning_rate: Annotated[Number, Field(gt=0)] = 1.0
    epochs: Positive = 1
    batch_size: Positive | str = 1
    seed: Count = 0
    group: str = ""


class OfClass(Format):
    """A row of the summary's table of classes; figures that are not known are absent."""

    name: str = Field("", alias="class")
    precision: Number = 0.0
    recall: Number = 0.0
    f1: Number = 0.0
    support: Count = 0


class Summary(Format):
    """Of summary.json."""

    status: str = "running"
    reason: str | None = ""
    epochs: Count = 0
    steps: Count = 0
    diverged: bool = False
    diverged_step: Count = 0
    parameters: Count = 0
    stack: Positive = 1
    config_digest: str | None = None
    best_epoch: Positive = Field(1, alias="best/epoch")
    per_class: list[OfClass] = Field([], alias="test/per_class")
    confusion: Annotated[list[list[Count]], Field(min_length=1)] = Field([[0]], alias="test/confusion")

    @model_validator(mode="before")
    @classmethod
    def _figures(cls, values: dict[str, Any]) -> dict[str, Any]:
        for name, value in values.items():
            if name.startswith(MEASURED) and name not in TABLES and not is_number(value):
                raise mismatch(name, "a number", value)
        matrix = values.get("test/confusion")
        if isinstance(matrix, list) and not all(isinstance(row, list) and len(row) == len(matrix) for row in matrix):
            raise mismatch("test/confusion", "a square table", matrix)
        return values


class Processor(Format):
    """Of environment.json, about the processor."""

    model: str = ""


class Blas(Format):
    """Of environment.json, about a BLAS."""

    core: str | None = None


class Data(Format):
    """Of environment.json, about the data."""

    name: str = ""
    digest: str = ""
    split_digest: str = ""
    counts: dict[str, Count] = Field(default={})
    classes: list[str] = Field(default=[])
    source: str = ""


class Environment(Format):
    """Of environment.json."""

    time: str = ""
    versions: dict[str, str] = Field(default={})
    git_commit: str | None = None
    git_dirty: bool | None = None
    cpu: Processor = Processor()
    blas: list[Blas] = Field(default=[])
    thread_variables: dict[str, str] = Field(default={})
    command: str = ""
    code_digest: str = ""
    data: Data = Data()
    device: dict[str, Any] = Field(default={})
    resumed: list[dict[str, Any]] = Field(default=[])


EPOCH: TypeAdapter[dict[str, Any]] = TypeAdapter(
    dict[
        str,
        Annotated[int, Field(strict=True, ge=-LARGEST, le=LARGEST)]
        | Annotated[float, Field(strict=True, allow_inf_nan=False)],
    ]
)
"""A line of history.jsonl: names and finite numbers, whole ones as such."""


def class_names(names: Sequence[str], count: int) -> list[str]:
    """The names of the classes of a matrix of so many rows; their numbers where the known names are not so many.

    Examples
    --------
    >>> class_names(["cat", "dog"], 2), class_names([], 2)
    (['cat', 'dog'], ['0', '1'])
    """
    return list(names) if len(names) == count else [str(number) for number in range(count)]
