"""Schedules: the learning rate as a function of time, the optimizer's own rate being the unit.

A schedule is a pure function of the step, so a resumed run needs no schedule state.
"""

import math
from abc import ABC, abstractmethod
from bisect import bisect_left
from dataclasses import dataclass

from ffnn.errors import FFNNError
from ffnn.ranges import in_range, positive_integer
from ffnn.registry import Registry


@dataclass(frozen=True)
class Clock:
    """How long a run is meant to be: steps in an epoch, and epochs."""

    steps_per_epoch: int
    epochs: int

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        return self.steps_per_epoch * self.epochs


class Schedule(ABC):
    """The learning rate at each step.

    Below, step counts from 0, t = step // steps_per_epoch is the epoch counted from 0, and rate is
    the base learning rate.
    """

    minimum = 0.0
    """What the learning rate never falls below, where a schedule has such a bound."""

    @abstractmethod
    def at(self, step: int, rate: float, clock: Clock) -> float:
        """The learning rate for this step."""

    def check(self, rate: float) -> None:
        """FFNNError for a base learning rate from which the schedule would rise where it is meant to fall."""
        if self.minimum > rate:
            raise FFNNError(
                f"schedule: minimum must be at most the learning rate, {rate:g}, which is where the schedule begins; "
                f"received {self.minimum:g}"
            )

    def remarks(self, rate: float, clock: Clock) -> list[str]:
        """What of a run, in words, this schedule probably was not meant to do."""

        def stands(epoch: int) -> bool:
            return self.at(epoch * clock.steps_per_epoch, rate, clock) <= 0

        if not stands(clock.epochs - 1):
            return []
        still = bisect_left(range(clock.epochs), True, key=stands)
        return [f"the learning rate is 0 from epoch {still + 1} of {clock.epochs} on, and nothing is learnt there"]


SCHEDULES: Registry[Schedule] = Registry("schedule")


@SCHEDULES.register("constant")
class Constant(Schedule):
    """Always rate."""

    def at(self, step: int, rate: float, clock: Clock) -> float:
        return rate


