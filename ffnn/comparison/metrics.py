"""How any figure of a run is read from its record, whether an experiment measures it or not.

Of a name that the catalogue of metrics lacks neither larger nor smaller is called better.
"""

import math
from collections.abc import Mapping, Sequence

from ffnn.catalogue import Metric, find_metric, is_share
from ffnn.errors import FFNNError, nearest
from ffnn.experiment.measures import MEASURES, Measure, has_own_time
from ffnn.tracking import RunRecord


def margin_of(metric: str) -> float | None:
    """The difference that counts as none."""
    known = find_metric(metric)
    return known.margin if known else None


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
    kind = find_metric(metric) or Metric(metric)
    heading, scale, digits = (f"{metric} %", 100.0, 2) if is_share(metric) else (metric, 1.0, 4)
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
