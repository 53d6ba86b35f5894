"""One process's work on a run: it trains and tests, and writes down what it finds as it goes.

It may be the run's first process or one that goes on where another was killed: only where it begins differs.
"""

import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import Any

import numpy as np

from ffnn.backend.threads import sharing
from ffnn.data.augmented import AugmentedBatches
from ffnn.diagnosis.watch import Watch
from ffnn.files import StorageError
from ffnn.lab.build import Parts, build_trainer, is_shared
from ffnn.lab.code import files_by_name
from ffnn.lab.config import Config, name_of
from ffnn.lab.summary import describe_data, describe_start, summarize
from ffnn.lab.termination import Interruption
from ffnn.tracking import (
    DatasetReference,
    EvaluationReport,
    RunDirectory,
    RunRecord,
    Tracker,
    WandbSettings,
    WandbTracker,
    WrongImage,
    read_run,
    redact,
)
from ffnn.training.callbacks import AugmentationCost, Best, EarlyStopping, PlainProgress, ProgressBar, SaveCheckpoints
from ffnn.training.metrics import Evaluation, evaluate
from ffnn.training.trainer import Callback, Record, Trainer

Notify = Callable[[str], None]

LOADING_SECONDS = 1.5
"""A first step that takes longer than this is being compiled and not merely loaded."""


class Recorder(Callback):
    """Writes each epoch to the run directory and hands it to the tracker, histograms every few epochs."""

    def __init__(self, directory: RunDirectory, tracker: Tracker, best: Best, histogram_every: int) -> None:
        self.directory, self.tracker = directory, tracker
        self.best, self.histogram_every = best, histogram_every

    def on_epoch(self, trainer: Trainer, record: Record) -> None:
        record[f"best/{self.best.monitor}"] = self.best.score
        self.directory.append_history(record)
        self.tracker.log_epoch(record)
        if self.histogram_every and (trainer.epoch - 1) % self.histogram_every == 0:
            host = trainer.objective.network.engine.host
            parameters = list(trainer.objective.network.parameters)
            self.tracker.log_histograms(
                trainer.epoch,
                {parameter.name: host(parameter.value) for parameter in parameters},
                {parameter.name: host(parameter.grad) for parameter in parameters},
            )


@dataclass
class Session:
    """One process's work on a run.

    The config has all choices made; the directory is locked, with its config, environment and a first summary written;
    `entries` go into the summary. `start` is when the process began with it, in `time.perf_counter` seconds. `restore`
    brings a rehearsed trainer and its best epoch where the run was; by default they are at its beginning.
    `make_trainer` makes one from the parts and the callbacks; `notify` and `progress` are as for `train`.
    """

    config: Config
    parts: Parts
    directory: RunDirectory
    entries: dict[str, Any]
    notify: Notify
    progress: Callback | None
    interruption: Interruption
    start: float
    restore: Callable[[Trainer, Best], None] = lambda trainer, best: None
    make_trainer: Callable[[Parts, Sequence[Callback]], Trainer] = build_trainer


def carry_out(session: Session) -> RunRecord:
    """Train and test, or what is left of it, and record it."""
    with under_way(session) as trainer:
        trainer.fit()
    return read_run(session.directory.path)


@contextmanager
def under_way(session: Session) -> Iterator[Trainer]:
    """Within it the trainer that it gives is trained, as `fit` does; at its end the run is tested and closed."""
    directory, interruption = session.directory, session.interruption
    session.notify(describe_start(session.config, session.parts, directory.path))
    tracker = _tracker(session.config, directory, session.parts, session.notify)
    best = Best(session.config.monitor)
    trainer = session.make_trainer(session.parts, _callbacks(session, tracker, best))
    seconds, evaluation, status, why, handed_over = 0.0, None, "failed", "", False
    tracker.start()
    try:
        engine = trainer.objective.network.engine
        with sharing(engine, session.config.threads or 1, is_shared(session.config, session.parts)):
            with patiently(session.notify):
                seconds = trainer.rehearse()
            session.restore(trainer, best)
            with interruption.told(trainer.interrupt):
                handed_over = True
                yield trainer
            if trainer.reason:
                session.notify(f"{trainer.status}: {trainer.reason}")
            if best.record and trainer.status != "stopped" and not interruption.received:
                evaluation = _test(session.parts, tracker)
        status = "stopped" if interruption.received and evaluation is None else trainer.status
    except KeyboardInterrupt:
        status = "stopped"
    except Exception as problem:
        why = redact(" ".join(str(problem).split()) or type(problem).__name__)
        if not isinstance(problem, StorageError):
            raise
        raise StorageError(f"{problem}; what was written before is whole: {how_to_resume(directory.path)}") from problem
    finally:
        summary = {
            **summarize(trainer, best, evaluation),
            "status": status,
            **({"reason": why} if why else {}),
            **session.entries,
            "time/compile_seconds": seconds,
            "time/total_seconds": time.perf_counter() - session.start,
        }
        _close(directory, tracker, summary, interruption)
    if status == "stopped":
        session.notify(how_to_resume(directory.path))
        if not handed_over:
            raise KeyboardInterrupt


