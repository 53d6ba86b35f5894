"""Points in the plane, two or three classes that no straight line parts: networks small enough to be looked at.

They are drawn from a seed and kept as bytes, as images of two pixels, so that all that takes images takes them.
"""

from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ffnn.data.catalog import DATASETS, DatasetEntry
from ffnn.data.dataset import Dataset
from ffnn.ranges import in_range, positive_integer

SIZE = 1000
MARGIN = 0.1
"""Part of the square that stays empty on each side of the points, to see how a network decides beyond them."""


class ToyEntry(DatasetEntry):
    """Points (x, y), moved and scaled together into a square of 256 x 256 places.

    Parameters
    ----------
    size : int >= 2, default 1000
        Points of all classes together.
    noise : float in [0, inf)
        Standard deviation of the Gaussian that is added to both coordinates; the figures measure about 2 across.
    seed : int >= 0, default 0
        Which points are drawn.
    """

    shape = (1, 2)
    licence = "made by ffnn: free"
    homepage = "https://scikit-learn.org/stable/datasets/sample_generators.html"

    def __init__(self, size: int = SIZE, noise: float = 0.1, seed: int = 0) -> None:
        self.train_size = positive_integer("size", size)
        self.noise = in_range("noise", noise, 0)
        self.seed = int(in_range("seed", seed, 0))

    @abstractmethod
    def draw(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Points (size, 2) and their classes."""

    def location(self, root: Path) -> str:
        return "made when it is loaded"

    def load(self, root: Path) -> Dataset:
        points, labels = self.draw()
        low, high = points.min(axis=0), points.max(axis=0)
        # One scale for both axes: a circle stays a circle.
        places = 0.5 + (points - (low + high) / 2) * (1 - 2 * MARGIN) / (high - low).max()
        pixels = np.rint(places * self.top).astype(np.uint8)
        return self.dataset(pixels, labels, f"{self.train_size} points, noise {self.noise:g}, seed {self.seed}")


class SklearnToy(ToyEntry):
    """A toy that one of scikit-learn's generators draws, by its name there."""

    generator: ClassVar[str]
    options: ClassVar[dict[str, Any]] = {}
    class_names = ("first", "second")
    citation = "F. Pedregosa et al.: Scikit-learn: Machine Learning in Python. JMLR 12, 2825-2830, 2011."

    def draw(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        from sklearn import datasets

        make: Callable[..., Any] = getattr(datasets, self.generator)
        points, labels = make(n_samples=self.train_size, noise=self.noise, random_state=self.seed, **self.options)
        return points, labels


@DATASETS.register("moons")
class Moons(SklearnToy):
    """Two half circles that reach into each other. Options: size, noise, seed; see ToyEntry."""

    name, generator = "moons", "make_moons"
    title = "Two moons, points in the plane"

    def __init__(self, size: int = SIZE, noise: float = 0.15, seed: int = 0) -> None:
        super().__init__(size, noise, seed)


@DATASETS.register("circles")
class Circles(SklearnToy):
    """A circle around another of half its radius. Options: size, noise, seed; see ToyEntry."""

    name, generator, options = "circles", "make_circles", {"factor": 0.5}
    title = "Two circles, points in the plane"

    def __init__(self, size: int = SIZE, noise: float = 0.08, seed: int = 0) -> None:
        super().__init__(size, noise, seed)


@DATASETS.register("spirals")
class Spirals(ToyEntry):
    """Three arms wound around one centre: radius r from 0.1 to 1, angle 2 pi (k / 3 + turns r) for arm k.

    Parameters
    ----------
    turns : float in [0, inf), default 0.75
        How often each arm goes around the centre; the more, the deeper a network must be.
    size, noise, seed
        See ToyEntry.
    """

    name = "spirals"
    title = "Three spirals, points in the plane"
    class_names = ("first", "second", "third")
    citation = (
        "K. J. Lang, M. J. Witbrock: Learning to Tell Two Spirals Apart. Connectionist Models Summer School, 1988."
    )

    def __init__(self, size: int = SIZE, noise: float = 0.03, seed: int = 0, turns: float = 0.75) -> None:
        super().__init__(size, noise, seed)
        self.turns = in_range("turns", turns, 0)

    def draw(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        rng = np.random.default_rng(self.seed)
        labels = np.arange(self.train_size) % len(self.class_names)
        radius = rng.uniform(0.1, 1.0, self.train_size)
        angle = 2 * np.pi * (labels / len(self.class_names) + self.turns * radius)
        points = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return points + rng.normal(0, self.noise, points.shape), labels
