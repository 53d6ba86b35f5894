"""Measures: the one number by which a run is judged, read from its record.

Choices are made on validation and findings are reported on test, so that what was chosen for its luck
on some images is not also reported on them.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ffnn.catalogue import Metric, find_metric
from ffnn.comparison.statistics import Mean
from ffnn.errors import FFNNError, nearest
from ffnn.ranges import is_number
from ffnn.tracking import RunRecord

CHOICE = "best/val/accuracy"
"""What a choice among conditions is made by."""


@dataclass(frozen=True)
class Measure:
    """How a number is read from a run, and how it is shown.

    `heading` is that of a column, with the unit; `of` gives a RunRecord's number, NaN where it has none; `metric` knows
    its unit and which way is better. Where it counts images of a `part` of the data, it comes in steps of one of them;
    if `averaged`, over epochs, which round each for itself. `remark` is what one must know to read it right, a footnote
    where it is used.
    """

    heading: str
    of: Callable[[RunRecord], float]
    metric: Metric
    digits: int = 2
    part: str | None = None
    averaged: bool = False
    remark: str = ""

    @property
    def unit(self) -> str:
        """Of differences, in text."""
        return self.metric.unit

    @property
    def scale(self) -> float:
        """From the number to the unit shown."""
        return 100.0 if self.unit == "points" else 1.0

    @property
    def better(self) -> Literal["larger", "smaller"] | None:
        """None where neither is."""
        return self.metric.better

    def shown(self, value: float, sign: str = "") -> str:
        """A number in the unit shown; with the sign "+" as a difference."""
        return f"{self.scale * value:{sign}.{self.digits}f}"

    def format(self, mean: Mean, sign: str = "") -> str:
        """A mean with its interval in the unit shown, such as "88.31 ± 0.22"."""
        return mean.format(self.scale, self.digits, sign)

    def within(self, margin: float) -> str:
        """A margin with its unit, such as "0.3 points"."""
        return f"{self.scale * margin:g} {self.unit}".rstrip()

    def resolution(self, run: RunRecord) -> float:
        """The step of values that are rounded as much as these are; 0 where they are continuous."""
        images = run.environment.get("data", {}).get("counts", {}).get(self.part, 0)
        epochs = len(run.history) if self.averaged and run.history else 1
        return 1 / (images * math.sqrt(epochs)) if images else 0.0


def find_measure(name: str, runs: Sequence[RunRecord]) -> Measure:
    """How a figure of runs is read: as one of `MEASURES`, or from the summary, or from the last epoch.

    Of a figure that the catalogue of metrics lacks neither larger nor smaller is called better. FFNNError if no run has
    it, with the nearest name.
    """
    if name.startswith("time/") and not any(map(has_own_time, runs)):
        raise FFNNError(f"--metric: {name} of runs that were trained as a stack is the whole stack's: choose another")
    if name in MEASURES:
        return MEASURES[name]
    if not any(math.isfinite(figure_of(run, name)) for run in runs):
        names = dict.fromkeys([*MEASURES, *(key for run in runs for key in (*run.summary, *last_record(run)))])
        hint = nearest(name, names) or f": expected one of {', '.join(MEASURES)}, or a figure of summary.json"
        raise FFNNError(f"--metric: no run has {name!r}{hint}")
    metric = find_metric(name) or Metric(name)
    is_share = metric.unit == "points"
    return Measure(f"{name} %" if is_share else name, lambda run: figure_of(run, name), metric, 2 if is_share else 4)


def last_record(run: RunRecord) -> Mapping[str, float]:
    """The last epoch's record; empty without epochs."""
    return run.history[-1] if run.history else {}


def figure_of(run: RunRecord, name: str) -> float:
    """A figure of the summary, or else of the last epoch; NaN where there is none, or where it is a stack's time."""
    if name.startswith("time/") and not has_own_time(run):
        return math.nan
    value: Any = run.summary.get(name, last_record(run).get(name))
    return float(value) if is_number(value) else math.nan


def has_own_time(run: RunRecord) -> bool:
    """Whether its times are its own; those of a stack's member are the whole stack's, and compare with nothing."""
    return int(run.summary.get("stack", 1)) == 1


def counted_as_guessing(run: RunRecord, measure: Measure) -> bool:
    """Whether a figure, or a part of it, is what guessing reaches, since the run diverged before it had its own."""
    if not run.summary.get("diverged"):
        return False
    value, reached = measure.of(run), measure.of(replace(run, summary={**run.summary, "diverged": False}))
    return math.isfinite(value) and value != reached


def curve_name(metric: str, runs: Sequence[RunRecord]) -> str | None:
    """The name of the history that shows a metric over epochs: its own, or that of validation for a test figure."""
    plain = metric.removeprefix("best/").removeprefix("curve/")
    for name in (plain, plain.replace("test/", "val/"), plain.removeprefix("end/")):
        if any(name in last_record(run) for run in runs):
            return name
    return None