def how_to_resume(path: Path) -> str:
    """What a user types to go on with a run."""
    return f"resume with: ffnn train --resume {shlex.quote(str(path))}"


def _callbacks(session: Session, tracker: Tracker, best: Best) -> list[Callback]:
    config, directory = session.config, session.directory
    callbacks: list[Callback] = [best]
    if isinstance(session.parts.train, AugmentedBatches):
        callbacks.append(AugmentationCost(session.parts.train))
    if config.patience:
        callbacks.append(EarlyStopping(config.patience, config.patience_monitor, config.min_delta))
    saving = SaveCheckpoints(
        directory.checkpoints,
        best,
        {"config": config.resolved()},
        every=config.checkpoint_every,
        before=directory.flush_history,
    )
    shown = session.progress or (ProgressBar() if sys.stderr.isatty() else PlainProgress())
    callbacks += [Recorder(directory, tracker, best, config.histogram_every), saving, shown]
    if session.progress is None:  # the runs of an experiment are looked at together, when all are done
        callbacks.append(Watch(config.resolved(), session.parts.dataset.class_names, session.notify))
    return callbacks


def _close(directory: RunDirectory, tracker: Tracker, summary: dict[str, Any], interruption: Interruption) -> None:
    """Write the summary and let the tracker finish, or leave it where a second signal says so."""
    before = tracker.delivery
    try:
        with suppress(StorageError) if summary["status"] == "failed" else nullcontext():
            directory.write_summary(summary | (before.entries() if before else {}))
        if interruption.received > 1:
            tracker.abandon()
        else:
            hurry = int(summary.get("stack", 1)) if interruption.terminated else 0
            tracker.finish(summary, summary["status"], hurry)
    except KeyboardInterrupt:
        tracker.abandon()
    delivery = tracker.delivery
    if delivery != before:
        with suppress(StorageError):  # what it says already is worse than what came of it
            directory.write_summary(summary | (delivery.entries() if delivery else {}))


@contextmanager
def patiently(notify: Notify) -> Iterator[None]:
    """Say, while it takes long, that kernels are being compiled and not merely loaded."""
    patience = Timer(
        LOADING_SECONDS, notify, ["compiling for this machine; later runs find it on disk, where that can be written"]
    )
    patience.start()
    try:
        yield
    finally:
        patience.cancel()


def _test(parts: Parts, tracker: Tracker) -> Evaluation:
    """Measure the best weights on the test part and tell the tracker.

    Nothing is drawn: a picture took longer than a short run trains. `ffnn report` draws, for those who look.
    """
    dataset = parts.dataset
    evaluation = evaluate(parts.objective, parts.test.epoch(), dataset.class_names)
    predicted = evaluation.probabilities.argmax(axis=1)
    wrong = [
        WrongImage(
            index=int(parts.split.test[row]),
            image=dataset.image(int(parts.split.test[row])),
            label=int(evaluation.labels[row]),
            predicted=int(predicted[row]),
            confidence=float(np.clip(evaluation.probabilities[row, predicted[row]], 0, 1)),
        )
        for row in evaluation.confidently_wrong()
    ]
    tracker.log_evaluation(EvaluationReport(evaluation.confusion, dataset.class_names, evaluation.per_class, wrong))
    return evaluation


def _tracker(config: Config, directory: RunDirectory, parts: Parts, notify: Notify) -> Tracker:
    tags = [*config.tags, name_of(config.dataset), name_of(config.optimizer), config.framework, f"seed{config.seed}"]
    settings = WandbSettings(
        mode=config.wandb,
        project=config.project,
        entity=config.entity,
        group=config.group,
        job_type=config.job_type,
        tags=tuple(dict.fromkeys(tags)),
        notes=config.notes or None,
    )
    data = describe_data(parts)
    reference = DatasetReference(data["name"], data["digest"], data["counts"])
    return WandbTracker(directory, config.resolved(), settings, reference, notify, files_by_name(config.framework))
