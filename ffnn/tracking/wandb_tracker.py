"""Weights & Biases, at arm's length: told everything, trusted with nothing.

Every call to its client happens on one background thread, so that W&B being absent, slow or broken
neither delays nor fails a training run; the run directory has everything in any case.
"""

import os
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ffnn
from ffnn.files import same_file
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
    own_words,
    reason,
    record_artifacts,
    refusal,
    release,
    staged_in,
    start_service,
    use_artifact,
)
from ffnn.tracking.wandb_payloads import confusion_and_tables, dataset_artifact, histograms, model_artifacts
from ffnn.tracking.wandb_sessions import Sessions
from ffnn.tracking.wandb_settings import VARIABLES, WandbSettings, resolve_mode

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
    settings : WandbSettings
    dataset : DatasetReference, optional
        The data that the run uses.
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
    ) -> None:
        self.directory, self.settings, self.dataset, self.notify = directory, settings, dataset, notify
        self.folder = directory.path / "wandb"
        self._config = finite(config)
        self._worker: BackgroundWorker | None = None
        self._run: Any = None
        self._last: dict[str, int | float] = {}
        self._broken = self._given_up = False
        self._delivery: Delivery | None = None
        self._at_the_client = self._all_told = False
        self._missing: list[str] = []
        self._sessions = Sessions()
        self._why_offline = ""
        self._known = 0
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
                self._delivery = Delivery(UNSENT if self._all_told else LOST, why)
                self.notify(f"W&B is {why}: going on without it; {self._send_later('--include-online ')}")
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
            guests.leave(self._run, trouble, patience)

    # -- on the background thread ---------------------------------------------------------------

    def _open(self, worker: BackgroundWorker) -> None:
        mode, explanation = resolve_mode(self.settings.mode, self.folder)
        if mode == "disabled":
            self._delivery = None
            worker.stop()
            return
        if explanation:
            self._say(explanation)
        self.folder.mkdir(exist_ok=True)
        earlier = Sessions.load(self.folder)
        if earlier:
            self._sessions = earlier
            mode = "offline" if earlier.mode == "offline" else mode
        self._run = self._reach() if mode == "online" else self._begin_offline()
        record_artifacts(self._run)
        self._run.define_metric("epoch")
        self._run.define_metric("*", step_metric="epoch")
        for record in self._earlier:
            self._log_epoch(record)

    def _reach(self) -> Any:
        goes_on = bool(self._sessions.id)
        try:
            run = self._init("online")
        except Exception as error:  # a wrong key, no network, a server in trouble: all the same here
            self._broken = True
            self._why_offline = f"W&B cannot be reached ({reason(error)})"
            self._say(f"{self._why_offline}: recording offline; {self._send_later()}")
            return self._begin_offline()
        # Only of its own doing: a user may have W&B append a new run to another one.
        self._known = int(run.summary.get("epoch", 0)) if run.resumed and goes_on else 0
        self._say(f"W&B run: {run.url}")
        return run

    def _begin_offline(self) -> Any:
        self._sessions.clear(self.folder)
        self._known = self._sessions.told_offline()
        return self._init("offline")

    def _init(self, mode: str) -> Any:
        wandb = client()
        who = self.settings.arguments(self.directory.path.resolve().name)
        if self._sessions.id:
            who |= self._sessions.arguments()
            # Without it W&B takes the new record for the whole run, which an offline one is where none came before.
            who["resume"] = "allow" if mode == "online" or self._known else None
        identity = who.get("id") or os.environ.get(VARIABLES["id"], "")
        before, self._sessions = self._sessions, self._sessions.opened(mode, identity)
        self._sessions.save(self.folder)  # first: should this process be killed, the next one knows the id
        try:
            run = self._start(wandb, mode, who)
        except BaseException:
            self._sessions = before
            raise
        self._sessions = self._sessions.opened(mode, run.id, run.project or "", run.entity or "")
        self._sessions.save(self.folder)
        return run

    def _start(self, wandb: Any, mode: str, who: Mapping[str, Any]) -> Any:
        settings = wandb.Settings(
            silent=True,
            console="off",
            init_timeout=self.settings.init_timeout,
            finish_timeout=0.9 * self.settings.finish_timeout,
            finish_timeout_raises=True,
        )
        start_service(self.folder)
        with own_words:
            return wandb.init(
                mode=mode,
                dir=str(self.directory.path),
                config=self._config,
                reinit="create_new",  # runs of other threads and of the user's own code stay untouched
                settings=settings,
                **who,
            )

    def _log_epoch(self, record: Mapping[str, Any]) -> None:
        """Log an epoch that W&B does not have yet."""
        if record["epoch"] > self._known:
            self._log(record)

    def _log(self, row: Mapping[str, Any]) -> None:
        self._run.log(dict(row))

    def _log_histograms(self, epoch: int, arrays: Mapping[str, Mapping[str, NDArray[Any]]]) -> None:
        if epoch <= self._known:
            return
        row: dict[str, Any] = {"epoch": epoch}
        for prefix, group in arrays.items():
            row |= histograms(client(), prefix, group)
        self._log(row)

    def _log_evaluation(self, evaluation: EvaluationReport) -> None:
        with self._costing_itself("the evaluation"):
            payload = confusion_and_tables(client(), evaluation)
            with staged_in(self.folder):
                self._log(payload)
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
        self._run.summary.update(summary)
        if status != "stopped":
            with self._costing_itself("all artifacts"), staged_in(self.folder):
                self._log_artifacts(summary)
        self._all_told = self._sessions.mode == "online"
        try:
            with own_words:  # for a container it makes a job, which holds the command line
                self._run.finish(exit_code=0 if status in COMPLETE else 1)
        except TimeoutError:
            self._unsent("could not send everything in time")
        else:
            self._note_end(Path(self._run.dir).parent)

    def _unsent(self, why: str) -> None:
        self._broken = True
        self._settle(Delivery(UNSENT, f"it {why}"))
        self._say(f"W&B {why}; {self._send_later('--include-online ')}")

    def _note_end(self, record: Path) -> None:
        why = refusal(record)
        if why:
            self._unsent(why)
        else:
            self._sessions.ended(record.name, int(self._last.get("epoch", 0))).save(self.folder)
            self._settle(Delivery(SENT) if self._sessions.mode == "online" else Delivery(RECORDED, self._why_offline))

    def _settle(self, delivery: Delivery) -> None:
        if not self._given_up:  # what comes afterwards comes too late
            self._delivery = delivery

    def _log_artifacts(self, summary: Mapping[str, Any]) -> None:
        wandb, run = client(), self._run
        metadata = {
            "best": {name: value for name, value in summary.items() if name.startswith("best/")},
            "last": {name: value for name, value in self._last.items() if name == "epoch" or name.startswith("val/")},
        }
        models = self._kept(Path(run.dir).parent.name)
        for alias, model in model_artifacts(wandb, f"model-{run.id}", models, metadata):
            run.log_artifact(model, aliases=[alias])
        if self.dataset:
            use_artifact(run, dataset_artifact(wandb, self.dataset, self.folder))
        run.log_code(str(Path(ffnn.__file__).parent), name="source-ffnn", include_fn=lambda path: path.endswith(".py"))

    def _kept(self, record: str) -> Path:
        """A folder with other names of the checkpoints: they may be replaced before they are sent."""
        folder = self.folder / "models" / record
        folder.mkdir(parents=True, exist_ok=True)
        for path in self.directory.checkpoints.glob("*.npz"):
            same_file(path, folder / path.name)
        return folder

    def _fail(self, error: BaseException) -> None:
        self._broken = True
        self._settle(Delivery(LOST, reason(error)))
        self._say(f"W&B is off for this run ({reason(error)}); {self.directory.path} has everything")
        if self._run is not None:
            with suppress(Exception):
                self._run.finish(exit_code=1)

    def _say(self, line: str) -> None:
        if not self._given_up:  # afterwards the client is torn down under the job: no news
            self.notify(line)

    def _send_later(self, options: str = "") -> str:
        return f"to send it later: wandb sync {options}{shlex.quote(str(self.folder))}"


def _copies(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name: np.array(array) for name, array in arrays.items()}
