"""The script of a stack's epoch: everything that its steps need and the host decides, before the first of them.

It is a function of the trainers' counters and seeds alone, so that of the next epoch can be written while a device
is busy with this one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffnn.nn.schedules import Constant
from ffnn.training.trainer import Trainer


@dataclass(frozen=True)
class Script:
    """Rows and numbers of some steps.

    Attributes
    ----------
    rows : int array (members or 1, steps, batch_size)
        The images of each step; once, where they are the same for all members. Where they are copied to a device, they
        have half as many bytes.
    floats : float64 array (members, steps, numbers)
        What penalty, average and optimizer take in each step.
    keys : uint32 array (members, steps, numbers)
        What random layers take.
    when : tuple
        The counters of the trainers that it was written for.
    """

    rows: NDArray[Any]
    floats: NDArray[np.float64]
    keys: NDArray[np.uint32]
    when: tuple[Any, ...]

    @classmethod
    def of(cls, trainers: Sequence[Trainer], start: int, stop: int, ahead: int = 0) -> "Script":
        """For the steps from `start` to `stop` of this epoch, or of the next, which begins `ahead` steps from now."""
        epochs = [trainer.epoch + bool(ahead) for trainer in trainers]
        batch = trainers[0].train.batch_size
        orders = [trainer.train.order(epoch) for trainer, epoch in zip(trainers, epochs, strict=True)]
        if all(np.array_equal(one, other) for one, other in pairwise(orders)):
            orders = orders[:1]
        part = slice(start * batch, stop * batch)
        kind = np.int32 if trainers[0].train.engine.runs_ahead else np.int64
        batches = [order[part].reshape(stop - start, batch) for order in orders]
        rows = np.stack(batches, dtype=kind, casting="same_kind")
        floats = np.stack([_floats(trainer, stop - start, ahead) for trainer in trainers])
        keys = np.stack([_keys(trainer, stop - start, ahead) for trainer in trainers])
        return cls(rows, floats, keys, (start, stop, _when(trainers, ahead)))

    @classmethod
    def of_next_epoch(cls, trainers: Sequence[Trainer], start: int, stop: int) -> "Script | None":
        """For the next epoch's first `stop` steps, after all of this one from `start` on; None if this is the last."""
        if any(trainer.epoch + 1 >= trainer.plan.epochs for trainer in trainers):
            return None
        return cls.of(trainers, 0, stop, ahead=len(trainers[0].train) - start)

    def fits(self, trainers: Sequence[Trainer], start: int, stop: int) -> bool:
        """Whether it was written for these steps."""
        return self.when == (start, stop, _when(trainers, 0))


def _when(trainers: Sequence[Trainer], ahead: int) -> tuple[tuple[int, int], ...]:
    return tuple((trainer.epoch + bool(ahead), trainer.step + ahead) for trainer in trainers)


def _floats(trainer: Trainer, count: int, ahead: int) -> NDArray[np.float64]:
    def at(place: int) -> list[float]:
        factor, share, move = trainer.numbers(trainer.train.batch_size, ahead + place)
        return [factor, share, *move]

    first, last = at(0), at(count - 1)
    if first == last and type(trainer.plan.schedule) is Constant:
        # What depends on the step tends to a limit: Adam's corrections, the ramp of an average.
        return np.tile(np.array(first), (count, 1))
    return np.array([at(place) for place in range(count)])


def _keys(trainer: Trainer, count: int, ahead: int) -> NDArray[np.uint32]:
    steps = np.arange(ahead, ahead + count, dtype=np.uint64)
    keys = [key for layer in trainer.objective.network.layers.values() for key in layer.numbers(steps)]
    return np.array(keys, np.uint32).reshape(len(keys), count).T
