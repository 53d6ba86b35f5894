"""ffnn as `ffnn sweep --stack` runs it: several networks trained together, each on an order of its own.

Their times are those of one of them: the race divides by their number.
"""

from typing import ClassVar

import numpy as np

from ffnn.bench.contender import CONTENDERS, Contender
from ffnn.bench.contenders.ffnn_trainer import make_config, make_source, make_trainer
from ffnn.bench.work import Task
from ffnn.reference import Description

LARGEST = 100_000
"""Parameters of the largest network that is raced in a stack: stacks are for networks that leave most of a device idle."""


class FFNNStack(Contender):
    """The product's stack with one of its engines; every network starts from the task's values."""

    engine: ClassVar[str]

    def prepare(self, task: Task, threads: int) -> str:
        from ffnn.lab.build import build_objective, build_optimizer, build_plan
        from ffnn.nn import Objective, Optimizer
        from ffnn.backend.stacked import StackedEngine
        from ffnn.training.stack import Stack
        from ffnn.training.trainer import Plan

        configs = [make_config(task, self.engine, task.seed + number) for number in range(self.networks)]
        source = make_source(task, configs[0])

        def blueprint(engine: StackedEngine) -> tuple[Objective, Optimizer, Plan]:
            objective = build_objective(configs[0], source, engine)
            return objective, build_optimizer(configs[0]), build_plan(configs[0], objective.network)

        self._stack = Stack([make_trainer(task, config, source) for config in configs], blueprint)
        self._stack.rehearse()
        for trainer in self._stack.trainers:
            trainer.rehearse()
        return f"{self.networks} networks at once, time of each"

    def epoch(self) -> float:
        """The steps of all networks together, but for the last of the epoch, which each takes by itself."""
        engine = self._stack.engine.single
        with engine.quiet():
            return float(np.mean([trainer.train_epoch() for trainer in self._stack.train_epoch()]))

    @classmethod
    def unfit(cls, description: Description) -> str:
        count = sum(description.parameter_counts)
        return f"stacks are raced with networks of up to {LARGEST} parameters; this has {count}" * (count > LARGEST)


@CONTENDERS.register("ffnn-numba-x8")
class FFNNNumbaStack(FFNNStack):
    """8 networks with the fused loops."""

    about = "ffnn with the numba engine, 8 networks at once, time of each"
    packages: ClassVar = {"numba": "numba"}
    engine = "numba"
    networks = 8
