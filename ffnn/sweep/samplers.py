"""What to try next: every point of a grid, points drawn at random, or where the best so far lets one hope.

None proposes a trial that is there already. The same seed gives a grid and a random search the same list of
trials, whoever runs them; Bayesian search depends on what is known when it is asked.
"""

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ffnn.registry import Registry
from ffnn.sweep.distribution import Latent
from ffnn.sweep.schema import Metric
from ffnn.sweep.space import Space
from ffnn.sweep.trials import RUNNING, Proposal, Trial, ranked

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

Identify = Callable[[Mapping[str, Any]], str]
"""The key of a trial that receives these arguments."""

PATIENCE = 500
"""Draws in a row that give nothing new before a space counts as used up."""


class Sampler(ABC):
    """Proposes trials; Bayesian search improves the metric."""

    description = ""

    def __init__(self, space: Space, seed: int, identify: Identify, metric: Metric | None = None) -> None:
        self.space, self.seed, self.identify, self.metric = space, seed, identify, metric
        self._dimensions = {name: distribution.optuna() for name, distribution in space.searched.items()}

    @abstractmethod
    def propose(self, trials: Mapping[str, Trial]) -> Proposal | None:
        """A trial that is not among `trials`; None if there is no other."""

    def proposal(self, latents: Mapping[str, Latent]) -> Proposal:
        """The trial at a point."""
        arguments = self.space.arguments(latents)
        return Proposal(self.identify(arguments), dict(latents), arguments, self._dimensions)


METHODS: Registry[Sampler] = Registry("method")


class _Listed(Sampler):
    """Goes down a list that depends on the space and the seed alone."""

    def __init__(self, space: Space, seed: int, identify: Identify, metric: Metric | None = None) -> None:
        super().__init__(space, seed, identify, metric)
        self._list: list[Proposal] = []
        self._keys: set[str] = set()
        self._rest: Iterator[Mapping[str, Latent]] = self._points()

    @abstractmethod
    def _points(self) -> Iterator[Mapping[str, Latent]]:
        """All points, in order."""

    def propose(self, trials: Mapping[str, Trial]) -> Proposal | None:
        number = 0
        while (proposal := self.at(number)) is not None:
            if proposal.key not in trials:
                return proposal
            number += 1
        return None

    def at(self, number: int) -> Proposal | None:
        """The list's trial at a place, from 0; None beyond its end."""
        wasted = 0
        while len(self._list) <= number:
            latents = next(self._rest, None)
            if latents is None:
                return None
            proposal = self.proposal(latents)
            if proposal.key in self._keys:
                wasted += 1
                if wasted == PATIENCE:
                    self._rest = iter(())
                continue
            wasted = 0
            self._keys.add(proposal.key)
            self._list.append(proposal)
        return self._list[number] if number < len(self._list) else None


@METHODS.register("grid")
class Grid(_Listed):
    """Every combination of the values, in the order of the file; the last parameter changes fastest."""

    description = "grid search"

    def _points(self) -> Iterator[Mapping[str, Latent]]:
        return self.space.grid_points()


@METHODS.register("random")
class RandomSearch(_Listed):
    """Independent draws from the parameters' distributions."""

    description = "random search"

    def _points(self) -> Iterator[Mapping[str, Latent]]:
        import numpy as np

        generator = np.random.default_rng([self.seed, 1])
        while True:
            yield self.space.latents(generator.random(len(self.space.searched)).tolist())


class Spread(_Listed):
    """Scrambled Halton points: random, but evenly spread, which is what a model wants to begin with."""

    def _points(self) -> Iterator[Mapping[str, Latent]]:
        from scipy.stats.qmc import Halton

        points = Halton(max(1, len(self.space.searched)), rng=self.seed)
        while True:
            yield self.space.latents(points.random(1)[0][: len(self.space.searched)].tolist())


@METHODS.register("bayes")
class Bayes(Sampler):
    """A Gaussian process where PyTorch is installed, else a tree of Parzen estimators; both are Optuna's.

    The first trials are spread over the space. A point that was tried already is not trained a second time: it
    counts once more for the model, which then looks elsewhere, and after that a spread point is taken.
    """

    def __init__(self, space: Space, seed: int, identify: Identify, metric: Metric) -> None:
        super().__init__(space, seed, identify, metric)
        self._metric = metric
        self._spread = Spread(space, seed, identify)
        self._first = min(10, max(4, 2 * len(space.searched)))
        self._gaussian = importlib.util.find_spec("torch") is not None
        kind = "Gaussian process" if self._gaussian else "tree of Parzen estimators, because PyTorch is not installed"
        self.description = f"Bayesian search ({kind}) after {self._first} spread trials"

    def propose(self, trials: Mapping[str, Trial]) -> Proposal | None:
        if len(trials) >= self._first:
            results = list(trials.values())
            for repetition in range(3):
                proposal = self._suggest(results, len(trials) + 10_000 * repetition)
                if proposal.key not in trials:
                    return proposal
                results.append(trials[proposal.key])
        return self._spread.propose(trials)

    def _suggest(self, trials: Sequence[Trial], number: int) -> Proposal:
        import warnings

        import optuna
        from threadpoolctl import threadpool_limits

        if self._gaussian:
            importlib.import_module("torch")  # only the pools of what is loaded are limited
        # One thread: the model's products are small, the cores are the trials', and the answer is then everywhere
        # the same.
        with warnings.catch_warnings(), threadpool_limits(1):
            warnings.simplefilter("ignore")  # Optuna marks what it may still change as experimental, at every use
            study = optuna.create_study(sampler=self._sampler(number), direction=self._metric.goal)
            study.add_trials(self._as_seen(trials))
            suggestion = study.ask(dict(self._dimensions))
        return self.proposal(suggestion.params)

    def _sampler(self, number: int) -> "BaseSampler":
        # A seed of its own for every question: the answer depends on what is known, not on who asked before.
        import numpy as np
        from optuna.samplers import GPSampler, TPESampler

        seed = int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0])
        if self._gaussian:
            return GPSampler(seed=seed, n_startup_trials=0)
        return TPESampler(seed=seed, n_startup_trials=0, multivariate=True, constant_liar=True)

    def _as_seen(self, trials: Sequence[Trial]) -> list[Any]:
        """The trials with the value each counts for; one under way without a value is known to be so."""
        from optuna.trial import TrialState, create_trial

        return [
            create_trial(
                state=TrialState.RUNNING if value is None else TrialState.COMPLETE,
                value=value,
                params=dict(trial.latents),
                distributions=dict(trial.dimensions),
            )
            for trial, value in zip(trials, impute(trials, self._metric), strict=True)
            if value is not None or trial.status == RUNNING
        ]


def impute(trials: Sequence[Trial], metric: Metric) -> list[float | None]:
    """What each trial counts for in a Bayesian search, by W&B's `impute` and `impute_while_running`.

    A trial that went its way, to the end or until hyperband stopped it, counts with its best value. None: not
    at all, because there is no finished trial yet or it is under way.
    """
    best = ranked(trials, metric)
    worst = best[-1].best if best else None

    def value(trial: Trial) -> float | None:
        if trial.usable:
            return trial.best
        rule = metric.impute_while_running if trial.status == RUNNING else metric.impute
        if rule in ("false", False):
            return None
        figures = {"best": trial.best, "latest": trial.latest}
        if trial.history:
            reported = list(trial.history.values())
            figures = {"best": metric.best(reported), "latest": reported[-1]}
        figure = figures.get(str(rule))
        return worst if figure is None else figure

    return [value(trial) for trial in trials]
