"""A trainer whose steps another framework takes, so that its runs are recorded like any other.

After each epoch the framework's values are given to the ffnn network: validation, test, checkpoints and
figures are then those of every run.
"""

import math
import time
from typing import Any

from ffnn.backend.engine import Array
from ffnn.reference.reference import Reference
from ffnn.training.trainer import DivergedError, Trainer


class ReferenceTrainer(Trainer):
    """Trains a reference network on the batches and at the learning rates that ffnn would have used.

    It is made from the objective, the optimizer and the plan's clips; the other arguments are those of Trainer. The
    ffnn optimizer and the plan's clips do nothing; they say what the framework does.
    """

    can_resume = False  # the framework's optimizer keeps its memory to itself

    def __init__(self, reference: Reference, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.reference = reference

    def rehearse(self) -> float:
        start = time.perf_counter()
        inputs, labels = next(self.train.epoch())
        host = self.objective.network.engine.host
        last = self.train.size % self.train.batch_size or self.train.batch_size
        self.reference.rehearse(host(inputs), host(labels))
        self.reference.rehearse(host(inputs)[:last], host(labels)[:last], with_gradients=True)
        return time.perf_counter() - start

    def take_step(self, inputs: Array, labels: Array, observed: bool = False) -> float:
        network, host = self.objective.network, self.objective.network.engine.host
        if observed:
            self.reference.copy_into(network)
        done = self.reference.step(host(inputs), host(labels), self.rate_of(self.step), with_gradients=observed)
        if not math.isfinite(done.loss):
            self.reference.copy_into(network)
            where = f"step {self.step + 1}, epoch {self.epoch + 1}"
            raise DivergedError(f"the loss is {done.loss} at {where}: {self._origin(inputs)}")
        if observed:
            for name, gradient in done.gradients.items():
                network.parameters[name].grad[...] = network.engine.array(gradient)
            self._diagnostics.observe()
        self.step += 1
        if self.step % len(self.train) == 0:
            self.reference.copy_into(network)
        self.current.means.add(done.loss * done.divisor, done.divisor, network.engine.array(done.outputs), labels)
        return done.loss
