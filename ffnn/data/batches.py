"""Mini-batches: indices into a uint8 pool, scaled to floats while they are gathered.

No copy of the images is made but the batch at hand, and the order of an epoch is a pure function
of seed and epoch, so a resumed run sees the batches of the uninterrupted one.
"""

import math
from collections.abc import Callable, Iterator
from copy import copy

import numpy as np
from numpy.typing import NDArray

from ffnn.backend.engine import Array, Engine, unexplained
from ffnn.backend.fit import check_rows, check_type, described
from ffnn.backend.formulas import value_itself
from ffnn.backend.host_pool import HostPool
from ffnn.backend.stacked import StackedArray, StackedEngine
from ffnn.backend.workspace import Workspace
from ffnn.errors import FFNNError
from ffnn.ranges import positive_integer
from ffnn.registry import Registry


def normalized_pixel(pixel, scale, shift):
    """The network input that a pixel becomes."""
    return pixel * scale + shift


Sampler = Callable[[NDArray[np.int64], np.random.Generator], NDArray[np.int64]]
"""From the labels of some rows, the places of those that an epoch uses, as many as there are rows, in their order."""

SAMPLERS: Registry[NDArray[np.int64]] = Registry("sampling")


@SAMPLERS.register("shuffled")
def shuffled(labels: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Every row once."""
    return rng.permutation(len(labels))


@SAMPLERS.register("balanced")
def balanced(labels: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Every class equally often, to within one: rare classes are repeated, common ones thinned out.

    A class's rows all come once before one of them comes again.

    Examples
    --------
    >>> labels = np.array([0, 0, 0, 0, 0, 1])
    >>> np.bincount(labels[balanced(labels, np.random.default_rng(0))]).tolist()
    [3, 3]
    """
    classes = np.unique(labels)
    quota = np.full(len(classes), len(labels) // len(classes))
    quota[rng.permutation(len(classes))[: len(labels) % len(classes)]] += 1
    chosen = []
    for number, count in zip(classes, quota, strict=True):
        rows = np.flatnonzero(labels == number)
        rounds = [rng.permutation(rows) for _ in range(-(-int(count) // len(rows)))]
        chosen.append(np.concatenate([rows[:0], *rounds])[:count])
    return rng.permutation(np.concatenate(chosen))


class Pool:
    """All images of a data set where the engine can read them, shared by training, validation and test.

    FFNNError where their shapes do not fit each other, labels are no class numbers, or values are of another type.

    Parameters
    ----------
    engine : Engine
    images : uint8 array (pool_size, features)
        Or of another type of whole numbers, float32 or float64, in the machine's order of bytes.
    labels : int array (pool_size,)
    scale, shift : float arrays (features,)
        value = pixel * scale + shift.
    """

    def __init__(
        self,
        engine: Engine,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64],
        scale: NDArray[np.float64],
        shift: NDArray[np.float64],
    ) -> None:
        arrays = isinstance(images, np.ndarray) and isinstance(labels, np.ndarray)
        if not arrays or images.ndim != 2 or labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
            expected = "images (rows, features), and whole numbers of shape (rows,) as labels"
            raise FFNNError(f"a pool: expected {expected}; received {described(images)} and {described(labels)}")
        check_type("the images of a pool", images)
        vectors = [isinstance(v, np.ndarray) and v.shape == images.shape[1:] for v in (scale, shift)]
        if not all(vectors):
            received = f"{described(scale)} and {described(shift)}"
            raise FFNNError(f"a pool: expected scale and shift of shape {images.shape[1:]}; received {received}")
        for name, vector in (("scale", scale), ("shift", shift)):
            check_type(f"the {name} of a pool", vector)
        self.labels = labels
        self.features = images.shape[1]
        self._images = engine.share(images)
        self._vectors: tuple[Array, ...] = (engine.array(scale), engine.array(shift))
        self._take_engine(engine)

    def _take_engine(self, engine: Engine) -> None:
        self.engine = engine
        self._gather = unexplained(engine.gather(normalized_pixel))
        self._gather_pixels = engine.gather(value_itself)
        self._normalize = engine.update(normalized_pixel)

    @property
    def on_host(self) -> bool:
        """Whether the images are not where the engine computes, so that every batch has to travel."""
        images = self._images.values if isinstance(self._images, StackedArray) else self._images
        return isinstance(images, HostPool)

    def numbers(self, rows: NDArray[np.int64]) -> Array:
        """Numbers of rows, where `gather` takes them without waiting."""
        return rows if self.on_host else self.engine.array(rows, np.int64)

    def stacked(self, engine: StackedEngine) -> "Pool":
        """The same images, shared by all members of a stack."""
        pool = copy(self)
        pool._images = StackedArray(self._images[None])
        pool._vectors = tuple(StackedArray(vector[None]) for vector in self._vectors)
        pool._take_engine(engine)
        return pool

    def gather(self, rows: Array, out: Array) -> None:
        """out[i] = the scaled image of pool row rows[i]."""
        self._gather(out, self._images, rows, self._vectors)

    def warp(self, rows: Array, shape: tuple[int, int, int], source: Array, out: Array) -> None:
        """out[i] = the moved image of pool row rows[i], as pixels; see `Engine.warp`."""
        self.engine.warp(self._images, rows, shape, source, out)

    def pixels(self, rows: Array, out: Array) -> None:
        """out[i] = the image of pool row rows[i], as pixels."""
        self._gather_pixels(out, self._images, rows, ())

    def normalize(self, values: Array) -> None:
        """Scale pixels in place."""
        self._normalize((values,), self._vectors, ())


class Batches:
    """Some rows of a pool, batch by batch.

    FFNNError for no rows at all, and for rows that the pool does not have.

    Parameters
    ----------
    pool : Pool
    indices : int array
        Which rows of the pool.
    batch_size : int >= 1
        The last batch of an epoch is smaller where it does not divide the number of rows.
    shuffle_seed : int, optional
        With it every epoch has its own order; without it the order of `indices` is kept.
    sampler : Sampler, default shuffled
        What an epoch draws from the rows, where there is a seed.
    """

    def __init__(
        self,
        pool: Pool,
        indices: NDArray[np.int64],
        batch_size: int,
        shuffle_seed: int | None = None,
        sampler: Sampler | None = None,
    ) -> None:
        if not isinstance(indices, np.ndarray) or indices.ndim != 1 or not len(indices):
            raise FFNNError(f"batches: expected row numbers, at least one; received {described(indices)}")
        check_rows(indices, pool.labels)
        self.engine = pool.engine
        self.size = len(indices)
        self.batch_size = min(positive_integer("batch_size", batch_size), self.size)
        self.pool, self._indices = pool, indices
        self._shuffle_seed = shuffle_seed
        self._sampler = sampler or shuffled
        self._workspace = Workspace(pool.engine)
        self._orders: dict[int, NDArray[np.int64]] = {}

    @property
    def labels(self) -> NDArray[np.int64]:
        """Those of its rows."""
        return self.pool.labels[self._indices]

    def __len__(self) -> int:
        """Batches in an epoch."""
        return math.ceil(self.size / self.batch_size)

    def epoch(self, number: int = 0, place: int = 0) -> Iterator[tuple[Array, Array]]:
        """(inputs, labels) of every batch of epoch `number`, from a place on; the next one overwrites inputs."""
        remaining = self.order(number)[place * self.batch_size :]
        labels = self.engine.array(self.pool.labels[remaining], np.int64)
        rows = self.pool.numbers(remaining)
        for start in range(0, len(remaining), self.batch_size):
            chosen = rows[start : start + self.batch_size]
            inputs = self._workspace("inputs", len(chosen), self.pool.features)
            self.pool.gather(chosen, inputs)
            yield inputs, labels[start : start + self.batch_size]

    def order(self, number: int) -> NDArray[np.int64]:
        """The rows of epoch `number`, in its order; those of the two epochs asked for last are kept."""
        if number not in self._orders:
            for old in [*self._orders][:-1]:
                del self._orders[old]
            self._orders[number] = self._drawn(number)
        return self._orders[number]

    def _drawn(self, number: int) -> NDArray[np.int64]:
        if self._shuffle_seed is None:
            return self._indices
        rng = np.random.default_rng([self._shuffle_seed, number])
        # The usual sampler asks for the number of rows alone, so that no labels need to be gathered for it.
        drawn = self._sampler(self._indices if self._sampler is shuffled else self.labels, rng)
        if np.shape(drawn) != self._indices.shape:
            raise FFNNError(f"a sampler: expected {self.size} places, as many as rows; received {described(drawn)}")
        places = np.asarray(drawn)
        if places.dtype.kind not in "iu" or not 0 <= places.min() <= places.max() < self.size:
            received = f"{places.min()} to {places.max()}" if places.dtype.kind in "iu" else described(places)
            raise FFNNError(f"a sampler: expected whole numbers from 0 to {self.size - 1}; received {received}")
        return self._indices[drawn]
