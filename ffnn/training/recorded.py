"""A trainer for engines that record a step once and repeat it: between two steps nothing is asked of the host.

A kernel of a small network takes less time than the host needs to ask for it; a recorded step is asked for once.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ffnn.training.stack import Blueprint, Stack
from ffnn.training.trainer import Trainer


class RecordedTrainer(Trainer):
    """A `Trainer` whose epochs are a stack's, of this one network; parameters as there, after the blueprint.

    The last step of an epoch is asked for one by one, if it is to be observed or its batch is smaller, as every step is
    where a callback wants to be told of each.
    A loss that is not finite is noticed when the recorded steps are over; the epoch is then taken again, a step at a
    time, to find where it began. A step that cannot be recorded, as one with vectors for matrices, is asked for too.

    Parameters
    ----------
    blueprint : Blueprint
    """

    def __init__(self, blueprint: Blueprint, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._blueprint = blueprint
        self._stack: Stack | None = None

    @contextmanager
    def course(self) -> Iterator[None]:
        try:
            with super().course():
                yield
        finally:
            self._stack = None  # which holds this trainer in turn, and a copy of all that it trains

    def rehearse(self) -> float:
        start = time.perf_counter()
        super().rehearse()
        if not any(callback.watches_steps for callback in self.callbacks):
            self._stack_of_one().rehearse()
        return time.perf_counter() - start

    def train_epoch(self, observed: bool = False) -> float:
        if not self._observers and self._stack_of_one().records:
            self._stack_of_one().train_epoch(observed)
        return super().train_epoch(observed)

    def _stack_of_one(self) -> Stack:
        self._stack = self._stack or Stack([self], self._blueprint)
        return self._stack
