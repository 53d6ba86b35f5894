"""The epoch under way: how many of its steps are done, what they add up to, and how long they took.

A checkpoint within an epoch holds it, and a stack that took steps for a trainer hands over what came of them.
"""

import time
from collections.abc import Sequence

from ffnn.backend.engine import Engine
from ffnn.training.metrics import RunningMeans


class Epoch:
    """Of one trainer after another of its epochs.

    `place` counts steps done, over which `means` are. `whole` says whether the trainer's state is that between two
    steps, so that training can go on from it to the bit. `train_seconds` are what the steps of the last whole epoch
    took.
    """

    def __init__(self, engine: Engine) -> None:
        self.place, self.whole = 0, True
        self.means = RunningMeans(engine)
        self.train_seconds = self._start = self._earlier_seconds = 0.0
        self._begun = False

    @property
    def seconds(self) -> float:
        """How long it has taken so far, in this process and in those before it."""
        return self._earlier_seconds + time.perf_counter() - self._start

    def begin(self) -> None:
        """Start its clock and sums, or go on with those of the epoch under way; more than once does no harm."""
        if self._begun:
            return
        self._begun, self.whole = True, False
        self._start = time.perf_counter()
        if not self.place:
            self._earlier_seconds = 0.0
            self.means.reset()

    def go_on(self, place: int, sums: Sequence[float], earlier_seconds: float | None = None) -> None:
        """Take over what was done of it elsewhere: steps, their sums (`RunningMeans.state_dict`), seconds."""
        self.place = place
        self.means.load_state_dict(sums)
        if earlier_seconds is not None:
            self._earlier_seconds = earlier_seconds

    def end(self) -> None:
        """All of its steps are done."""
        self.train_seconds = self.seconds
        self.place, self._begun = 0, False
