"""The training loop: what happens in a step and in an epoch, and who is told.

Everything that is not the loop (stopping, saving, printing, sending) is a callback.
"""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from itertools import islice
from typing import Any, ClassVar

from ffnn.backend.engine import Array
from ffnn.backend.fit import check_classes
from ffnn.data.batches import Batches
from ffnn.errors import FFNNError
from ffnn.nn.network import Network, Objective
from ffnn.nn.optimizer import Optimizer
from ffnn.nn.schedules import Clock
from ffnn.training.diagnostics import Diagnostics, first_non_finite
from ffnn.training.epoch import Epoch
from ffnn.training.history import History, Record
from ffnn.training.metrics import loss_and_accuracy
from ffnn.training.step import Numbers, Plan, numbers_of, take_step, taken_back

__all__ = ["Callback", "DivergedError", "Plan", "Record", "Trainer"]


class DivergedError(FFNNError):
    """The loss is no longer finite; the message says at which step and in which layer it began."""


class InterruptedTrainingError(Exception):
    """Leaves an epoch between two steps."""


class Callback:
    """Told what happens during training; every method may be left as it is.

    `on_epoch` may add to the record; callbacks are told in their order, so one that measures comes
    before one that writes. They end in the reverse order: the writer sees what the measuring one then clears away.

    The learning rate of an epoch's last step is `record["learning_rate"]`, that of any step `trainer.rate_of(step)`;
    `trainer.optimizer.learning_rate` is the base that a schedule starts from.
    """

    def on_start(self, trainer: "Trainer") -> None:
        """Before the first step."""

    @property
    def watches_steps(self) -> bool:
        """Whether `on_step` is to be called: steps that nobody watches may be taken many at a time."""
        return type(self).on_step is not Callback.on_step

    def on_step(self, trainer: "Trainer") -> None:
        """After each step but the last of an epoch, after which `on_epoch` comes."""

    def on_epoch(self, trainer: "Trainer", record: Record) -> None:
        """After each epoch's validation."""

    def on_end(self, trainer: "Trainer") -> None:
        """When training is over, whichever way (`trainer.status`)."""

    def state_dict(self) -> dict[str, Any]:
        """What it must remember to go on in another process: plain values that JSON has."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave."""