@SCHEDULES.register("step")
class StepDecay(Schedule):
    """rate * gamma^(t // every): a drop every few epochs.

    Parameters
    ----------
    every : int >= 1, default 10
        Epochs between drops.
    gamma : float in (0, 1.000001), default 0.1

    Examples
    --------
    >>> StepDecay(every=2, gamma=0.5).at(5, 1.0, Clock(1, 6))
    0.25
    """

    def __init__(self, every: int = 10, gamma: float = 0.1) -> None:
        self.every = positive_integer("every", every)
        self.gamma = in_range("gamma", gamma, 0, 1.000001, open_low=True)

    def at(self, step: int, rate: float, clock: Clock) -> float:
        return rate * self.gamma ** (step // clock.steps_per_epoch // self.every)


@SCHEDULES.register("linear")
class LinearDecay(Schedule):
    """max(minimum, rate - slope * t): less by the same amount each epoch.

    Parameters
    ----------
    slope : float in [0, inf), optional
        By default such that the last epoch would be followed by `minimum`.
    minimum : float in [0, inf), default 0

    Examples
    --------
    >>> LinearDecay(slope=0.25).at(3, 1.0, Clock(1, 8)), LinearDecay().at(4, 1.0, Clock(1, 8))
    (0.25, 0.5)
    """

    def __init__(self, slope: float | None = None, minimum: float = 0.0) -> None:
        self.slope = None if slope is None else in_range("slope", slope, 0)
        self.minimum = in_range("minimum", minimum, 0)

    def at(self, step: int, rate: float, clock: Clock) -> float:
        slope = (rate - self.minimum) / clock.epochs if self.slope is None else self.slope
        return max(self.minimum, rate - slope * (step // clock.steps_per_epoch))


@SCHEDULES.register("exponential")
class ExponentialDecay(Schedule):
    """rate * gamma^t: less by the same factor each epoch.

    Parameters
    ----------
    gamma : float in (0, 1.000001), default 0.95
    """

    def __init__(self, gamma: float = 0.95) -> None:
        self.gamma = in_range("gamma", gamma, 0, 1.000001, open_low=True)

    def at(self, step: int, rate: float, clock: Clock) -> float:
        return float(rate * self.gamma ** (step // clock.steps_per_epoch))


@SCHEDULES.register("cosine")
class Cosine(Schedule):
    """minimum + (rate - minimum) (1 + cos(pi step / total_steps)) / 2. Loshchilov & Hutter, ICLR 2017, one cycle.

    The cosine goes from 1 to -1 over half a period, so (1 + cos) / 2 goes from 1 to 0: from rate to minimum, level at
    both ends, where its slope, the sine, is 0.

    Parameters
    ----------
    minimum : float in [0, inf), default 0
    """

    def __init__(self, minimum: float = 0.0) -> None:
        self.minimum = in_range("minimum", minimum, 0)

    def at(self, step: int, rate: float, clock: Clock) -> float:
        return _between(rate, self.minimum, step / clock.total_steps)


@SCHEDULES.register("one_cycle")
class OneCycle(Schedule):
    """From rate / start_factor up to rate, then down to rate / (start_factor * end_factor), along cosines.

    Smith & Topin, 2018, as PyTorch's OneCycleLR, without its cycling of momentum.

    Parameters
    ----------
    warm_fraction : float in (0, 1), default 0.3
        Part of all steps spent going up.
    start_factor : float in [1, inf), default 25
    end_factor : float in [1, inf), default 10000
    """

    def __init__(self, warm_fraction: float = 0.3, start_factor: float = 25.0, end_factor: float = 1e4) -> None:
        self.warm_fraction = in_range("warm_fraction", warm_fraction, 0, 1, open_low=True)
        self.start_factor = in_range("start_factor", start_factor, 1)
        self.end_factor = in_range("end_factor", end_factor, 1)

    def at(self, step: int, rate: float, clock: Clock) -> float:
        start = rate / self.start_factor
        top, end = self.warm_fraction * clock.total_steps - 1, clock.total_steps - 1
        if step <= top:
            return _between(start, rate, step / top if top else 1.0)
        return _between(rate, start / self.end_factor, min(1.0, (step - top) / (end - top)))


class Warmup(Schedule):
    """The first steps at (step + 1) / warm_steps of what `schedule` says; it then goes on alone. Goyal et al., 2017.

    Counting from 1 gives the first step a rate above 0, and step number warm_steps, the last of the warm-up, all of it.

    Parameters
    ----------
    schedule : Schedule
    epochs : float in [0, inf)
        Length of the warm-up.
    """

    def __init__(self, schedule: Schedule, epochs: float) -> None:
        self.schedule = schedule
        self.epochs = in_range("warmup_epochs", epochs, 0)

    def at(self, step: int, rate: float, clock: Clock) -> float:
        warm_steps = self.epochs * clock.steps_per_epoch
        factor = min(1.0, (step + 1) / warm_steps) if warm_steps else 1.0
        return factor * self.schedule.at(step, rate, clock)

    def check(self, rate: float) -> None:
        self.schedule.check(rate)

    def remarks(self, rate: float, clock: Clock) -> list[str]:
        """Those of the schedule, and that the run ends before the warm-up."""
        if self.epochs <= clock.epochs:
            return self.schedule.remarks(rate, clock)
        warm = f"the warm-up lasts {self.epochs:g} epochs and the run {clock.epochs}"
        return [*self.schedule.remarks(rate, clock), f"{warm}: the learning rate never gets to {rate:g}"]


def _between(start: float, end: float, fraction: float) -> float:
    """The cosine's way from start to end."""
    return end + (start - end) * (1 + math.cos(math.pi * fraction)) / 2
