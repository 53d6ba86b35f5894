"""From pixels to network inputs and back: one multiplication and one addition a value.

Images stay uint8 in memory; the two vectors of a `Normalization` are applied while a batch is gathered.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffnn.data.dataset import DataError, Dataset
from ffnn.registry import Registry

LEVELS = 256
"""Values that a uint8 pixel can take."""

BLOCK = 1 << 22
"""Pixels counted at a time: counting needs them as int64, 32 MiB."""


@dataclass(frozen=True, eq=False)
class Normalization:
    """value = pixel * scale + shift, both of shape (features,)."""

    scale: NDArray[np.float64]
    shift: NDArray[np.float64]

    def apply(self, pixels: NDArray[Any]) -> NDArray[np.float64]:
        """Network inputs (..., features) for pixels (..., features)."""
        return pixels * self.scale + self.shift

    def restore(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """The nearest pixels (..., features); `Dataset.display` makes images of them."""
        return np.rint(np.clip((values - self.shift) / self.scale, 0, LEVELS - 1)).astype(np.uint8)


NORMALIZATIONS: Registry[Normalization] = Registry("normalization")
"""Kinds of normalization by name; each is fitted to a data set and the rows that train."""


def fit_normalization(kind: str, dataset: Dataset, train_indices: NDArray[np.int64]) -> Normalization:
    """The normalization `kind` of `dataset`.

    DataError for standardize where all training pixels of a channel are equal.

    Parameters
    ----------
    kind : "unit", "signed" or "standardize"
        unit: [0, 1]. signed: [-1, 1]. standardize: mean 0 and variance 1 over all training pixels
        of a channel together.
    dataset : Dataset
    train_indices : int64 array
        Rows that statistics are taken from, so that val and test stay unseen.

    Examples
    --------
    >>> pixels = np.array([[0, 255], [0, 255]], np.uint8)
    >>> data = Dataset("two", pixels, np.array([0, 1]), ("a", "b"), (1, 2), 255, 0, "memory")
    >>> fit_normalization("signed", data, np.array([0])).apply(pixels[0])
    array([-1.,  1.])
    """
    return NORMALIZATIONS[kind](dataset, train_indices)


def pixel_statistics(dataset: Dataset, rows: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation, each (channels,), of the pixels of `rows`, in units of `top`.

    They come from counts of the 256 values, so no copy of the images is made.
    """
    channels = dataset.shape[2] if len(dataset.shape) == 3 else 1
    counts = np.zeros((channels, LEVELS), np.int64)
    step = max(1, BLOCK // dataset.features)
    for start in range(0, len(rows), step):
        pixels = dataset.images[rows[start : start + step]].reshape(-1, channels)
        for channel in range(channels):
            counts[channel] += np.bincount(pixels[:, channel], minlength=LEVELS)
    total, values = counts.sum(axis=1), np.arange(LEVELS)
    mean = counts @ values / total
    variance = (counts * (values - mean[:, None]) ** 2).sum(axis=1) / total
    return mean / dataset.top, np.sqrt(variance) / dataset.top


@NORMALIZATIONS.register("unit")
def _unit(dataset: Dataset, train_indices: NDArray[np.int64]) -> Normalization:
    return _constant(dataset, 1 / dataset.top, 0.0)


@NORMALIZATIONS.register("signed")
def _signed(dataset: Dataset, train_indices: NDArray[np.int64]) -> Normalization:
    return _constant(dataset, 2 / dataset.top, -1.0)


def _constant(dataset: Dataset, scale: float, shift: float) -> Normalization:
    return Normalization(np.full(dataset.features, scale), np.full(dataset.features, shift))


@NORMALIZATIONS.register("standardize")
def _standardize(dataset: Dataset, train_indices: NDArray[np.int64]) -> Normalization:
    mean, std = pixel_statistics(dataset, train_indices)
    if not std.all():
        raise DataError(
            f"normalize=standardize: expected training pixels of {dataset.name} that differ, found all equal; "
            "use normalize=unit"
        )
    repeats = dataset.features // len(mean)
    return Normalization(np.tile(1 / (std * dataset.top), repeats), np.tile(-mean / std, repeats))
