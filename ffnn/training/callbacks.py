"""Callbacks that every run may want: keep the best weights, stop early, save, print progress.

Each reads the epoch's record and nothing else of the loop.
"""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ffnn.data.augmented import AugmentedBatches
from ffnn.errors import FFNNError, nearest
from ffnn.files import same_file
from ffnn.terminal import say
from ffnn.training.checkpoints import Checkpoint, capture
from ffnn.training.trainer import Callback, Record, Trainer

LAST, PREVIOUS, BEST = "last.npz", "previous.npz", "best.npz"
AUGMENTING, WAITING = "time/augment_us_per_image", "time/augment_wait_fraction"
"""What preparing augmented batches cost: their thread an image, and of training's time the share spent waiting."""


class Best(Callback):
    """Remembers the weights of the best epoch, and gives them back to the network at the end.

    `monitor` is a name of the record. Losses are better when smaller, everything else when larger. Of epochs with the
    same accuracy the one with the lower loss of the same part is better; of equal ones the first counts. `record` is
    the best epoch's; `weights` are the network's state after it, that of the average, where there is one.
    """

    def __init__(self, monitor: str = "val/accuracy") -> None:
        self.monitor = monitor
        self.record: Record | None = None
        self._sign = -1.0 if "loss" in monitor else 1.0
        self.weights: dict[str, NDArray[Any]] = {}

    @property
    def score(self) -> float:
        """The monitored value of the best epoch; NaN before there is one."""
        return self.record[self.monitor] if self.record else math.nan

    def improves(self, record: Record, by: float = 0.0) -> bool:
        """Whether an epoch beats the best so far by more than `by`; where `by` is 0, also by its loss alone."""
        value = monitored(record, self.monitor)
        if not math.isfinite(value):
            return False
        if self.record is None or self._sign * (value - self.score) > by:
            return True
        # Some hundred images have few accuracies: many epochs share one, and the first of them knows least.
        loss = f"{self.monitor.partition('/')[0]}/loss"
        tied = not by and value == self.score and loss in record and loss in self.record
        return tied and record[loss] < self.record[loss]

    def on_epoch(self, trainer: Trainer, record: Record) -> None:
        if self.improves(record):
            self.record = record
            self.keep_weights(trainer)

    def keep_weights(self, trainer: Trainer) -> None:
        """Take the present weights as those of the best epoch."""
        with trainer.plan.average.in_place() if trainer.plan.average else nullcontext():
            self.weights = trainer.objective.network.state_dict()

    def on_end(self, trainer: Trainer) -> None:
        if self.weights:
            trainer.objective.network.load_state_dict(self.weights)

    def state_dict(self) -> dict[str, Any]:
        if self.record is None:
            return {}
        record = {name: value if isinstance(value, int) else float(value) for name, value in self.record.items()}
        return {"monitor": self.monitor, "record": record}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        monitor = state.get("monitor", self.monitor)  # an older ffnn did not store it
        if monitor != self.monitor:
            raise FFNNError(
                f"a callback that watches {self.monitor} is where one watched {monitor}: give the callbacks in the "
                "order that they had"
            )
        self.record = state["record"]


class EarlyStopping(Callback):
    """Stops when the monitored value has not improved for `patience` epochs.

    Parameters
    ----------
    patience : int >= 1
    monitor : str, default "val/loss"
    min_delta : float in [0, inf)
        What counts as an improvement: more than this; with 0 every epoch that `Best` would take, so also the same
        accuracy with a lower loss.
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

    def state_dict(self) -> dict[str, Any]:
        return {"waited": self._waited, "best": self._best.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._waited = state["waited"]
        if state["best"]:
            self._best.load_state_dict(state["best"])


class SaveCheckpoints(Callback):
    """Writes `last.npz` as training goes on, and with it `best.npz` when `best` has improved.

    `last` holds all that training needs to go on to the bit, the best weights included, and the one before it stays as
    `previous.npz` until training is over. With weight averaging `best` holds the average as the network's weights;
    `last` holds the raw weights, with the average beside them.

    `best` is told before this callback; `meta` are plain values stored along, such as the config. There are `every`
    steps between checkpoints within an epoch; 0: after epochs only. An epoch that ends sooner than `pause` seconds
    after the last checkpoint leaves none: writing 15 ms a second costs little, and a killed run repeats no more than
    that. `before` is called before each: what it refers to must be on the disk first.
    """

    def __init__(
        self,
        folder: Path,
        best: Best,
        meta: dict[str, Any],
        every: int = 0,
        pause: float = 1.0,
        before: Callable[[], None] | None = None,
    ) -> None:
        self.folder, self.best, self.meta = folder, best, meta
        self.every, self.pause, self.before = every, pause, before
        self.last, self.previous = folder / LAST, folder / PREVIOUS
        self._saved_at, self._saved_step, self._best_epoch = time.monotonic(), -1, 0.0

    def on_start(self, trainer: Trainer) -> None:
        self._saved_at = time.monotonic()

    @property
    def watches_steps(self) -> bool:
        return self.every > 0

    def on_step(self, trainer: Trainer) -> None:
        if trainer.step % self.every == 0 and trainer.can_resume:
            self._save(trainer, trainer.epoch + 1)

    def on_epoch(self, trainer: Trainer, record: Record) -> None:
        if time.monotonic() - self._saved_at >= self.pause:
            self._save(trainer, trainer.epoch)

    def on_end(self, trainer: Trainer) -> None:
        between_epochs = trainer.step == trainer.epoch * len(trainer.train)
        if (
            trainer.status in ("finished", "stopped")
            and trainer.current.whole
            and (trainer.can_resume or between_epochs)
        ):
            if trainer.step != self._saved_step:
                self._save(trainer, trainer.epoch + (not between_epochs))
        elif trainer.status == "diverged":
            self._save_best(trainer, of_last=False)
        if trainer.status in ("finished", "diverged"):
            self.previous.unlink(missing_ok=True)

    def _save(self, trainer: Trainer, epoch: int) -> None:
        """Write `last`, in epoch number `epoch`, and `best` if it is another one than is there."""
        is_best = trainer.epoch == epoch and self.best.record is not None and self.best.record["epoch"] == epoch
        meta = {**self.meta, "best_score": self.best.score}
        checkpoint = capture(trainer, {} if is_best else self.best.weights, meta)
        if self.before:
            self.before()
        if self.last.exists():
            same_file(self.last, self.previous)
        checkpoint.save(self.last)
        self._saved_at, self._saved_step = time.monotonic(), trainer.step
        self._save_best(trainer, of_last=is_best and trainer.plan.average is None)

    def _save_best(self, trainer: Trainer, of_last: bool) -> None:
        record = self.best.record
        if record is None or record["epoch"] == self._best_epoch:
            return
        if of_last:
            same_file(self.last, self.folder / BEST)
        else:
            meta = {**self.meta, "epoch": record["epoch"], "step": record["step"], "best_score": self.best.score}
            Checkpoint(self.best.weights, {}, {}, meta).save(self.folder / BEST)
        self._best_epoch = record["epoch"]


class PlainProgress(Callback):
    """One line an epoch, for logs and pipes."""

    def on_epoch(self, trainer: Trainer, record: Record) -> None:
        say(f"epoch {trainer.epoch}/{trainer.plan.epochs}  {describe(record)}")


class ProgressBar(Callback):
    """A live bar with the latest figures and the time left, for terminals; if `transient`, it goes at the end."""

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
        if f"{part}/loss" in record
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
