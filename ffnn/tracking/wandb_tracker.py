"""Weights & Biases, at arm's length: told everything, trusted with nothing.

Every call to its client happens on one background thread, so that W&B being absent, slow or broken
neither delays nor fails a training run; the run directory has everything in any case.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffnn.terminal import to_stderr
from ffnn.tracking.background import BackgroundWorker, Job
from ffnn.tracking.delivery import LOST, PARTIAL, RECORDED, SENT, UNSENT, Delivery
from ffnn.tracking.plain import finite, finite_numbers
from ffnn.tracking.run_directory import RunDirectory, read_history
from ffnn.tracking.tracker import DatasetReference, EvaluationReport
from ffnn.tracking.wandb_client import (
    FLUSH_SECONDS,
    PARTING_SECONDS,
    client,
    guests,
    reason,
    refusal,
    release,
    staged_in,
)
from ffnn.tracking.wandb_payloads import confusion_and_tables, histograms
from ffnn.tracking.wandb_run import WandbRun
from ffnn.tracking.wandb_settings import WandbSettings, resolve_mode

HURRY_SECONDS = 2.5  # of the five that a process has which is told to end
COMPLETE = ("finished", "stopped")  # every other status is a failed run to W&B
UNFINISHED = Delivery(LOST, "the process ended before W&B had everything")


class WandbTracker:
    """Sends a run to Weights & Biases, or records it in the run directory for sending later.

    Parameters
    ----------
    directory : RunDirectory
        The client's files go to `wandb/` inside it.
    config : mapping
        The resolved config.
    dataset : DatasetReference, optional
        The data that the run uses.
    code : mapping of str to Path
        The files that it computes with, by the names that they are to have.
    notify : callable
        Told each line meant for the user, also from the background thread.

    Notes
    -----
    Nothing that is not finite is sent. A server that cannot be reached makes the run an offline one; an evaluation
    or an artifact that fails costs itself; any other failure switches the tracker off for the run. Each is said in
    one line, and in `delivery`. Records are never dropped; histograms are, while four of them wait.

    On the training thread an epoch's record costs about 20 microseconds, and histograms what copying
    their arrays costs. Opening the first run of a process takes the other thread about a second, a
    further one a tenth; offline, `finish` waits about a tenth more.
    """

    def __init__(
        self,
        directory: RunDirectory,
        config: Mapping[str, Any],
        settings: WandbSettings,
        dataset: DatasetReference | None = None,
        notify: Callable[[str], None] = to_stderr,
        code: Mapping[str, Path] = MappingProxyType({}),
    ) -> None:
        self.directory, self.settings, self.notify = directory, settings, notify
        self.dataset, self.code = dataset, code
        self._wandb = WandbRun(directory, finite(config), settings, self._say)
        self._worker: BackgroundWorker | None = None
        self._last: dict[str, int | float] = {}
        self._broken = self._given_up = False
        self._delivery: Delivery | None = None
        self._at_the_client = self._handed_over = False
        self._missing: list[str] = []
        self._earlier: list[dict[str, Any]] = []

    @property
    def delivery(self) -> Delivery | None:
        """What became of the run at W&B; until `finish`, what it comes to if the process ends now."""
        return self._delivery

    def start(self) -> None:
        """Begin the run, or go on with it: what its history holds is told where W&B lacks it. Returns at once."""
        if self.settings.mode != "disabled" and self._worker is None:
            self._earlier = read_history(self.directory.path)
            self._last = finite_numbers(self._earlier[-1]) if self._earlier else {}
            self._delivery = UNFINISHED
            self._at_the_client = True
            guests.arrive()
            worker = self._worker = BackgroundWorker("wandb", self._fail)
            worker.submit(lambda: self._open(worker))

    def log_epoch(self, record: Mapping[str, float]) -> None:
        """Send the finite numbers of an epoch's record."""
        if self._worker:
            self._last = finite_numbers(record)
            self._worker.submit(partial(self._log_epoch, self._last))

    def log_histograms(
        self, epoch: int, weights: Mapping[str, NDArray[Any]], gradients: Mapping[str, NDArray[Any]]
    ) -> None:
        """Send histograms of the finite values; the arrays are copied here and counted in the background."""

        def prepare() -> Job:
            copies = {"weights": _copies(weights), "gradients": _copies(gradients)}
            return lambda: self._log_histograms(epoch, copies)

        if self._worker:
            self._worker.submit_optional(prepare)

    def log_evaluation(self, evaluation: EvaluationReport) -> None:
        """Send the confusion matrix (chart and picture), the per-class table and the wrong images."""
        if self._worker:
            self._worker.submit(lambda: self._log_evaluation(evaluation))

    def finish(self, summary: Mapping[str, Any], status: str, hurry: int = 0) -> None:
        """Send the summary's single values, checkpoints, data set and code; wait at most `finish_timeout` seconds.

        Of `hurry` runs that are to end at once, each waits for its share of a short time. A run that was stopped is not
        done: its files are sent when it is.
        """
        worker, self._worker = self._worker, None
        if worker is None:
            return
        patience = min(self.settings.finish_timeout, HURRY_SECONDS / hurry) if hurry else self.settings.finish_timeout
        if worker.stopped:  # off already, and said so; it may be stuck in the client
            done = worker.close(PARTING_SECONDS)
        else:
            scalars = {name: value for name, value in finite(summary).items() if not isinstance(value, dict | list)}
            worker.submit(lambda: self._close({**scalars, "status": status}, status))
            done = worker.close(patience)
            if not done:
                self._given_up = True
                why = f"not done after {patience:g} s"
                self._delivery = Delivery(UNSENT if self._handed_over else LOST, why)
                self.notify(f"W&B is {why}: going on without it; {self._wandb.send_later('--include-online ')}")
        if worker.left_out:
            self._missing.append(f"{worker.left_out} sets of histograms were left out")
            self.notify(f"W&B was slow: {self._missing[-1]}")
        if self._missing and self._delivery and self._delivery.whole:
            self._delivery = Delivery(PARTIAL, "; ".join(self._missing))
        self._leave(not done or self._broken, 1.0 / hurry if hurry else FLUSH_SECONDS)

    def abandon(self) -> None:
        """Wait for nothing; what the client has not written down by now is lost to it, not to the run directory."""
        worker, self._worker = self._worker, None
        self._given_up = True
        if worker is not None:
            worker.stop()
        self._leave(True, 0.0)

    def _leave(self, trouble: bool, patience: float) -> None:
        if self._at_the_client:
            self._at_the_client = False
            guests.leave(self._wandb.run, trouble, patience)

    # -- on the background thread ---------------------------------------------------------------

    def _open(self, worker: BackgroundWorker) -> None:
        mode, explanation = resolve_mode(self.settings.mode, self._wandb.folder)
        if mode == "disabled":
            self._delivery = None
            worker.stop()
            return
        if explanation:
            self._say(explanation)
        self._wandb.open(mode)
        self._broken |= bool(self._wandb.why_offline)
        for record in self._earlier:
            self._log_epoch(record)

    def _log_epoch(self, record: Mapping[str, Any]) -> None:
        """Log an epoch that W&B does not have yet."""
        if record["epoch"] > self._wandb.epochs:
            self._wandb.log(record)

    def _log_histograms(self, epoch: int, arrays: Mapping[str, Mapping[str, NDArray[Any]]]) -> None:
        if epoch <= self._wandb.epochs:
            return
        row: dict[str, Any] = {"epoch": epoch}
        for prefix, group in arrays.items():
            row |= histograms(client(), prefix, group)
        self._wandb.log(row)

    def _log_evaluation(self, evaluation: EvaluationReport) -> None:
        with self._costing_itself("the evaluation"):
            payload = confusion_and_tables(client(), evaluation)
            with staged_in(self._wandb.folder):
                self._wandb.log(payload)
            release(payload)

    @contextmanager
    def _costing_itself(self, what: str) -> Iterator[None]:
        """Within it a failure costs this and nothing else: the numbers are worth more."""
        try:
            yield
        except Exception as error:
            failure = f"did not take {what} ({reason(error)})"
            self._missing.append(f"it {failure}")
            self._say(f"W&B {failure}; {self.directory.path} has everything")

    def _close(self, summary: Mapping[str, Any], status: str) -> None:
        self._wandb.run.summary.update(summary)
        if status != "stopped":
            best = {name: value for name, value in summary.items() if name.startswith("best/")}
            last = {name: value for name, value in self._last.items() if name == "epoch" or name.startswith("val/")}
            with self._costing_itself("all artifacts"):
                self._wandb.log_artifacts({"best": best, "last": last}, self.dataset, self.code)
        self._handed_over = self._wandb.online
        try:
            self._wandb.finish(0 if status in COMPLETE else 1)
        except TimeoutError:
            self._unsent("could not send everything in time")
            return
        if why := refusal(self._wandb.record):
            self._unsent(why)
            return
        self._wandb.ended(int(self._last.get("epoch", 0)))
        self._settle(Delivery(SENT) if self._wandb.online else Delivery(RECORDED, self._wandb.why_offline))

    def _unsent(self, why: str) -> None:
        self._broken = True
        self._settle(Delivery(UNSENT, f"it {why}"))
        self._say(f"W&B {why}; {self._wandb.send_later('--include-online ')}")

    def _settle(self, delivery: Delivery) -> None:
        if not self._given_up:  # what comes afterwards comes too late
            self._delivery = delivery

    def _fail(self, error: BaseException) -> None:
        self._broken = True
        self._settle(Delivery(LOST, reason(error)))
        self._say(f"W&B is off for this run ({reason(error)}); {self.directory.path} has everything")
        if self._wandb.run is not None:
            with suppress(Exception):
                self._wandb.run.finish(exit_code=1)

    def _say(self, line: str) -> None:
        if not self._given_up:  # afterwards the client is torn down under the job: no news
            self.notify(line)


def _copies(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name: np.array(array) for name, array in arrays.items()}
