"""One run from its config to a finished run directory.

Data and network are built before the directory is made, so a wrong setting leaves nothing behind.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Timer
from typing import Any

import numpy as np

from ffnn.backend import resolve_engine
from ffnn.backend.threads import limited_threads, suitable_threads, thread_warning, usable_cores
from ffnn.data.augmented import AugmentedBatches
from ffnn.lab.build import Parts, build
from ffnn.lab.config import Config, make_config, name_of
from ffnn.lab.summary import describe_data, describe_start, summarize
from ffnn.tracking import (
    DatasetReference,
    EvaluationReport,
    RunDirectory,
    RunRecord,
    Tracker,
    WandbSettings,
    WandbTracker,
    WrongImage,
    describe_environment,
    read_run,
    speed_warning,
)
from ffnn.training.callbacks import (
    AugmentationCost,
    Best,
    EarlyStopping,
    PlainProgress,
    ProgressBar,
    SaveCheckpoints,
)
from ffnn.training.checkpoints import Checkpoint
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


def train(
    config: Config, notify: Notify | None = None, progress: Callback | None = None, max_threads: int | None = None
) -> RunRecord:
    """Train, test at the best epoch, and record everything.

    Parameters
    ----------
    config : Config
    notify : callable, optional
        Takes lines for the user; by default they go to standard error.
    progress : Callback, optional
        Shows epochs; by default a bar on a terminal, a line an epoch elsewhere.
    max_threads : int, optional
        This run's share of the cores, where others run beside it; `config.threads` wins over it.

    Returns
    -------
    RunRecord
        The run directory, read back.
    """
    notify = notify or _to_stderr
    _, remark = resolve_engine(config.engine)
    for line in filter(None, (remark, speed_warning())):
        notify(line)
    start = time.perf_counter()
    parts = build(config)
    resolved = resolve(config, parts, max_threads or usable_cores())
    held_back = None if config.threads or max_threads else thread_warning(_largest_product(parts))
    if held_back:
        notify(held_back)
    with limited_threads(resolved.threads or 1):
        directory, summary = _train(resolved, parts, {"config_digest": config.digest()}, notify, progress)
    directory.write_summary({**summary, "time/total_seconds": time.perf_counter() - start})
    return read_run(directory.path)


def resolve(config: Config, parts: Parts, max_threads: int) -> Config:
    """The config with every choice made that was left to ffnn: engine, split, threads."""
    threads = min(max_threads, suitable_threads(_largest_product(parts)))
    choices = {
        "engine": resolve_engine(config.engine)[0],
        "split": ("official" if parts.dataset.official_test else "pooled") if config.split == "auto" else config.split,
        "threads": config.threads or threads,
    }
    return config.model_copy(update=choices)


def _largest_product(parts: Parts) -> float:
    """Floating-point operations of the largest matrix product of a step."""
    return parts.train.batch_size * max(layer.flops() for layer in parts.objective.network.layers.values())


def _train(
    config: Config, parts: Parts, own: dict[str, Any], notify: Notify, progress: Callback | None
) -> tuple[RunDirectory, dict[str, Any]]:
    """Train and test in a new run directory; `own` goes into its summary."""
    directory = RunDirectory.create(config.runs_dir, config.group, run_id(config))
    directory.write_config(config.resolved())
    directory.write_environment({**describe_environment(), "data": describe_data(parts)})
    directory.write_summary({"status": "running", **own})
    notify(describe_start(config, parts, directory.path))
    tracker = _tracker(config, directory, parts, notify)
    best = Best(config.monitor)
    callbacks: list[Callback] = [best]
    if isinstance(parts.train, AugmentedBatches):
        callbacks.append(AugmentationCost(parts.train))
    if config.patience:
        callbacks.append(EarlyStopping(config.patience, config.patience_monitor, config.min_delta))
    callbacks += [
        Recorder(directory, tracker, best, config.histogram_every),
        SaveCheckpoints(directory.checkpoints, best, {"config": config.resolved()}),
        progress or (ProgressBar() if sys.stderr.isatty() else PlainProgress()),
    ]
    trainer = Trainer(parts.objective, parts.optimizer, parts.train, parts.val, parts.plan, callbacks)
    tracker.start()
    seconds, evaluation, failed = 0.0, None, True
    try:
        seconds = _rehearse(trainer, notify)
        trainer.fit()
        if trainer.reason:
            notify(f"{trainer.status}: {trainer.reason}")
        evaluation = _test(parts, directory, tracker) if best.record else None
        failed = False
    except KeyboardInterrupt:
        trainer.status, failed = "stopped", False
    finally:
        status = "failed" if failed else trainer.status
        summary = {**summarize(trainer, best, evaluation), "status": status, **own, "time/compile_seconds": seconds}
        directory.write_summary(summary)
        tracker.finish(summary, status)
    return directory, summary


def _rehearse(trainer: Trainer, notify: Notify) -> float:
    """Have the kernels compiled or loaded, and say so while it takes long; returns the seconds."""
    patience = Timer(LOADING_SECONDS, notify, ["compiling for this machine, once: later runs find it on disk"])
    patience.start()
    try:
        return trainer.rehearse()
    finally:
        patience.cancel()


def run_id(config: Config) -> str:
    """A name that sorts by kind and time, such as "digits-adam-s0-20261121-101500"."""
    label = config.name or f"{name_of(config.dataset)}-{name_of(config.optimizer)}"
    return f"{label}-s{config.seed}-{time.strftime('%Y%m%d-%H%M%S')}"


def _test(parts: Parts, directory: RunDirectory, tracker: Tracker) -> Evaluation:
    """Measure the best weights on the test part, draw the confusion matrix and tell the tracker."""
    from ffnn.report.figures import draw_confusion

    dataset = parts.dataset
    evaluation = evaluate(parts.objective, parts.test.epoch(), dataset.class_names)
    png = directory.figures / "confusion.png"
    draw_confusion(evaluation.confusion, dataset.class_names, png)
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
    report = EvaluationReport(evaluation.confusion, dataset.class_names, evaluation.per_class, wrong, png)
    tracker.log_evaluation(report)
    return evaluation


def _tracker(config: Config, directory: RunDirectory, parts: Parts, notify: Notify) -> Tracker:
    tags = [*config.tags, name_of(config.dataset), name_of(config.optimizer), f"seed{config.seed}"]
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
    return WandbTracker(directory, config.resolved(), settings, reference, notify)


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def load_run(path: Path, checkpoint: str = "best", notify: Notify = _to_stderr) -> tuple[RunRecord, Parts]:
    """A finished run's network with the weights of a checkpoint, and its data.

    With weight averaging these are the averaged weights, which validation used.

    Parameters
    ----------
    path : Path
        The run directory.
    checkpoint : str
        "best" or "last".
    notify : callable
        Told if the data are no longer those of the run.
    """
    record = read_run(path)
    parts = build(make_config(record.config))
    saved = Checkpoint.load(path / "checkpoints" / f"{checkpoint}.npz")
    network = parts.objective.network
    network.load_state_dict(saved.network)
    if "average" in saved.extra:
        network.parameters.values[...] = network.engine.array(saved.extra["average"])
    data = record.environment.get("data", {})
    if (data.get("digest"), data.get("split_digest")) != (parts.dataset.digest, parts.split.digest):
        notify(f"{path}: the data here are not those that this run was trained and tested on")
    return record, parts
