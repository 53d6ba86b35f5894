"""Augmented mini-batches: prepared in a thread of their own while the network computes on the batch before.

The draws of a batch depend on seed, epoch and its place in the epoch alone, so neither the thread nor
a resumed run changes them.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ffnn.backend.engine import Array
from ffnn.backend.formulas import product, value_itself
from ffnn.data.augment import Augmentation, source_places
from ffnn.data.batches import Batches, Pool, Sampler

T = TypeVar("T")


class Stopwatch:
    """Adds up the `seconds` that pass inside `with` blocks."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._start


def added(value, other):
    """value + other."""
    return value + other


def mixed(value, other, share):
    """share * value + (1 - share) * other."""
    return share * value + (1.0 - share) * other


class AugmentedBatches(Batches):
    """Shuffled batches of augmented images; `seed` decides the order and every draw.

    Augmentations act in their order; `shape` is (height, width) or (height, width, channels) of the pool's images,
    `top` the pixel value of full intensity; the rest is as for `Batches`. Of the latest epoch, the stopwatch
    `preparing` tells what the other thread took to prepare its batches (on a GPU, to ask for it), and `waiting` what
    the reader did in waiting for them.
    """

    def __init__(
        self,
        pool: Pool,
        indices: NDArray[np.int64],
        batch_size: int,
        seed: int,
        augmentations: Sequence[Augmentation],
        shape: tuple[int, ...],
        top: int,
        num_classes: int,
        sampler: Sampler | None = None,
    ) -> None:
        super().__init__(pool, indices, batch_size, seed, sampler)
        height, width, *channels = shape
        self._shape = (height, width, channels[0] if channels else 1)
        self._seed, self._augmentations = seed, augmentations
        self._top, self._num_classes = top, num_classes
        self._multiply, self._add = pool.engine.update(product), pool.engine.update(added)
        self.preparing, self.waiting = Stopwatch(), Stopwatch()
        self._mix, self._reorder = pool.engine.update(mixed), pool.engine.gather(value_itself)

    def epoch(self, number: int = 0, place: int = 0) -> Iterator[tuple[Array, Array]]:
        """(inputs, labels) of every batch of epoch `number`, from a place on; the next but one overwrites inputs.

        Where images are mixed, labels are targets (batch_size, num_classes).
        """
        rows = self.order(number)
        self.preparing, self.waiting = preparing, waiting = Stopwatch(), Stopwatch()

        def prepare(place: int) -> tuple[Array, Array]:
            chosen = rows[place * self.batch_size : (place + 1) * self.batch_size]
            with preparing:
                return self._prepare(chosen, np.random.default_rng([self._seed, number, place]), place % 2)

        yield from one_ahead(prepare, range(place, len(self)), waiting)

    def _prepare(self, rows: NDArray[np.int64], rng: np.random.Generator, side: int) -> tuple[Array, Array]:
        """A batch in the buffers of one of two sides: while one is computed with, the other is filled."""
        engine, count, (height, width, channels) = self.engine, len(rows), self._shape
        inputs = self._workspace(f"inputs{side}", count, self.pool.features)
        places = source_places(self._augmentations, count, (height, width), rng)
        if places is None:
            self.pool.pixels(self.pool.numbers(rows), inputs)
        else:
            self.pool.warp(self.pool.numbers(rows), self._shape, engine.array(places), inputs)
        for augmentation in self._augmentations:
            operator = augmentation.operator(self._shape)
            if operator is not None:
                smoothed = self._workspace(f"smoothed{side}", count, self.pool.features)
                engine.matmul(inputs, engine.array(operator), smoothed)
                inputs = smoothed
            factors = augmentation.factors(count, (height, width), rng)
            if factors is not None:
                self._multiply((inputs,), (engine.array(np.repeat(factors.reshape(count, -1), channels, axis=1)),), ())
            noise = augmentation.noise(tuple(inputs.shape), rng)
            if noise is not None:
                self._add((inputs,), (engine.array(self._top * noise),), ())
        self.pool.normalize(inputs)
        labels = engine.array(self.pool.labels[rows], np.int64)
        for augmentation in self._augmentations:
            share = augmentation.mixing(rng)
            if share is not None:
                labels = self._mixed_with_itself(inputs, labels, share, rng, side)
        return inputs, labels

    def _mixed_with_itself(
        self, inputs: Array, labels: Array, share: float, rng: np.random.Generator, side: int
    ) -> Array:
        """Mix inputs in place; return the mixed targets."""
        targets = labels
        if labels.ndim == 1:
            targets = self._workspace(f"targets{side}", len(labels), self._num_classes)
            self.engine.one_hot(labels, 1.0, 0.0, targets)
        order = self.engine.array(rng.permutation(len(inputs)), np.int64)
        for name, values in (("inputs", inputs), ("targets", targets)):
            other = self._workspace(f"other_{name}{side}", *values.shape)
            self._reorder(other, values, order, ())
            self._mix((values,), (other,), (share,))
        return targets


def one_ahead(prepare: Callable[[int], T], places: Sequence[int], waiting: Stopwatch) -> Iterator[T]:
    """`prepare` of one place after the other: each made by another thread while the one before is in use.

    There is at least one place; `waiting` runs while the next one is wanted and not there.

    Examples
    --------
    >>> list(one_ahead(lambda number: number * number, range(4), Stopwatch()))
    [0, 1, 4, 9]
    """
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as thread:
        coming = thread.submit(prepare, places[0])
        for following in (*places[1:], None):
            with waiting:
                ready = coming.result()
            if following is not None:
                coming = thread.submit(prepare, following)
            yield ready
