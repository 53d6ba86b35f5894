"""Callbacks that every run may want: keep the best weights, stop early, save, print progress.

Each reads the epoch's record and nothing else of the loop.
"""

import math
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffnn.data.augmented import AugmentedBatches
from ffnn.errors import FFNNError, nearest
from ffnn.training.checkpoints import Checkpoint
from ffnn.training.trainer import Callback, Record, Trainer

AUGMENTING, WAITING = "time/augment_us_per_image", "time/augment_wait_fraction"
"""What preparing augmented batches cost: their thread an image, and of training's time the share spent waiting."""


class Best(Callback):
    """Remembers the weights of the best epoch, and gives them back to the network at the end.

    Parameters
    ----------
    monitor : str, default "val/accuracy"
        A name of the record. Losses are better when smaller, everything else when larger; of equal
        epochs the first one counts.

    Attributes
    ----------
    record : Record or None
        The best epoch's.
    """

    def __init__(self, monitor: str = "val/accuracy") -> None:
        self.monitor = monitor
        self.record: Record | None = None
        self._sign = -1.0 if "loss" in monitor else 1.0
        self._state: dict[str, NDArray[Any]] = {}

    @property
    def score(self) -> float:
        """The monitored value of the best epoch; NaN before there is one."""
        return self.record[self.monitor] if self.record else math.nan

    def improves(self, record: Record, by: float = 0.0) -> bool:
        """Whether an epoch beats the best so far by more than `by`."""
        value = monitored(record, self.monitor)
        if not math.isfinite(value):
            return False
        return self.record is None or self._sign * (value - self.score) > by

    def on_epoch(self, trainer: Trainer, record: Record) -> None:
        if self.improves(record):
            self.record = record
            with trainer.plan.average.in_place() if trainer.plan.average else nullcontext():
                self._state = trainer.objective.network.state_dict()

    def on_end(self, trainer: Trainer) -> None:
        if self._state:
            trainer.objective.network.load_state_dict(self._state)


class EarlyStopping(Callback):
    """Stops when the monitored value has not improved for `patience` epochs.

    Parameters
    ----------
    patience : int >= 1
    monitor : str, default "val/loss"
    min_delta : float in [0, inf)
        What counts as an improvement: more than this.
    """

    def __init__(self, patience: int, monitor: str = "val/loss", min_delta: float = 0.0) -> None:
        self.patience, self.min_delta = patience, min_delta
        self._best = Best(monitor)
        self._waited = 0

    def on_epoch(self, trainer: Trainer, record: Record) -> None:
        if self._best.improves(record, self.min_delta):
            self._best.record = record
            self._waited = 0
            return
        self._waited += 1
        if self._waited >= self.patience:
            monitor = self._best.monitor
            trainer.stop(f"{monitor} has not improved by more than {self.min_delta:g} for {self.patience} epochs")


class SaveCheckpoints(Callback):
    """Writes `last.npz` after every epoch and `best.npz` whenever `best` has improved.

    With weight averaging `best` holds the average as the network's weights; `last` holds the raw
    weights, with the average beside them.

    Parameters
    ----------
    folder : Path
    best : Best
        Told before this callback.
    meta : dict
        Plain values stored along, such as the config.
    """

    def __init__(self, folder: Path, best: Best, meta: dict[str, Any]) -> None:
        self.folder, self.best, self.meta = folder, best, meta

    def on_epoch(self, trainer: Trainer, record: Record) -> None:
        average = trainer.plan.average
        engine = trainer.objective.network.engine
        extra = {"average": np.array(engine.host(average.values)), "steps": np.array(average.steps)} if average else {}
        meta = {**self.meta, "epoch": trainer.epoch, "step": trainer.step, "best_score": self.best.score}
        state = trainer.objective.network.state_dict()
        optimizer = trainer.optimizer.state_dict()
        Checkpoint(state, optimizer, extra, meta).save(self.folder / "last.npz")
        if self.best.record is record:
            with average.in_place() if average else nullcontext():
                state = trainer.objective.network.state_dict()
            Checkpoint(state, optimizer, {}, meta).save(self.folder / "best.npz")


class PlainProgress(Callback):
    """One line an epoch, for logs and pipes."""

    def on_epoch(self, trainer: Trainer, record: Record) -> None:
        print(f"epoch {trainer.epoch}/{trainer.plan.epochs}  {describe(record)}", flush=True)


class ProgressBar(Callback):
    """A live bar with the latest figures and the time left, for terminals.

    Parameters
    ----------
    transient : bool
        Whether the bar goes when training ends.
    """

    def __init__(self, transient: bool = False) -> None:
        self.transient = transient

    def on_start(self, trainer: Trainer) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._progress = Progress(
            TextColumn("epoch"),
            MofNCompleteColumn(),
            BarColumn(bar_width=12),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
            transient=self.transient,
        )
        self._task = self._progress.add_task("", total=trainer.plan.epochs, completed=trainer.epoch)
        self._progress.start()

    def on_epoch(self, trainer: Trainer, record: Record) -> None:
        self._progress.update(self._task, completed=trainer.epoch, description=describe(record, short=True))

    def on_end(self, trainer: Trainer) -> None:
        self._progress.stop()


def describe(record: Record, short: bool = False) -> str:
    """The figures of an epoch that a person follows; with `short`, those that fit beside a bar.

    Examples
    --------
    >>> describe({"train/loss": 0.5, "train/accuracy": 0.8, "val/loss": 0.6, "val/accuracy": 0.75})
    'train loss 0.5000 accuracy 80.00 %  val loss 0.6000 accuracy 75.00 %'
    """
    if short:
        return f"val loss {record['val/loss']:.4f}  accuracy {100 * record['val/accuracy']:.2f} %"
    return "  ".join(
        f"{part} loss {record[f'{part}/loss']:.4f} accuracy {100 * record[f'{part}/accuracy']:.2f} %"
        for part in ("train", "val")
    )


def monitored(record: Record, name: str) -> float:
    """A value of the record, or FFNNError with the nearest name."""
    if name not in record:
        raise FFNNError(f"monitor: an epoch's record has no {name!r}{nearest(name, record)}")
    return record[name]


class AugmentationCost(Callback):
    """Adds to the record what augmented batches cost."""

    def __init__(self, batches: AugmentedBatches) -> None:
        self.batches = batches

    def on_epoch(self, trainer: Trainer, record: Record) -> None:
        record[AUGMENTING] = 1e6 * self.batches.preparing.seconds / self.batches.size
        record[WAITING] = self.batches.waiting.seconds / record["time/train_seconds"]
