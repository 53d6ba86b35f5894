"""What a sweep knows of a trial: what is proposed, how an attempt at it ended, and both together.

A trial is known by the hash of its config; it may take several attempts.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ffnn.sweep.distribution import Latent
from ffnn.sweep.schema import Metric

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

RUNNING, FINISHED, DIVERGED, PRUNED = "running", "finished", "diverged", "stopped by hyperband"
FAILED, HUNG, KILLED, INTERRUPTED, LOST = "failed", "timed out", "killed", "interrupted", "lost"
GIVEN_BACK = (INTERRUPTED, LOST)
"""Not the trial's own doing: it is run again by whoever comes next."""
COUNTED = (FINISHED, DIVERGED, PRUNED)
"""The trial went its way: its best value is a result."""


@dataclass(frozen=True)
class Proposal:
    """A trial that could be run: its name, its point, and what it would receive."""

    key: str
    latents: Mapping[str, Latent]
    arguments: Mapping[str, Any]
    dimensions: Mapping[str, "BaseDistribution"]


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended; `best` and `latest` are values of the metric, `run` its run directory.

    The names are keys in journals and databases: those of an earlier ffnn must be found again.
    """

    status: str
    reason: str = ""
    best: float | None = None
    latest: float | None = None
    run: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Trial(Outcome, Proposal):
    """One attempt, number `id` in the storage (-1 where nobody has claimed it), at a trial, as the ledger has it.

    `owner` runs it; `history` has the metric's value at each iteration that was reported, in order.
    """

    id: int = -1
    owner: str = ""
    history: dict[int, float] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Whether nothing more will come of it without being asked for."""
        return self.status not in (RUNNING, *GIVEN_BACK)

    @property
    def usable(self) -> bool:
        """Whether its best value counts as a result."""
        return self.best is not None and self.status in COUNTED


def ranked(trials: Collection[Trial], metric: Metric) -> list[Trial]:
    """The trials with a result, best first; of equal ones the earlier."""
    return sorted((trial for trial in trials if trial.usable), key=lambda trial: metric.sign * (trial.best or 0.0))
