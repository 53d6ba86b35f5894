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
from ffnn.nn.optimizers import Optimizer
from ffnn.nn.schedules import Clock
from ffnn.training.diagnostics import Diagnostics, first_non_finite
from ffnn.training.history import History, Record
from ffnn.training.metrics import RunningMeans, loss_and_accuracy
from ffnn.training.step import Numbers, Plan, numbers_of, take_step

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

    Parameters
    ----------
    objective : Objective
    optimizer : Optimizer
        Connected to the network's parameters here.
    train, val : Batches
    plan : Plan
    callbacks : sequence of Callback

    Raises
    ------
    FFNNError
        Where batches do not fit the network: their engine, their features, or a label that is no output.

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
    place : int
        Steps done of the epoch under way.
    means : RunningMeans
        Over the steps of this epoch.
    interrupted : bool
        Whether somebody wants training to end.
    whole : bool
        Whether the state is that between two steps, so that training can go on from it to the bit.
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
        self.whole = True
        self.place, self.interrupted = 0, False
        self._start = self._earlier_seconds = self._trained = 0.0
        self._begun = False
        self._observers: list[Callback] = []
        self.means = RunningMeans(objective.network.engine)
        self._diagnostics = Diagnostics(objective.network, _first_inputs(val))

    def rehearse(self) -> float:
        """Take one step, look at it and take it back, so that kernels are compiled or loaded before any clock runs.

        Returns
        -------
        float
            Seconds it took.
        """
        start = time.perf_counter()
        network, average = self.objective.network, self.plan.average
        before, slots = network.state_dict(), self.optimizer.state_dict()
        averaged = network.engine.array(network.engine.host(average.values)) if average else None
        inputs, labels = next(self.train.epoch())
        with network.engine.quiet(), suppress(DivergedError):
            self.take_step(inputs, labels, observed=True)
            self._diagnostics.measure()
            loss_and_accuracy(self.objective, islice(self.val.epoch(), 1))
        network.load_state_dict(before)
        self.optimizer.load_state_dict(slots)
        if average:
            average.values[...] = averaged
            average.steps = 0
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
        self._observers = [known for known in self.callbacks if known.watches_steps]
        for callback in self.callbacks:
            callback.on_start(self)
        try:
            yield
            if self.status == "running":
                self._conclude()
        except DivergedError as problem:
            self.status, self.reason = "diverged", str(problem)
        except InterruptedTrainingError:
            self._stopped()
            self.whole = True
        except KeyboardInterrupt:
            self._stopped()
            self.whole = False
        finally:
            for callback in reversed(self.callbacks):
                callback.on_end(self)

    @property
    def goes_on(self) -> bool:
        """Whether another epoch is to be trained."""
        return self.status == "running" and self.epoch < self.plan.epochs and not self.interrupted

    @property
    def observed_steps(self) -> bool:
        """Whether somebody wants to be told of every step."""
        return bool(self._observers)

    def _conclude(self) -> None:
        if self.epoch < self.plan.epochs:
            self._stopped()
        else:
            self.status = "finished"

    def interrupt(self) -> None:
        """End training as "stopped" after this step, with a whole state; a signal's handler may call it."""
        self.interrupted = True

    def state_dict(self) -> dict[str, Any]:
        """Where training is, as plain values; what network, optimizer, average and callbacks hold is theirs."""
        return {
            "epoch": self.epoch,
            "step": self.step,
            "place": self.place,
            "means": self.means.state_dict(),
            "seconds": self._seconds() if self.place else 0.0,
            "ended": self.reason if self.status == "finished" else "",
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave; `fit` then goes on from there."""
        self.epoch, self.step, self.place = state["epoch"], state["step"], state["place"]
        self.means.load_state_dict(state["means"])
        self._earlier_seconds = state["seconds"]
        if state["ended"]:
            self.stop(state["ended"])

    def _stopped(self) -> None:
        where = f"in epoch {self.epoch + 1}" if self.place else f"after epoch {self.epoch}"
        self.status, self.reason = "stopped", f"interrupted {where}, after step {self.step}"

    def _seconds(self) -> float:
        """How long this epoch has taken so far, in this process and in those before it."""
        return self._earlier_seconds + time.perf_counter() - self._start

    def stop(self, reason: str) -> None:
        """End training after this epoch; for callbacks."""
        self.status, self.reason = "finished", reason

    def take_step(self, inputs: Array, labels: Array, observed: bool = False) -> float:
        """One update from one batch: schedule, loss, gradients, clips, optimizer, average.

        Parameters
        ----------
        inputs, labels : arrays of the engine
            As `Batches.epoch` gives them.
        observed : bool, default False
            Let the diagnostics look at it.

        Returns
        -------
        float
            The batch's loss before the step.

        Raises
        ------
        DivergedError
            If the loss is not finite; nothing was moved then.
        """
        objective = self.objective
        objective.check(inputs, labels)
        take_step(
            objective, self.optimizer, self.plan, (inputs, labels), self.numbers(len(labels)),
            partial(self._look_at_loss, inputs, labels), self._diagnostics.observe if observed else None,
        )  # fmt: skip
        self._count(1)
        self.means.add(objective.loss.total, objective.loss.divisor, objective.outputs, labels)
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

    def _count(self, steps: int) -> None:
        self.step += steps
        self.optimizer.steps += steps
        if self.plan.average:
            self.plan.average.steps += steps

    def train_epoch(self, observed: bool = False) -> float:
        """Take a step on every training batch that is left: an epoch without validation and record.

        Parameters
        ----------
        observed : bool, default False
            Let the diagnostics look at the last step.

        Returns
        -------
        float
            The mean loss of all rows, each before its step.

        Raises
        ------
        DivergedError
        """
        self.begin_epoch()
        with self.objective.network.engine.quiet():
            steps = len(self.train)
            for inputs, labels in self.train.epoch(self.epoch, self.place):
                self.take_step(inputs, labels, observed and self.place == steps - 1)
                self.place += 1
                if self.place < steps:
                    for observer in self._observers:
                        observer.on_step(self)
                    if self.interrupted:
                        raise InterruptedTrainingError
            if not math.isfinite(self.objective.network.engine.norm(self.objective.network.parameters.values)):
                raise DivergedError(f"step {self.step}, epoch {self.epoch + 1}: {self._origin(inputs)}")
        self._trained = self._seconds()
        self.epoch += 1
        self.place, self._begun = 0, False
        return self.means.loss

    def begin_epoch(self) -> None:
        """Start an epoch's clock and sums, or go on with those of the epoch under way; more than once does no harm."""
        if self._begun:
            return
        self._begun, self.whole = True, False
        self._start = time.perf_counter()
        if not self.place:
            self.means.reset()

    def catch_up(self, steps: int, loss: float, weight: float, hits: float) -> None:
        """Take so many steps of this epoch as done elsewhere: losses, weights and hits are the epoch's sums after them.

        What the steps have made of network states, slots and averages has been copied here already.
        """
        for layer in self.objective.network.layers.values():
            layer.skip(steps)
        self._count(steps)
        self.place += steps
        self.means.load_state_dict([self.place * self.train.batch_size, loss, weight, hits])

    def finish_epoch(self) -> None:
        """Validate after `train_epoch`, and tell callbacks."""
        with self.objective.network.engine.quiet():
            record = self._measure()
        self.history.append(record)
        self.whole = True
        for callback in self.callbacks:
            callback.on_epoch(self, record)

    def _measure(self) -> Record:
        with self.plan.average.in_place() if self.plan.average else nullcontext():
            val_loss, val_accuracy = loss_and_accuracy(self.objective, self.val.epoch())
        if not math.isfinite(val_loss):
            raise DivergedError(f"the validation loss is {val_loss} after step {self.step}, epoch {self.epoch}")
        record = {
            "epoch": self.epoch,
            "step": self.step,
            "learning_rate": self.rate_of(self.step - 1),
            "train/loss": self.means.loss,
            "train/accuracy": self.means.accuracy,
            "train/l2_penalty": self.objective.penalty_value(self.train.batch_size),
            "val/loss": val_loss,
            "val/accuracy": val_accuracy,
            **self._diagnostics.measure(),
            "time/train_seconds": self._trained,
            "time/epoch_seconds": self._seconds(),
            "time/examples_per_second": self.means.rows / self._trained,
        }
        self._earlier_seconds = 0.0
        return record

    def _origin(self, inputs: Array) -> str:
        return f"it began in {first_non_finite(self.objective.network, inputs)}"


def _check_fit(batches: Batches, network: Network) -> None:
    """Once for all batches: a device cannot complain of a label, and a stack's step is looked at by nobody."""
    features, engine = batches.pool.features, batches.engine
    if features != network.input_size or engine.dtype != network.engine.dtype:
        expected = f"batches of {network.input_size} features in {network.engine.dtype.name}, as the network takes"
        raise FFNNError(f"expected {expected}; received {features} in {engine.dtype.name}")
    check_classes(batches.labels, network.output_size)


def _first_inputs(batches: Batches) -> Array:
    """The first batch's inputs, as an array of their own."""
    inputs, _ = next(iter(batches.epoch()))
    engine = batches.engine
    return engine.array(engine.host(inputs[:512]))
