"""The training loop: what happens in a step and in an epoch, and who is told.

Everything that is not the loop (stopping, saving, printing, sending) is a callback.
"""

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, ClassVar

from ffnn.backend.engine import Array
from ffnn.data.batches import Batches
from ffnn.errors import FFNNError
from ffnn.nn.averaging import WeightAverage
from ffnn.nn.clipping import Clip
from ffnn.nn.network import Objective
from ffnn.nn.optimizers import Optimizer
from ffnn.nn.schedules import SCHEDULES, Clock, Schedule
from ffnn.training.diagnostics import Diagnostics, first_non_finite
from ffnn.training.history import History, Record
from ffnn.training.metrics import RunningMeans, loss_and_accuracy

__all__ = ["Callback", "DivergedError", "Plan", "Record", "Trainer"]


class DivergedError(FFNNError):
    """The loss is no longer finite; the message says at which step and in which layer it began."""


class _InterruptedError(Exception):
    """Leaves an epoch between two steps."""


class Callback:
    """Told what happens during training; every method may be left as it is.

    `on_epoch` may add to the record; callbacks are told in their order, so one that measures comes
    before one that writes. They end in the reverse order: the writer sees what the measuring one then clears away.
    """

    def on_start(self, trainer: "Trainer") -> None:
        """Before the first step."""

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


@dataclass
class Plan:
    """How a network is to be trained, beside the batches.

    Attributes
    ----------
    epochs : int
    schedule : Schedule
    clips : sequence of Clip
        Applied to the gradients in this order before each step.
    average : WeightAverage, optional
        With it, validation and the best weights are those of the average.
    """

    epochs: int
    schedule: Schedule = field(default_factory=lambda: SCHEDULES.create("constant"))
    clips: Sequence[Clip] = ()
    average: WeightAverage | None = None


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
        self.objective, self.optimizer, self.plan = objective, optimizer, plan
        self.train, self.val, self.callbacks = train, val, callbacks
        optimizer.connect(objective.network.parameters)
        self.clock = Clock(len(train), plan.epochs)
        self.base_learning_rate = optimizer.learning_rate
        self.history = History()
        self.status, self.reason = "running", ""
        self.step = self.epoch = 0
        self.whole = True
        self._place, self._interrupted = 0, False
        self._start = self._earlier_seconds = 0.0
        self._observers: list[Callback] = []
        self._means = RunningMeans(objective.network.engine)
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
        # Asked at every step, so only those that want to know.
        self._observers = [known for known in self.callbacks if type(known).on_step is not Callback.on_step]
        for callback in self.callbacks:
            callback.on_start(self)
        try:
            while self.status == "running" and self.epoch < self.plan.epochs and not self._interrupted:
                self.whole = False
                with self.objective.network.engine.quiet():
                    record = self._run_epoch()
                self.history.append(record)
                self.whole = True
                for callback in self.callbacks:
                    callback.on_epoch(self, record)
            if self.status == "running" and self.epoch < self.plan.epochs:
                self._stopped()
            elif self.status == "running":
                self.status = "finished"
        except DivergedError as problem:
            self.status, self.reason = "diverged", str(problem)
        except _InterruptedError:
            self._stopped()
            self.whole = True
        except KeyboardInterrupt:
            self._stopped()
            self.whole = False
        finally:
            for callback in reversed(self.callbacks):
                callback.on_end(self)
        return self.history

    def interrupt(self) -> None:
        """End training as "stopped" after this step, with a whole state; a signal's handler may call it."""
        self._interrupted = True

    def state_dict(self) -> dict[str, Any]:
        """Where training is, as plain values; what network, optimizer, average and callbacks hold is theirs."""
        return {
            "epoch": self.epoch,
            "step": self.step,
            "place": self._place,
            "means": self._means.state_dict(),
            "seconds": self._seconds() if self._place else 0.0,
            "ended": self.reason if self.status == "finished" else "",
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave; `fit` then goes on from there."""
        self.epoch, self.step, self._place = state["epoch"], state["step"], state["place"]
        self._means.load_state_dict(state["means"])
        self._earlier_seconds = state["seconds"]
        if state["ended"]:
            self.stop(state["ended"])

    def _stopped(self) -> None:
        where = f"in epoch {self.epoch + 1}" if self._place else f"after epoch {self.epoch}"
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
        plan, objective = self.plan, self.objective
        self.optimizer.learning_rate = plan.schedule.at(self.step, self.base_learning_rate, self.clock)
        loss = objective.forward(inputs, labels)
        if not math.isfinite(loss):
            where = f"step {self.step + 1}, epoch {self.epoch + 1}"
            raise DivergedError(f"the loss is {loss} at {where}: {self._origin(inputs)}")
        objective.backward(len(labels))
        if observed:
            self._diagnostics.observe()
        for clip in plan.clips:
            clip.apply(objective.network.parameters)
        self.optimizer.step()
        if plan.average:
            plan.average.update()
        self.step += 1
        self._means.add(loss, objective.loss.divisor, objective.outputs, labels)
        return loss

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
        if not self._place:
            self._means.reset()
        steps = len(self.train)
        for inputs, labels in islice(self.train.epoch(self.epoch), self._place, None):
            self.take_step(inputs, labels, observed and self._place == steps - 1)
            self._place += 1
            if self._place < steps:
                for observer in self._observers:
                    observer.on_step(self)
                if self._interrupted:
                    raise _InterruptedError
        if not math.isfinite(self.objective.network.engine.norm(self.objective.network.parameters.values)):
            raise DivergedError(f"step {self.step}, epoch {self.epoch + 1}: {self._origin(inputs)}")
        self.epoch += 1
        self._place = 0
        return self._means.loss

    def _run_epoch(self) -> Record:
        self._start = time.perf_counter()
        self.train_epoch(observed=True)
        trained = self._seconds()
        with self.plan.average.in_place() if self.plan.average else nullcontext():
            val_loss, val_accuracy = loss_and_accuracy(self.objective, self.val.epoch())
        if not math.isfinite(val_loss):
            raise DivergedError(f"the validation loss is {val_loss} after step {self.step}, epoch {self.epoch}")
        record = {
            "epoch": self.epoch,
            "step": self.step,
            "learning_rate": self.optimizer.learning_rate,
            "train/loss": self._means.loss,
            "train/accuracy": self._means.accuracy,
            "train/l2_penalty": self.objective.penalty_value(self.train.batch_size),
            "val/loss": val_loss,
            "val/accuracy": val_accuracy,
            **self._diagnostics.measure(),
            "time/train_seconds": trained,
            "time/epoch_seconds": self._seconds(),
            "time/examples_per_second": self._means.rows / trained,
        }
        self._earlier_seconds = 0.0
        return record

    def _origin(self, inputs: Array) -> str:
        return f"it began in {first_non_finite(self.objective.network, inputs)}"


def _first_inputs(batches: Batches) -> Array:
    """The first batch's inputs, as an array of their own."""
    inputs, _ = next(iter(batches.epoch()))
    engine = batches.engine
    return engine.array(engine.host(inputs[:512]))
