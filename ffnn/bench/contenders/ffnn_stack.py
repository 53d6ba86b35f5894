"""ffnn as `ffnn sweep --stack` runs it: several networks trained together, each on an order of its own.

Their times are those of one of them: the race divides by their number.
"""

from typing import ClassVar

import numpy as np

from ffnn.bench.contender import CONTENDERS, Contender
from ffnn.bench.contenders.ffnn_trainer import make_config, make_parts, make_source
from ffnn.bench.work import Task


class FFNNStack(Contender):
    """The product's stack with one of its engines; every network starts from the task's values.

    `alone` is the contender that trains one such network; `rival` is the one that users of another framework would
    train one after the other with.
    """

    engine: ClassVar[str]
    alone: ClassVar[str]
    rival: ClassVar[str]

    def prepare(self, task: Task, threads: int) -> str:
        from ffnn.backend.threads import sharing
        from ffnn.lab.build import build_member, is_recorded
        from ffnn.training.stack import Stack

        configs = [make_config(task, self.engine, task.seed + number) for number in range(self.networks)]
        source = make_source(task, configs[0])
        parts = [make_parts(task, config, source) for config in configs]
        trainers = [build_member(part, []) for part in parts]
        self._threads = sharing(source.pool.engine, threads, is_recorded(parts[0]))
        self._threads.__enter__()  # to the end of this process
        self._stack = Stack(trainers, parts[0].blueprint)
        self._stack.rehearse()
        # Kernels are the engine's, and so are those of the others.
        trainers[0].rehearse()
        return f"{self.networks} networks at once, time of each"

    def epoch(self) -> float:
        """The steps of all together; the mean loss."""
        with self._stack.engine.single.quiet():
            alone = self._stack.train_epoch(observed=False)
            return float(np.mean([trainer.train_epoch() for trainer in alone]))


@CONTENDERS.register("ffnn-numba-x8")
class FFNNNumbaStack(FFNNStack):
    """8 networks with the fused loops."""

    about = "ffnn with the numba engine, 8 networks at once, time of each"
    packages: ClassVar = {"numba": "numba"}
    engine = "numba"
    alone, rival = "ffnn-numba", "pytorch"
    networks = 8
