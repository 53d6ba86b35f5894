"""A data set in memory: every image in one uint8 array, and what is known about it.

Everything downstream takes images by row number, so no part, batch or picture needs a copy of the whole.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffnn.errors import FFNNError


class DataError(FFNNError):
    """A data set is absent, damaged or unfit for what is asked of it."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images. Rows 0 to N - 1: training images first, then the official test set.

    DataError where something below does not hold.

    Parameters
    ----------
    name : str
        As in the registry `DATASETS`.
    images : uint8 array (N, features), C-contiguous
        Pixels from 0 to `top`, row by row; the channels of a pixel are neighbours.
    labels : int64 array (N,)
        From 0 to len(class_names) - 1.
    class_names : tuple of str
    shape : tuple of int
        (height, width) or (height, width, channels); its product is `features`.
    top : int, 1 to 255
        The pixel value of full intensity.
    official_test : int, 0 <= official_test < N
        How many of the last rows are the official test set; 0 where there is none.
    source : str
        Where the images came from: a folder, or a package and its version.

    Examples
    --------
    >>> pixels = np.array([[0, 16, 8, 4], [1, 2, 3, 4]], dtype=np.uint8)
    >>> tiny = Dataset("tiny", pixels, np.array([0, 1]), ("a", "b"), (2, 2), top=16, official_test=1, source="memory")
    >>> tiny.image(0)
    array([[  0, 255],
           [128,  64]], dtype=uint8)
    """

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    shape: tuple[int, ...]
    top: int
    official_test: int
    source: str

    def __post_init__(self) -> None:
        size, features = len(self.labels), int(np.prod(self.shape))
        for what, expected, found in (
            ("images of type", np.dtype(np.uint8), self.images.dtype),
            ("labels of type", np.dtype(np.int64), self.labels.dtype),
            ("labels of shape", (size,), self.labels.shape),
            ("images of shape", (size, features), self.images.shape),
            ("C-contiguous images:", True, bool(self.images.flags.c_contiguous)),
        ):
            if expected != found:
                raise DataError(f"{self.name} ({self.source}): expected {what} {expected}, found {found}")
        if not 0 <= self.official_test < size:
            raise DataError(
                f"{self.name} ({self.source}): expected an official test set smaller than all {size} images, "
                f"found {self.official_test}"
            )
        check_label_range(self.labels, len(self.class_names), f"{self.name} ({self.source})")
        brightest = int(self.images.max())
        if brightest > self.top:
            raise DataError(f"{self.name} ({self.source}): expected pixels from 0 to {self.top}, found {brightest}")

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def features(self) -> int:
        """Values in one image."""
        return int(self.images.shape[1])

    @cached_property
    def digest(self) -> str:
        """SHA-256, in hex, of images, labels and what gives them meaning; the same wherever the files lie."""
        meaning = [self.shape, self.top, self.official_test, self.class_names]
        digest = hashlib.sha256(json.dumps(meaning).encode())
        digest.update(self.images.data)
        digest.update(self.labels.astype("<i8").tobytes())
        return digest.hexdigest()

    def image(self, row: int) -> NDArray[np.uint8]:
        """One image to look at: (height, width[, channels]), 0 to 255."""
        return self.display(self.images[row])

    def display(self, pixels: NDArray[Any]) -> NDArray[np.uint8]:
        """Pixels from 0 to `top`, (..., features), as images to look at: (..., height, width[, channels]), 0 to 255."""
        images = np.clip(pixels, 0, self.top).reshape(*pixels.shape[:-1], *self.shape)
        return np.asarray(np.rint(images * (255 / self.top)), np.uint8)


def check_label_range(labels: NDArray[np.integer[Any]], classes: int, where: str, first: int = 0) -> None:
    """Raise a DataError that names `where` unless every label lies between `first` and first + classes - 1."""
    last = first + classes - 1
    for extreme in (int(labels.min()), int(labels.max())):
        if not first <= extreme <= last:
            raise DataError(f"{where}: expected labels from {first} to {last}, found {extreme}")
