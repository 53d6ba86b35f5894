"""The range test itself: steps at growing rates on a network that is thrown away.

Smith, "Cyclical learning rates for training neural networks", WACV 2017, section 3.3.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count

from ffnn.backend.engine import Array
from ffnn.backend.threads import limited_threads, suitable_threads
from ffnn.data.batches import Batches
from ffnn.errors import FFNNError
from ffnn.lab.build import build_trainer
from ffnn.lab.config import Config
from ffnn.lab.run import Notify, largest_product, prepare
from ffnn.nn import Schedule
from ffnn.nn.schedules import Clock
from ffnn.training.trainer import DivergedError, Trainer

LOW, HIGH, STEPS = 1e-6, 10.0, 200
"""From where no optimizer moves to where all diverge; 200 steps are 29 to each power of ten."""

MEMORY = 0.9
"""Of the smoothed loss, a step: it then averages over ten batches, a third of a power of ten."""

BLOWN_UP = 4.0
"""Smoothed loss over the lowest so far: from there on nothing is learnt any more."""


class Growing(Schedule):
    """low * (high/low)^(step/(steps - 1)), whatever the base rate is.

    Examples
    --------
    >>> schedule = Growing(0.01, 1.0, 3)
    >>> [round(schedule.at(step, 0.1, Clock(1, 3)), 6) for step in range(3)]
    [0.01, 0.1, 1.0]
    """

    def __init__(self, low: float, high: float, steps: int) -> None:
        self.low, self.high, self.steps = low, high, steps

    def at(self, step: int, rate: float, clock: Clock) -> float:
        share = step / (self.steps - 1)
        return self.low * math.exp(share * math.log(self.high / self.low))


@dataclass(frozen=True)
class RangeTest:
    """At each step the learning rate, the batch's loss before it, and the mean loss with exponential weights.

    `stopped` tells in words why it ended before the last rate, if it did; the config has all choices made.
    """

    rates: list[float]
    losses: list[float]
    smoothed: list[float]
    stopped: str
    config: Config


def range_test(config: Config, notify: Notify, low: float = LOW, high: float = HIGH, steps: int = STEPS) -> RangeTest:
    """Train a new network at rates that grow from `low` to `high`, until the loss blows up.

    0 < low < high, and there are at least 10 steps. Its schedule, warm-up and weight averaging are left out; everything
    else is as in a run of this config. `notify` takes lines for the user. FFNNError if the range is none, or the loss
    is not finite from the first step on.
    """
    if not (0 < low < high < math.inf):
        raise FFNNError(f"--low, --high: expected 0 < low < high; received {low:g} and {high:g}")
    parts, resolved = prepare(config, notify)
    plan = replace(parts.plan, schedule=Growing(low, high, steps), average=None)
    trainer = build_trainer(replace(parts, plan=plan), [])
    threads = config.threads or suitable_threads(largest_product(parts))  # each step is asked for
    with limited_threads(threads), parts.objective.network.engine.quiet():
        trainer.rehearse()
        rates, losses, smoothed, stopped = _grow(trainer, _batches(parts.train), steps)
    if len(losses) < 2:
        raise FFNNError(f"the loss is not finite at a rate of {low:g} already: {stopped}; try --low={low / 1000:g}")
    return RangeTest(rates, losses, smoothed, stopped, resolved)


def _batches(train: Batches) -> Iterator[tuple[Array, Array]]:
    """Epoch after epoch."""
    return (batch for number in count() for batch in train.epoch(number))


def _grow(
    trainer: Trainer, batches: Iterator[tuple[Array, Array]], steps: int
) -> tuple[list[float], list[float], list[float], str]:
    rates: list[float] = []
    losses: list[float] = []
    smoothed: list[float] = []
    mean = 0.0
    for step, (inputs, labels) in zip(range(steps), batches, strict=False):
        try:
            loss = float(trainer.take_step(inputs, labels))
        except DivergedError as problem:
            return rates, losses, smoothed, str(problem)
        mean = MEMORY * mean + (1 - MEMORY) * loss
        rates.append(trainer.rate_of(step))
        losses.append(loss)
        smoothed.append(mean / (1 - MEMORY ** (step + 1)))
        if smoothed[-1] > BLOWN_UP * min(smoothed):
            return rates, losses, smoothed, f"the loss was {BLOWN_UP:g} times its lowest"
    return rates, losses, smoothed, ""
