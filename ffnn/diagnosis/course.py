"""The course of a run: what its history and its summary say, asked in the doctor's words.

A finished run is read from its directory and a run under way from its trainer; symptoms see no difference.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from ffnn.tracking import RunRecord
from ffnn.tracking.formats import class_names


@dataclass(frozen=True)
class Course:
    """What is known of one run.

    The history has one record an epoch, the counts are the images of each part: train, val, test. Classes, by name,
    are empty where unknown, and the summary while the run is under way.
    """

    config: Mapping[str, Any]
    history: Sequence[Mapping[str, float]]
    classes: Sequence[str] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, run: RunRecord) -> "Course":
        """The course of a recorded run."""
        data = run.environment.get("data", {})
        return cls(run.config, run.history, data.get("classes", ()), data.get("counts", {}), run.summary)

    def chosen(self, name: str) -> Any:
        """A setting's value; of a component its name, whatever its options; None where the run does not say."""
        value = self.config.get(name)
        return value.get("name") if isinstance(value, Mapping) else value

    def series(self, name: str) -> list[float]:
        """The values of a name of the history, in the order of epochs."""
        return [float(record[name]) for record in self.history if name in record]

    def first(self, name: str) -> float:
        """A value of the first epoch; NaN where it has none."""
        return float(self.history[0].get(name, math.nan)) if self.history else math.nan

    def last(self, name: str) -> float:
        """A value of the last epoch; NaN where it has none."""
        return float(self.history[-1].get(name, math.nan)) if self.history else math.nan

    def typical(self, name: str) -> float:
        """The median over epochs, which single epochs cannot move; NaN where there is no value."""
        values = self.series(name)
        return median(values) if values else math.nan

    def layers(self, prefix: str) -> list[str]:
        """The layers of which the last epoch has a value, such as "dead_fraction/", in the network's order."""
        names = self.history[-1] if self.history else {}
        return [name.removeprefix(prefix) for name in names if name.startswith(prefix) and name != f"{prefix}all"]

    def by_layer(self, prefix: str, of: Callable[[str], float]) -> dict[str, float]:
        """What `first`, `last` or `typical` says of each layer, by its name, in the network's order."""
        return {layer: of(prefix + layer) for layer in self.layers(prefix)}

    @property
    def guessing_loss(self) -> float:
        """Cross-entropy of giving every class the same probability; NaN for other losses."""
        return math.log(len(self.classes)) if self.chosen("loss") == "cross_entropy" and self.classes else math.nan

    @property
    def guessing_accuracy(self) -> float:
        """What always naming the most frequent class reaches, as the test part tells it, or one in so many classes."""
        confusion = self.summary.get("test/confusion")
        if confusion:
            rows = [int(sum(row)) for row in confusion]
            return max(rows) / max(1, sum(rows))
        return 1 / len(self.classes) if self.classes else math.nan

    @property
    def sizes_of_classes(self) -> list[tuple[str, int, int]]:
        """For each class its name, its test images, and how often it was predicted for any; empty without a test."""
        confusion = self.summary.get("test/confusion")
        if not confusion:
            return []
        names = class_names(self.classes, len(confusion))
        columns = [sum(column) for column in zip(*confusion, strict=True)]
        return [(name, sum(row), predicted) for name, row, predicted in zip(names, confusion, columns, strict=True)]
