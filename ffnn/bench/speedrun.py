"""The speedrun: seconds of training until a share of MNIST's test set is answered rightly, by a recipe for each share.

Everybody trains the same network from the same values, on the same batches at the same learning rates, in turn. What
is compiled is compiled before the clock runs, and it stands still while the test after each epoch is worked out.
"""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ffnn.bench.present import ABSENT, TextTable
from ffnn.bench.race import Race
from ffnn.bench.report import QUIET
from ffnn.bench.work import Task
from ffnn.data import Dataset
from ffnn.reference import Description

RUNNERS = ("ffnn-numba", "pytorch", "jax-scan")
"""Contenders, in the order of their turns."""


@dataclass(frozen=True)
class Recipe:
    """What gets to a target, a share of the test set: found with seeds from 100 on, none of which is raced.

    The optimizer's other constants are as ffnn has them by default; the learning rate falls along the schedule, step by
    step, and the run ends with it.
    """

    target: float
    description: Description
    batch_size: int
    epochs: int
    schedule: str = "cosine"

    def __str__(self) -> str:
        described = self.description
        sizes, rate = "-".join(map(str, described.sizes)), f"{described.learning_rate:g}"
        course = f"{self.schedule} schedule over {self.epochs} epoch{'s' * (self.epochs != 1)}"
        return f"{_percent(self.target)}: {sizes}, {described.optimizer} {rate}, batch {self.batch_size}, {course}"


RECIPES = (
    Recipe(0.97, Description(784, (192,), 10, "adam", 0.01), batch_size=60, epochs=1),
    Recipe(0.98, Description(784, (224,), 10, "adam", 0.006), batch_size=60, epochs=3),
)


@dataclass(frozen=True)
class Attempt:
    """One training from one seed, until the target or the end of the recipe.

    Attributes
    ----------
    seconds, cpu_seconds, accuracies : list of float
        Of each epoch: by the clock, of processor time, and the share of the test set after it.
    """

    contender: str
    target: float
    seed: int
    seconds: list[float]
    cpu_seconds: list[float]
    accuracies: list[float]

    @property
    def time(self) -> float:
        """Seconds until the first test that the target was reached in; infinite where none was.

        Examples
        --------
        >>> Attempt("pytorch", 0.97, 0, [0.5, 0.25], [0.5, 0.25], [0.96, 0.97]).time
        0.75
        """
        return sum(self.seconds) if self.accuracies[-1] >= self.target else float("inf")


def run(race: Race, names: Sequence[str], recipe: Recipe, dataset: Dataset, seeds: int) -> list[Attempt]:
    """The attempts of those that are there at the end; before the first that counts, each makes one that does not."""
    _round(race, names, recipe, dataset, 0)
    attempts = [attempt for seed in range(seeds) for attempt in _round(race, names, recipe, dataset, seed)]
    return [attempt for attempt in attempts if attempt.contender not in race.lost]


def _round(race: Race, names: Sequence[str], recipe: Recipe, dataset: Dataset, seed: int) -> list[Attempt]:
    """One attempt of each from a seed."""
    for part, task in zip(("training", "test"), make_tasks(recipe, dataset, seed), strict=True):
        task.save(race.folder / f"{part}.npz")
    return [attempt for name in names if (attempt := _attempt(race, name, recipe, seed))]


def _attempt(race: Race, name: str, recipe: Recipe, seed: int) -> Attempt | None:
    """Train until the target; None where the contender is lost."""
    attempt = Attempt(name, recipe.target, seed, [], [], [])
    race.ask(name, "prepare", file=str(race.folder / "training.npz"))
    for _ in range(recipe.epochs):
        epoch, score = race.ask(name, "epoch"), race.ask(name, "score", file=str(race.folder / "test.npz"))
        if epoch is None or score is None:
            return None
        attempt.seconds.append(epoch["seconds"])
        attempt.cpu_seconds.append(epoch["cpu_seconds"])
        attempt.accuracies.append(score["accuracy"])
        if attempt.time < float("inf"):
            break
    return attempt


def make_tasks(recipe: Recipe, dataset: Dataset, seed: int) -> tuple[Task, Task]:
    """The training images, in whole batches, with what the seed decides, and the official test images."""
    border = len(dataset) - dataset.official_test
    whole = slice(border // recipe.batch_size * recipe.batch_size)
    training = Task(
        recipe.description, recipe.batch_size, dataset.images[whole], dataset.labels[whole], dataset.top,
        recipe.description.initial_state(seed), seed, recipe.schedule, recipe.epochs,
    )  # fmt: skip
    return training, replace(training, images=dataset.images[border:], labels=dataset.labels[border:])


def table(attempts: Sequence[Attempt], title: str) -> TextTable:
    """A row for each target and contender: median and range of the times, and how many got there."""
    rows = []
    for target, name in dict.fromkeys((attempt.target, attempt.contender) for attempt in attempts):
        times = sorted(a.time for a in attempts if (a.target, a.contender) == (target, name))
        shown = [_seconds(time) for time in (statistics.median(times), times[0], times[-1])]
        reached = sum(time < float("inf") for time in times)
        rows.append([_percent(target), name, *shown, f"{reached} of {len(times)}"])
    return TextTable(title, ["target", "contender", "median s", "least s", "most s", "seeds reached"], rows)


def lines(attempts: Sequence[Attempt], recipes: Sequence[Recipe]) -> list[str]:
    """How the times came about."""
    share = sum(sum(a.cpu_seconds) for a in attempts) / sum(sum(a.seconds) for a in attempts)
    told = [
        *map(str, recipes),
        "seconds of training on one core, up to the first test at an epoch's end that reaches the target; a median "
        "over all seeds, of which one that never gets there takes for ever",
        "the same values at the start, batches and learning rates for all; outside of everybody's clock: loading, "
        "compiling, one attempt to warm up, and the tests",
    ]
    busy = f"the machine was busy: contenders got {100 * share:.0f} % of a core; repeat when it is quiet"
    return [*told, busy] if share < QUIET else told


def record(attempts: Sequence[Attempt], recipes: Sequence[Recipe], **facts: Any) -> dict[str, Any]:
    """Everything, in plain values for a JSON file; a time of null is that of a seed that never got there."""
    made = [asdict(a) | {"time": a.time if a.time < float("inf") else None} for a in attempts]
    return {**facts, "recipes": [asdict(recipe) for recipe in recipes], "attempts": made}


def _percent(share: float) -> str:
    return f"{100 * share:g} %"


def _seconds(time: float) -> str:
    return f"{time:.3f}" if time < float("inf") else ABSENT