class Trainer:
    """Trains a network on mini-batches.

    FFNNError where batches do not fit the network: their engine, their features, or a label that is no output.

    Parameters
    ----------
    objective : Objective
    optimizer : Optimizer
        Connected to the network's parameters here.
    train, val : Batches
    plan : Plan
    callbacks : sequence of Callback

    Attributes
    ----------
    history : History
        One record an epoch.
    status : str
        "running", then "finished" (also when a callback ends it), "stopped" (by hand) or "diverged".
    reason : str
        Why it ended early, in words.
    step, epoch : int
        Updates and epochs done.
    current : Epoch
        The epoch under way.
    interrupted : bool
        Whether somebody wants training to end.
    can_resume : bool
        Whether a trainer of this class holds all of its state itself.
    """

    can_resume: ClassVar[bool] = True

    def __init__(
        self,
        objective: Objective,
        optimizer: Optimizer,
        train: Batches,
        val: Batches,
        plan: Plan,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        for batches in (train, val):
            _check_fit(batches, objective.network)
        self.objective, self.optimizer, self.plan = objective, optimizer, plan
        self.train, self.val, self.callbacks = train, val, callbacks
        optimizer.connect(objective.network.parameters)
        self.clock = Clock(len(train), plan.epochs)
        self.base_learning_rate = optimizer.learning_rate
        plan.schedule.check(self.base_learning_rate)
        self.history = History()
        self.status, self.reason = "running", ""
        self.step = self.epoch = 0
        self.current = Epoch(objective.network.engine)
        self.interrupted = False
        self._observers: list[Callback] = []
        probe, _ = next(iter(val.epoch()))
        self._diagnostics = Diagnostics(objective.network, val.engine.array(val.engine.host(probe[:512])))

    def rehearse(self) -> float:
        """Take one step, look at it and take it back, so that kernels are compiled or loaded before any clock runs.

        Returns the seconds it took.
        """
        start = time.perf_counter()
        engine = self.objective.network.engine
        with taken_back(self.objective, self.optimizer, self.plan), engine.quiet(), suppress(DivergedError):
            self.take_step(*next(self.train.epoch()), observed=True)
            self._diagnostics.measure()
            loss_and_accuracy(self.objective, islice(self.val.epoch(), 1))
        self.step = 0
        return time.perf_counter() - start

    def fit(self) -> History:
        """Train until the plan's epochs are over, a callback calls `stop`, the loss diverges or it is interrupted."""
        with self.course():
            while self.goes_on:
                self.train_epoch(observed=True)
                self.finish_epoch()
        return self.history

    @contextmanager
    def course(self) -> Iterator[None]:
        """Within it somebody trains epochs and finishes them as `fit` does; it tells callbacks, and how all ended."""
        self._observers = [callback for callback in self.callbacks if callback.watches_steps]
        for callback in self.callbacks:
            callback.on_start(self)
        try:
            yield
            if self.status == "running" and self.epoch < self.plan.epochs:
                self._stopped()
            elif self.status == "running":
                self.status = "finished"
        except DivergedError as problem:
            self.status, self.reason = "diverged", str(problem)
        except InterruptedTrainingError:
            self._stopped()
            self.current.whole = True
        except KeyboardInterrupt:
            self._stopped()
            self.current.whole = False
        finally:
            for callback in reversed(self.callbacks):
                callback.on_end(self)

    @property
    def goes_on(self) -> bool:
        """Whether another epoch is to be trained."""
        return self.status == "running" and self.epoch < self.plan.epochs and not self.interrupted

    def interrupt(self) -> None:
        """End training as "stopped" after this step, with a whole state; a signal's handler may call it."""
        self.interrupted = True

    def _stopped(self) -> None:
        where = f"in epoch {self.epoch + 1}" if self.current.place else f"after epoch {self.epoch}"
        self.status, self.reason = "stopped", f"interrupted {where}, after step {self.step}"

    def stop(self, reason: str) -> None:
        """End training after this epoch; for callbacks."""
        self.status, self.reason = "finished", reason

    def take_step(self, inputs: Array, labels: Array, observed: bool = False) -> float:
        """One update from one batch, as `Batches.epoch` gives it; returns the batch's loss before the step.

        With `observed`, diagnostics look at it. DivergedError if the loss is not finite; nothing was moved then.
        """
        objective = self.objective
        objective.check(inputs, labels)
        take_step(
            objective, self.optimizer, self.plan, (inputs, labels), self.numbers(len(labels)),
            partial(self._look_at_loss, inputs, labels), self._diagnostics.observe if observed else None,
        )  # fmt: skip
        self.count(1)
        self.current.means.add(objective.loss.total, objective.loss.divisor, objective.outputs, labels)
        return self._loss

    def numbers(self, batch_size: int, ahead: int = 0) -> Numbers:
        """The numbers of the next step, or of one that comes `ahead` steps later, on a batch of so many rows."""
        rate = self.rate_of(self.step + ahead)
        return numbers_of(self.objective, self.optimizer, self.plan, batch_size, rate, ahead)

    def rate_of(self, step: int) -> float:
        """The learning rate after so many steps."""
        return self.plan.schedule.at(step, self.base_learning_rate, self.clock)

    def _look_at_loss(self, inputs: Array, labels: Array) -> None:
        self._loss = self.objective.loss.read(labels)
        if not math.isfinite(self._loss):
            where = f"step {self.step + 1}, epoch {self.epoch + 1}"
            raise DivergedError(f"the loss is {self._loss} at {where}: {self._origin(inputs)}")

    def count(self, steps: int) -> None:
        """So many steps are done, here or elsewhere."""
        self.step += steps
        self.optimizer.steps += steps
        if self.plan.average:
            self.plan.average.steps += steps

    def train_epoch(self, observed: bool = False) -> float:
        """Take a step on every training batch that is left: an epoch without validation and record.

        With `observed`, diagnostics look at the last step. Returns the mean loss of all rows, each before its step;
        DivergedError if it, or a weight after it, is not finite.
        """
        current, network, steps = self.current, self.objective.network, len(self.train)
        current.begin()
        with network.engine.quiet():
            for inputs, labels in self.train.epoch(self.epoch, current.place):
                self.take_step(inputs, labels, observed and current.place == steps - 1)
                current.place += 1
                if current.place < steps:
                    for observer in self._observers:
                        observer.on_step(self)
                    if self.interrupted:
                        raise InterruptedTrainingError
            if not math.isfinite(network.engine.norm(network.parameters.values)):
                inputs, _ = next(iter(self.train.epoch(self.epoch, steps - 1)))
                raise DivergedError(f"step {self.step}, epoch {self.epoch + 1}: {self._origin(inputs)}")
        current.end()
        self.epoch += 1
        return current.means.loss

    def finish_epoch(self) -> None:
        """Validate after `train_epoch`, and tell callbacks."""
        with self.objective.network.engine.quiet():
            record = self._measure()
        self.history.append(record)
        self.current.whole = True
        for callback in self.callbacks:
            callback.on_epoch(self, record)

    def _measure(self) -> Record:
        with self.plan.average.in_place() if self.plan.average else nullcontext():
            val_loss, val_accuracy = loss_and_accuracy(self.objective, self.val.epoch())
        if not math.isfinite(val_loss):
            raise DivergedError(f"the validation loss is {val_loss} after step {self.step}, epoch {self.epoch}")
        current = self.current
        return {
            "epoch": self.epoch,
            "step": self.step,
            "learning_rate": self.rate_of(self.step - 1),
            "train/loss": current.means.loss,
            "train/accuracy": current.means.accuracy,
            "train/l2_penalty": self.objective.penalty_value(self.train.batch_size),
            "val/loss": val_loss,
            "val/accuracy": val_accuracy,
            **self._diagnostics.measure(),
            "time/train_seconds": current.train_seconds,
            "time/epoch_seconds": current.seconds,
            "time/examples_per_second": current.means.rows / current.train_seconds,
        }

    def _origin(self, inputs: Array) -> str:
        return f"it began in {first_non_finite(self.objective.network, inputs)}"


def _check_fit(batches: Batches, network: Network) -> None:
    """Once for all batches: a device cannot complain of a label, and a stack's step is looked at by nobody."""
    features, engine = batches.pool.features, batches.engine
    if features != network.input_size or engine.dtype != network.engine.dtype:
        expected = f"batches of {network.input_size} features in {network.engine.dtype.name}, as the network takes"
        raise FFNNError(f"expected {expected}; received {features} in {engine.dtype.name}")
    check_classes(batches.labels, network.output_size)
