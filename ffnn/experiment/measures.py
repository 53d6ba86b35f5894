"""Measures: the one number by which a run is judged, read from its record.

Choices are made on validation and findings are reported on test, so that what was chosen for its luck
on some images is not also reported on them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ffnn.tracking import RunRecord

CHOICE = "best/val/accuracy"
"""What a choice among conditions is made by."""


@dataclass(frozen=True)
class Measure:
    """How a number is read from a run, and how it is shown.

    Attributes
    ----------
    heading : str
        Of a column, with the unit.
    unit : str
        Of differences, in text.
    of : callable
        From a RunRecord to the number; NaN where the run has none.
    scale : float
        From the number to the unit shown.
    digits : int
    better : "larger", "smaller" or None
        None where neither is.
    part : str, optional
        The part of the data whose images it counts: it comes in steps of one of them.
    averaged : bool
        Over the epochs, which round each for itself.
    remark : str
        What one must know to read it right; a footnote where it is used.
    """

    heading: str
    unit: str
    of: Callable[[RunRecord], float]
    scale: float = 100.0
    digits: int = 2
    better: Literal["larger", "smaller"] | None = "larger"
    part: str | None = None
    averaged: bool = False
    remark: str = ""

    def resolution(self, run: RunRecord) -> float:
        """The step of values that are rounded as much as these are; 0 where they are continuous."""
        images = run.environment.get("data", {}).get("counts", {}).get(self.part, 0)
        epochs = len(run.history) if self.averaged and run.history else 1
        return 1 / (images * math.sqrt(epochs)) if images else 0.0


def _of_summary(key: str, chance: bool = False) -> Callable[[RunRecord], float]:
    def read(run: RunRecord) -> float:
        value = run.summary.get(key)
        if isinstance(value, int | float) and math.isfinite(value):
            return float(value)
        return _chance(run) if chance and run.summary.get("diverged") else math.nan

    return read


def has_own_time(run: RunRecord) -> bool:
    """Whether its times are its own; those of a stack's member are the whole stack's, and compare with nothing."""
    return int(run.summary.get("stack", 1)) == 1


def _train_seconds(run: RunRecord) -> float:
    return float(run.summary.get("time/train_seconds", math.nan)) if has_own_time(run) else math.nan


def _chance(run: RunRecord) -> float:
    """What guessing reaches: the worth of a run that diverged before its first epoch was over.

    Leaving such runs out would make a condition the better, the more of its runs fail.
    """
    classes = run.environment.get("data", {}).get("classes", [])
    return 1 / len(classes) if classes else math.nan


def _curve(run: RunRecord) -> float:
    """Mean validation accuracy over all epochs; those that a diverged run did not reach count as guessing."""
    values = [float(record["val/accuracy"]) for record in run.history if "val/accuracy" in record]
    if run.summary.get("diverged"):
        values += [_chance(run)] * (int(run.config.get("epochs", 0)) - len(values))
    return math.fsum(values) / len(values) if values else math.nan


def _gap(run: RunRecord) -> float:
    last = run.history[-1] if run.history else {}
    return float(last.get("train/accuracy", math.nan)) - float(last.get("val/accuracy", math.nan))


def _log10_learning_rate(run: RunRecord) -> float:
    rate = run.config.get("learning_rate", math.nan)
    return math.log10(rate) if 0 < rate < math.inf else math.nan


def _log10_train_seconds(run: RunRecord) -> float:
    seconds = _train_seconds(run)
    return math.log10(seconds) if seconds > 0 else math.nan


def _last(key: str) -> Callable[[RunRecord], float]:
    return lambda run: float(run.history[-1].get(key, math.nan)) if run.history else math.nan


def _unevenness(run: RunRecord) -> float:
    """Root mean square of the second differences of the training loss: 0 on a straight line."""
    losses = [float(record["train/loss"]) for record in run.history if "train/loss" in record]
    bends = [after - 2 * here + before for before, here, after in zip(losses, losses[1:], losses[2:], strict=False)]
    return math.sqrt(math.fsum(bend * bend for bend in bends) / len(bends)) if bends else math.nan


def _never_predicted(run: RunRecord) -> float:
    confusion = run.summary.get("test/confusion")
    return float(sum(not any(column) for column in zip(*confusion, strict=True))) if confusion else math.nan


MEASURES = {
    "test/accuracy": Measure("test acc. %", "points", _of_summary("test/accuracy", chance=True), part="test"),
    "test/macro_f1": Measure("macro F1 %", "points", _of_summary("test/macro_f1")),
    "test/loss": Measure("test loss", "", _of_summary("test/loss"), 1.0, 4, better="smaller"),
    "best/val/accuracy": Measure("val acc. %", "points", _of_summary("best/val/accuracy", chance=True), part="val"),
    "best/val/loss": Measure("val loss", "", _of_summary("best/val/loss"), 1.0, 4, better="smaller"),
    "curve/val/accuracy": Measure("mean val acc. over epochs %", "points", _curve, part="val", averaged=True),
    "gap/accuracy": Measure(
        "train - val acc. at the end %",
        "points",
        _gap,
        better="smaller",
        part="val",
        remark="gap/accuracy: training accuracy is the mean over the last epoch's batches, with dropout at work; so "
        "dropout narrows this gap also by making training harder, and not only by learning less by heart.",
    ),
    "log10/learning_rate": Measure("log10 learning rate", "decades", _log10_learning_rate, 1.0, 2, None),
    "test/classes_never_predicted": Measure(
        "classes never predicted", "classes", _never_predicted, 1.0, 1, better="smaller"
    ),
    "end/train/loss": Measure("train loss at the end", "", _last("train/loss"), 1.0, 4, better="smaller"),
    "noise/train/loss": Measure("unevenness of the train loss", "", _unevenness, 1.0, 4, better="smaller"),
    "parameters": Measure("parameters", "", _of_summary("parameters"), 1.0, 0, better=None),
    "log10/train_seconds": Measure("log10 of train s", "decades", _log10_train_seconds, 1.0, 3, better="smaller"),
    "time/train_seconds": Measure("train s", "s", _train_seconds, 1.0, 2, better="smaller"),
}
"""Everything that a claim, a table or a figure can be about."""