def _of_summary(name: str, guessing: bool = False) -> Callable[[RunRecord], float]:
    def read(run: RunRecord) -> float:
        value = run.summary.get(name)
        if isinstance(value, int | float) and math.isfinite(value):
            return float(value)
        return _chance(run) if guessing and run.summary.get("diverged") else math.nan

    return read


def _chance(run: RunRecord) -> float:
    """What guessing reaches: the worth of a run that diverged before its first epoch was over.

    Leaving such runs out would make a condition the better, the more of its runs fail.
    """
    classes = run.environment.get("data", {}).get("classes", [])
    return 1 / len(classes) if classes else math.nan


def _train_seconds(run: RunRecord) -> float:
    return float(run.summary.get("time/train_seconds", math.nan)) if has_own_time(run) else math.nan


def _log10(number: float) -> float:
    return math.log10(number) if 0 < number < math.inf else math.nan


def _curve(run: RunRecord) -> float:
    """Mean validation accuracy over all epochs; those that a diverged run did not reach count as guessing."""
    values = [float(record["val/accuracy"]) for record in run.history if "val/accuracy" in record]
    if run.summary.get("diverged"):
        values += [_chance(run)] * (int(run.config.get("epochs", 0)) - len(values))
    return math.fsum(values) / len(values) if values else math.nan


def _last(run: RunRecord, name: str) -> float:
    return float(last_record(run).get(name, math.nan))


def _unevenness(run: RunRecord) -> float:
    """Root mean square of the second differences of the training loss: 0 on a straight line."""
    losses = [float(record["train/loss"]) for record in run.history if "train/loss" in record]
    bends = [after - 2 * now + before for before, now, after in zip(losses, losses[1:], losses[2:], strict=False)]
    return math.sqrt(math.fsum(bend * bend for bend in bends) / len(bends)) if bends else math.nan


def _never_predicted(run: RunRecord) -> float:
    confusion = run.summary.get("test/confusion")
    return float(sum(not any(column) for column in zip(*confusion, strict=True))) if confusion else math.nan


def _catalogued(name: str) -> Metric:
    metric = find_metric(name)
    if metric is None:
        raise KeyError(f"the catalogue of metrics has no {name!r}")
    return metric


def _figure(name: str, heading: str, digits: int = 2, part: str | None = None) -> Measure:
    """A figure of the summary; one that counts images is guessing's where a run diverged before it had any."""
    return Measure(heading, _of_summary(name, guessing=part is not None), _catalogued(name), digits, part)


MEASURES = {
    "test/accuracy": _figure("test/accuracy", "test acc. %", part="test"),
    "test/macro_f1": _figure("test/macro_f1", "macro F1 %"),
    "test/loss": _figure("test/loss", "test loss", 4),
    "best/val/accuracy": _figure("best/val/accuracy", "val acc. %", part="val"),
    "best/val/loss": _figure("best/val/loss", "val loss", 4),
    "curve/val/accuracy": Measure(
        "mean val acc. over epochs %", _curve, _catalogued("curve/val/accuracy"), part="val", averaged=True
    ),
    "gap/accuracy": Measure(
        "train - val acc. at the end %",
        lambda run: _last(run, "train/accuracy") - _last(run, "val/accuracy"),
        Metric("training minus validation accuracy", "points", "smaller"),
        part="val",
        remark="gap/accuracy: training accuracy is the mean over the last epoch's batches, with dropout at work; so "
        "dropout narrows this gap also by making training harder, and not only by learning less by heart.",
    ),
    "log10/learning_rate": Measure(
        "log10 learning rate",
        lambda run: _log10(run.config.get("learning_rate", math.nan)),
        Metric("logarithm of the learning rate", "decades"),
    ),
    "test/classes_never_predicted": Measure(
        "classes never predicted", _never_predicted, Metric("classes never predicted", "classes", "smaller"), 1
    ),
    "end/train/loss": Measure(
        "train loss at the end", lambda run: _last(run, "train/loss"), _catalogued("end/train/loss"), 4
    ),
    "noise/train/loss": Measure(
        "unevenness of the train loss", _unevenness, Metric("unevenness of the training loss", better="smaller"), 4
    ),
    "parameters": _figure("parameters", "parameters", 0),
    "log10/train_seconds": Measure(
        "log10 of train s",
        lambda run: _log10(_train_seconds(run)),
        Metric("logarithm of the seconds of training", "decades", "smaller"),
        3,
    ),
    "time/train_seconds": Measure("train s", _train_seconds, _catalogued("time/train_seconds")),
}
"""Everything that a claim, a table or a figure can be about."""
