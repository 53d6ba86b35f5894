"""How any figure of a run is read: its unit, which way is better, and what difference counts as none.

Known names stand in one table; of every other name neither larger nor smaller is called better.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ffnn.errors import FFNNError, nearest
from ffnn.lab.experiment.measures import MEASURES, Measure, has_own_time
from ffnn.tracking import RunRecord

PARTS = ("train/", "val/", "test/")
"""Parts of the data, before the names of what is measured on each."""

MOMENTS = ("best/", "end/", "curve/")
"""Of the best epoch, of the last one, of all: before the part."""


@dataclass(frozen=True)
class Kind:
    """What is known of a figure by its name.

    Attributes
    ----------
    unit : str
        Of differences, in text; "points" are shown as 100 times the figure.
    better : "larger", "smaller" or None
    margin : float, optional
        The difference that counts as none; None where no one difference would suit every run, as of a loss or a time.
    """

    unit: str = ""
    better: Literal["larger", "smaller"] | None = None
    margin: float | None = None


SHARE = Kind("points", "larger", 0.003)
ERROR = Kind("points", "smaller")
COST = Kind("", "smaller")
SECONDS = Kind("s", "smaller")

KINDS: Mapping[str, Kind] = {
    "accuracy": SHARE, "balanced_accuracy": SHARE, "macro_precision": SHARE, "macro_recall": SHARE, "macro_f1": SHARE,
    "ece": ERROR, "loss": COST, "cross_entropy": COST,
    "dead_fraction/": ERROR, "saturated_fraction/": ERROR, "time/augment_wait_fraction": ERROR,
    "time/train_seconds": SECONDS, "time/epoch_seconds": SECONDS, "time/epochs_seconds": SECONDS,
    "time/compile_seconds": SECONDS, "time/total_seconds": SECONDS,
    "time/examples_per_second": Kind("", "larger"), "time/augment_us_per_image": COST,
}  # fmt: skip
"""By name, without the moment and the part of the data; a name that ends in a stroke stands for all below it."""


def kind_of(metric: str) -> Kind:
    """The kind of a figure; one without direction and unit where the name is not known.

    Examples
    --------
    >>> kind_of("best/val/accuracy").better, kind_of("saturated_fraction/tanh1").better, kind_of("my_accuracy").better
    ('larger', 'smaller', None)
    """
    name = metric
    for moment in MOMENTS:
        name = name.removeprefix(moment)
    part = next((part for part in PARTS if name.startswith(part)), "")
    name = name.removeprefix(part)
    return KINDS.get(name) or KINDS.get(name[: name.find("/") + 1], Kind())


def find_measure(metric: str, runs: Sequence[RunRecord]) -> Measure:
    """How a metric is read: one of the experiments' measures, a figure of the summary, or the history's last value.

    Raises
    ------
    FFNNError
        If no run has it, with the nearest name.
    """
    if metric.startswith("time/") and not any(map(has_own_time, runs)):
        raise FFNNError(f"--metric: {metric} of runs that were trained as a stack is the whole stack's: choose another")
    if metric in MEASURES:
        return MEASURES[metric]
    if not any(math.isfinite(figure_of(run, metric)) for run in runs):
        known = dict.fromkeys([*MEASURES, *(name for run in runs for name in (*run.summary, *last_record(run)))])
        hint = nearest(metric, known) or f": expected one of {', '.join(MEASURES)}, or a figure of summary.json"
        raise FFNNError(f"--metric: no run has {metric!r}{hint}")
    kind = kind_of(metric)
    is_share = kind.unit == "points"
    heading = f"{metric} %" if is_share else metric
    scale, digits = (100.0, 2) if is_share else (1.0, 4)
    return Measure(heading, kind.unit, lambda run: figure_of(run, metric), scale, digits, kind.better)


def last_record(run: RunRecord) -> Mapping[str, float]:
    """The last epoch's record; empty without epochs."""
    return run.history[-1] if run.history else {}


def figure_of(run: RunRecord, name: str) -> float:
    """A figure of the summary, or else of the last epoch; NaN where there is none, or where it is a stack's time."""
    if name.startswith("time/") and not has_own_time(run):
        return math.nan
    value = run.summary.get(name, last_record(run).get(name))
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def counted_as_guessing(run: RunRecord, measure: Measure) -> bool:
    """Whether a figure, or a part of it, is what guessing reaches, since the run diverged before it had its own."""
    if not run.summary.get("diverged"):
        return False
    summary = {**run.summary, "diverged": False}
    told, own = measure.of(run), measure.of(RunRecord(run.path, run.config, run.history, summary, run.environment))
    return math.isfinite(told) and told != own


def curve_name(metric: str, runs: Sequence[RunRecord]) -> str | None:
    """The name of the history that shows a metric over epochs: its own, or that of validation for a test figure."""
    plain = metric.removeprefix("best/").removeprefix("curve/")
    for name in (plain, plain.replace("test/", "val/"), plain.removeprefix("end/")):
        if any(name in last_record(run) for run in runs):
            return name
    return None
