"""A trial under way: started, by itself or with others in one process, followed in its run directory, and judged.

The engine looks after all workers alike, whether a process of their own or a stack's member is behind them.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ffnn.errors import FFNNError
from ffnn.files import storing
from ffnn.sweep.guard import Fork
from ffnn.sweep.plan import Plan
from ffnn.sweep.process import TrialProcess, environment
from ffnn.sweep.schema import Metric
from ffnn.sweep.stacks import Request, StackedTrial, start_stack
from ffnn.sweep.trials import DIVERGED, FAILED, FINISHED, HUNG, KILLED, LOST, Outcome, Trial
from ffnn.sweep.watch import RunWatch, finished_run
from ffnn.tracking import dump_yaml

DIED = "the sweep that ran it was killed"
ENDS = {"finished": FINISHED, "diverged": DIVERGED}
"""What a trial has come to whose run says that it is over."""


@dataclass
class Worker:
    """A trial under way in this process.

    `place` is that of its process among those of this sweep, which trials of a stack share; `company` counts trials in
    its process when it was started. `ending` is why it was asked to end, if it was; at `kill_at` it is killed if it has
    not ended.
    """

    trial: Trial
    process: TrialProcess | StackedTrial
    place: int
    watch: RunWatch
    epochs: int
    company: int = 1
    began: float = field(default_factory=time.monotonic)
    ending: Outcome | None = None
    kill_at: float = float("inf")

    @property
    def seconds(self) -> float:
        """Since it was started."""
        return time.monotonic() - self.began

    def end(self, outcome: Outcome, grace: float) -> None:
        """Ask it to end, once."""
        if self.ending is None:
            self.ending = outcome
            self.kill_at = time.monotonic() + grace
            self.process.interrupt()

    def outcome(self, code: int, metric: Metric) -> Outcome:
        """How it ended, given its exit code; a run that could not write down why gets it written."""
        summary = self.watch.summary()
        status, reason = self._status(code, str(summary.get("status", "")), str(summary.get("reason") or ""))
        if status not in ENDS.values():
            self.watch.mark("failed" if status in (FAILED, HUNG, KILLED) else "stopped", reason)
        return _outcome(self.watch, metric, status, reason, self.seconds)

    def _status(self, code: int, status: str, reason: str) -> tuple[str, str]:
        if code == 0 and status in ENDS:  # it was faster than whoever asked it to end
            return ENDS[status], reason
        if self.ending:
            return self.ending.status, self.ending.reason
        if code < 0:
            return KILLED, f"by signal {-code}"
        if status == "stopped":
            return KILLED, reason or "interrupted from outside"
        return FAILED, f"exit code {code}: {self.process.last_words()}"


def left_behind(trial: Trial, plan: Plan) -> Outcome:
    """What became of a trial whose owner died: its run may have come to its end all the same."""
    watch = finished_run(plan.folder, plan.argv(trial.arguments, trial.key), plan.metric.name)
    if watch is None:
        return Outcome(LOST, DIED)
    summary = watch.summary()
    seconds = float(summary.get("time/total_seconds", 0.0))
    return _outcome(watch, plan.metric, ENDS[summary["status"]], str(summary.get("reason") or ""), seconds)


def _outcome(watch: RunWatch, metric: Metric, status: str, reason: str, seconds: float) -> Outcome:
    values, single = watch.values, watch.value_of_summary()
    best, latest = (metric.best(values), values[-1]) if values else (single, single)
    return Outcome(status, reason, best, latest, str(watch.path) if watch.path else None, seconds)


def start_workers(trials: Sequence[Trial], plan: Plan, place: int, threads: int, fork: Fork | None) -> list[Worker]:
    """Start a process for a trial, or one for several."""
    files = [plan.parameters_file(trial.key) for trial in trials]
    argvs = [plan.argv(trial.arguments, trial.key) for trial in trials]
    for trial, file in zip(trials, files, strict=True):
        with storing(file):
            file.write_text(json.dumps(plan.given(trial.arguments)), encoding="utf-8")
        described = file.with_suffix(".yaml")  # as W&B's agent writes it
        with storing(described), described.open("w", encoding="utf-8") as stream:
            dump_yaml({"wandb_version": 1, **{k: {"value": v} for k, v in trial.arguments.items()}}, stream)
    watches = [RunWatch(plan.folder, argv, plan.metric.name) for argv in argvs]
    return [
        Worker(trial, process, place, watch, _epochs(trial, plan), len(trials))
        for trial, process, watch in zip(trials, _start(files, argvs, threads, fork), watches, strict=True)
    ]


def _start(
    files: Sequence[Path], argvs: Sequence[Sequence[str]], threads: int, fork: Fork | None
) -> Sequence[TrialProcess | StackedTrial]:
    first = files[0]
    if len(files) == 1:
        environ: Mapping[str, str] = environment(threads, first.with_suffix(".yaml"))
        return [TrialProcess(argvs[0], environ, first.with_suffix(".log"), fork)]
    requests = [Request.beside(file, argv) for file, argv in zip(files, argvs, strict=True)]
    return start_stack(requests, environment(threads), first.with_name(f"stack-{first.stem}.json"), fork)


def _epochs(trial: Trial, plan: Plan) -> int:
    try:
        return plan.config(trial.arguments).epochs
    except FFNNError:
        return 0  # the trial will say the same, and fail
