"""A stack: the networks of several trainers, trained as one network of a stacked engine.

Everything that a step needs is laid out before an epoch, so its steps are the same kernels over the same arrays,
without a look from the host; a device can record one and repeat it.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ffnn.backend.engine import Array, Engine, UnfitError
from ffnn.backend.formulas import value_itself
from ffnn.backend.stacked import StackedArray, StackedEngine
from ffnn.errors import FFNNError
from ffnn.nn.network import Objective
from ffnn.nn.optimizer import Optimizer
from ffnn.nn.penalties import L2Penalty
from ffnn.training.metrics import hit
from ffnn.training.script import Script
from ffnn.training.step import Numbers, Plan, take_step
from ffnn.training.trainer import Trainer

PATIENCE = 0.1
"""Seconds that somebody who wants training to end may wait for recorded steps."""

Blueprint = Callable[[StackedEngine], tuple[Objective, Optimizer, Plan]]
"""Makes the network, the optimizer and the plan that all members have in common, on the engine of a stack."""


def one_more(place, step):
    """place + step."""
    return place + step


def summed(loss, weight, hits, own_loss, own_hits, own_weight):
    """A batch's sums added to those of the batches before it."""
    return loss + own_loss, weight + own_weight, hits + own_hits


class Stack:
    """Takes the steps of several trainers together.

    Parameters
    ----------
    trainers : sequence of Trainer
        Of networks of one shape, on the same pool of images, with batches of one size; seeds, initial weights,
        learning rates, schedules, penalties, decay and the options of one kind of optimizer are their own.
    blueprint : Blueprint

    Attributes
    ----------
    records : bool
        Whether its steps are recorded, as far as is known: that a step cannot be shows when it is rehearsed.

    Notes
    -----
    A stack takes all steps of an epoch but the last one, at which a trainer looks more closely: it takes that itself,
    as it does whatever else comes after an epoch. Where nobody looks, the stack takes it too, if its batch is as large
    as the others. A member whose loss is not finite is left as it was before the epoch, for its trainer to find the
    very step. On a CPU every member's numbers are those it would have alone, to the bit.
    """

    def __init__(self, trainers: Sequence[Trainer], blueprint: Blueprint) -> None:
        self.trainers = list(trainers)
        first = self.trainers[0]
        for other in self.trainers:
            batches, batch = other.train, (first.train.batch_size, len(first.train))
            if batches.pool is not first.train.pool or (batches.batch_size, len(batches)) != batch:
                raise FFNNError(
                    f"all trainers of a stack need the same pool and {batch[1]} batches of {batch[0]} rows; "
                    f"received {len(batches)} of {batches.batch_size}, or another pool"
                )
        self.engine = engine = StackedEngine(first.objective.network.engine, len(self.trainers))
        self._objective, self._optimizer, self._plan = blueprint(engine)
        self._network = self._objective.network
        self._optimizer.weight_decay = max(trainer.optimizer.weight_decay for trainer in self.trainers)
        strength = max(t.objective.penalty.strength if t.objective.penalty else 0.0 for t in self.trainers)
        self._objective.penalty = L2Penalty(strength) if strength else None
        self._optimizer.connect(self._network.parameters)
        self._pool = first.train.pool.stacked(engine)
        self._batch = first.train.batch_size
        self._all_labels = engine.each(self._pool.labels[None, :, None], np.int64)
        self._coming: Script | None = None
        self._place = engine.each([[0]], np.int64)
        self._sums = tuple(engine.zeros((1,), np.float64) for _ in range(3))
        self._hits = engine.zeros((1,), np.float64)
        self._step: Callable[[int], None] | None = None
        self._at_once = 1
        self.records = engine.single.records
        self._shapes: tuple[tuple[int, ...], ...] = ()

    def rehearse(self) -> None:
        """Have the kernels compiled or loaded; no trainer is changed."""
        self._load()
        self._lay_out(0, 1)
        with self.engine.single.quiet():
            self._take(0)
            if self.records and not self._pool.on_host:
                self._record()

    def train_epoch(self, observed: bool = True) -> list[Trainer]:
        """Take the steps of one epoch, from the common place on, except the last one.

        It ends early, between two steps, when somebody wants one of the trainers to end.

        Parameters
        ----------
        observed : bool, default True
            Whether the last step is to be looked at; else it is taken here, where its batch is as large as the others.

        Returns
        -------
        list of Trainer
            Those that now go on by themselves, to the end of the epoch or of training: all of them, unless it ended
            early, and always those whose loss is not finite, which are still where they were.
        """
        for trainer in self.trainers:
            trainer.current.begin()
        batches = self.trainers[0].train
        start, stop = self.trainers[0].current.place, len(batches) - (observed or batches.size % self._batch > 0)
        if start >= stop:
            return self.trainers
        self._load()
        self._lay_out(start, stop)
        done = start
        with self.engine.single.quiet():
            while done < stop and not any(trainer.interrupted for trainer in self.trainers):
                done += self._advance(done - start, stop - done)
            if self.engine.single.runs_ahead and done == stop:
                self._coming = Script.of_next_epoch(self.trainers, start, stop)  # while the device computes
        left_behind = self._store(done - start) if done > start else []
        return [t for t in self.trainers if done == stop or t.interrupted or t in left_behind]

    # -- between members and stack --------------------------------------------------------------

    def _pairs(self, trainer: Trainer) -> Iterator[tuple[Array, StackedArray]]:
        """A member's arrays and the stack's."""
        yield trainer.objective.network.parameters.values, self._network.parameters.values
        yield from zip(trainer.optimizer.slots_now, self._optimizer.slots_now, strict=True)
        if trainer.plan.average and self._plan.average:
            yield trainer.plan.average.values, self._plan.average.values
        ours = self._network.states()
        for name, theirs in trainer.objective.network.states().items():
            if isinstance(ours[name], StackedArray):  # counters stay on the host, with the member
                yield theirs, ours[name]

    def _load(self) -> None:
        for number, trainer in enumerate(self.trainers):
            for theirs, ours in self._pairs(trainer):
                ours.member(number)[...] = theirs
            _, *sums = trainer.current.means.state_dict()
            for cell, value in zip(self._sums, sums, strict=True):
                cell.member(number)[...] = value

    def _store(self, steps: int) -> list[Trainer]:
        """Give the members what is now theirs; return those whose loss is not finite, which stay where they were."""
        left_behind = []
        sums = [self.engine.host(cell)[:, 0] for cell in self._sums]
        for number, (trainer, loss, weight, hits) in enumerate(zip(self.trainers, *sums, strict=True)):
            if not math.isfinite(loss):
                left_behind.append(trainer)
                continue
            for theirs, ours in self._pairs(trainer):
                theirs[...] = ours.member(number)
            for layer in trainer.objective.network.layers.values():
                layer.skip(steps)
            trainer.count(steps)
            place = trainer.current.place + steps
            trainer.current.go_on(place, [place * self._batch, float(loss), float(weight), float(hits)])
        return left_behind

    # -- an epoch's script ----------------------------------------------------------------------

    def _lay_out(self, start: int, stop: int) -> None:
        """All rows and numbers of the steps from `start` to `stop`, where kernels find them by their place."""
        script = self._coming if self._coming and self._coming.fits(self.trainers, start, stop) else None
        script = script or Script.of(self.trainers, start, stop)
        shapes = script.rows.shape, script.floats.shape, script.keys.shape
        if shapes != self._shapes:
            self._allocate(*shapes, script.rows.dtype)
            self._shapes = shapes
        self._host_rows = script.rows
        for array, values in ((self._rows, script.rows), (self._table, script.floats), (self._keys, script.keys)):
            array[...] = self.engine.each(values, values.dtype)
        self._place[...] = 0

    def _allocate(self, rows: tuple[int, ...], floats: tuple[int, ...], keys: tuple[int, ...], kind: Any) -> None:
        """Arrays for a script of this size, and what reads them; a recorded step is of no use any more."""
        empty = self.engine.single.empty

        def table_and_now(shape: tuple[int, ...], kind: Any) -> tuple[StackedArray, StackedArray]:
            return StackedArray(empty(shape, kind)), StackedArray(empty((shape[0], 1, shape[2]), kind))

        self._rows, self._rows_now = table_and_now(rows, kind)
        self._table, self._table_now = table_and_now(floats, np.float64)
        self._keys, self._keys_now = table_and_now(keys, np.uint32)
        self._inputs = StackedArray(empty((rows[0], rows[2], self._pool.features)))
        self._labels = StackedArray(empty((rows[0], rows[2], 1), np.int64))
        self._take_numbers()
        self._step = None

    def _take_numbers(self) -> None:
        """Cells for the numbers of the present step, in the order of a `Script`."""
        count = self._table_now.shape[1]
        factor, share, *move = (self._cell(self._table_now, place) for place in range(count))
        self._numbers = Numbers(factor, share, move)
        keys = (self._cell(self._keys_now, place) for place in range(self._keys_now.shape[1]))
        for layer in self._network.layers.values():
            layer.take_numbers([next(keys) for _ in layer.numbers(0)])

    @staticmethod
    def _cell(now: StackedArray, place: int) -> StackedArray:
        return StackedArray(now.values[:, 0, place : place + 1])

    # -- a step ---------------------------------------------------------------------------------

    def _advance(self, place: int, most: int) -> int:
        """Take the step at this place; a device records it once and then repeats it.

        Images that are on the host are brought by the host, a batch ahead of the device, and that is not recorded.
        """
        if self._step is not None:
            return self._repeat(self._step, most)
        self._take(place)
        if not self._pool.on_host:
            self._step = self._record()
        return 1

    def _record(self) -> Callable[[int], None]:
        try:
            step: Callable[[int], None] = self.engine.capture(self._find_and_compute)
        except UnfitError:
            self.records = False
            step = Engine.capture(self.engine, self._find_and_compute)
        return step

    def _repeat(self, step: Callable[[int], None], most: int) -> int:
        """Take recorded steps, so many at once that somebody who wants to end waits for `PATIENCE` at most."""
        steps = min(most, self._at_once) if self.records else 1
        begun = time.perf_counter()
        step(steps)
        seconds = time.perf_counter() - begun
        if seconds > PATIENCE:
            self._at_once = max(1, int(steps * PATIENCE / 2 / seconds))
        elif seconds < PATIENCE / 2 and steps == self._at_once:
            self._at_once *= 2
        return steps

    def _take(self, place: int) -> None:
        if self._pool.on_host:
            rows = StackedArray(self._host_rows[:, place])
            self._pool.gather(rows, self._inputs)
            self._labels[...] = self.engine.each(self._pool.labels[rows.values][:, :, None], np.int64)
            self._compute()
        else:
            self._find_and_compute()

    def _find_and_compute(self) -> None:
        """The step at the place that the device knows."""
        self.engine.gather(value_itself)(self._rows_now, self._rows, self._place, ())
        rows = self._rows_now.reshape(-1)
        self._pool.gather(rows, self._inputs)
        self.engine.gather(value_itself)(self._labels, self._all_labels, rows, ())
        self._compute()

    def _compute(self) -> None:
        """The step with these inputs, and the place after it."""
        engine, objective = self.engine, self._objective
        copy = engine.gather(value_itself)
        for now, table in ((self._table_now, self._table), (self._keys_now, self._keys)):
            if now.size:
                copy(now, table, self._place, ())
        engine.update(one_more)((self._place,), (), (np.uint32(1),))
        labels = self._labels.reshape(-1)
        take_step(objective, self._optimizer, self._plan, (self._inputs, labels), self._numbers)
        engine.rows(hit)((self._hits,), (objective.outputs, labels), ())
        engine.update(summed)(self._sums, (objective.loss.sum, self._hits), (objective.loss.weight,))
