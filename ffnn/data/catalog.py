"""The catalogue of data sets: what each is, where it lies and how it is had by name.

An entry registers itself where it is written, so adding a data set touches no other code.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ffnn.data.dataset import DataError, Dataset
from ffnn.registry import Registry


@dataclass(frozen=True)
class Published:
    """What is known of the published images, for `ffnn data verify` to compare with; empty where it is not known.

    `mean` and `std` are those of all training pixels of a channel, in units of full intensity, to four digits; counts
    are images of each class.
    """

    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    train_counts: tuple[int, ...] = ()
    test_counts: tuple[int, ...] = ()


class DatasetEntry(ABC):
    """One data set: what is known before any file is read, and how it is fetched and loaded.

    It is registered by its `name`, and people call it by its `title`. Its shape is (height, width) or (height, width,
    channels); `top` is the pixel value of full intensity. There are `train_size` images, and `test_size` more that are
    the official test set (0: there is none).
    """

    name: ClassVar[str]
    title: str
    class_names: tuple[str, ...]
    shape: tuple[int, ...]
    top: int = 255
    train_size: int
    test_size: int = 0
    published: Published = Published()
    licence: ClassVar[str]
    citation: ClassVar[str]
    homepage: ClassVar[str]

    @property
    def call(self) -> str:
        """What to write after a command of `ffnn data`: the name, and options that are not as they are by default."""
        return self.name

    def variants(self) -> "Sequence[DatasetEntry]":
        """The entries that this name stands for, one for each choice of its options."""
        return [self]

    @abstractmethod
    def location(self, root: Path) -> str:
        """Where it lies, or would lie, for `root` as the folder of all data sets."""

    def missing(self, root: Path) -> list[str]:
        """The files that are not there; empty when it can be loaded, as where nothing is ever downloaded."""
        return []

    def fetch(self, root: Path) -> None:  # noqa: B027 - most have nothing to download
        """Download the files that are missing."""

    @abstractmethod
    def load(self, root: Path) -> Dataset:
        """Read and check all files; nothing may be missing."""

    def dataset(self, images: NDArray[np.uint8], labels: NDArray[Any], source: str, official_test: int = 0) -> Dataset:
        """The data set of images (N, ...) of this entry, labels from 0, and where they came from."""
        pool = np.ascontiguousarray(images).reshape(len(images), -1)
        whole = labels.astype(np.int64)
        return Dataset(self.name, pool, whole, self.class_names, self.shape, self.top, official_test, source)

    def anchored(self, spec: str | Mapping[str, Any]) -> str | dict[str, Any]:
        """What made this entry, a name or a mapping, so that it means the same in any other working folder."""
        return spec if isinstance(spec, str) else dict(spec)

    def remarks(self, root: Path, dataset: Dataset) -> list[str]:
        """In what the loaded files differ from the published ones without being wrong; empty where in nothing."""
        return []


DATASETS: Registry[DatasetEntry] = Registry("data set")
"""Data sets by name."""


def data_root(data_dir: str | os.PathLike[str] | None = None) -> Path:
    """The folder of all data sets: `data_dir`, else $FFNN_DATA_DIR, else the user's cache directory.

    The first that is given counts alone: files are looked for and downloaded there and nowhere else.

    Examples
    --------
    >>> data_root("images").name
    'images'
    """
    chosen = data_dir or os.environ.get("FFNN_DATA_DIR")
    if not chosen:
        import pooch

        chosen = pooch.os_cache("ffnn")
    return Path(chosen).expanduser().absolute()


def load(
    name: str | Mapping[str, Any], data_dir: str | os.PathLike[str] | None = None, *, download: bool = True
) -> Dataset:
    """The data set `name`, read into memory and checked.

    FFNNError if there is no such data set; DataError if its files are damaged, or absent and not to be had.

    Parameters
    ----------
    name : str, or mapping of a name and options
        As in `DATASETS`.
    data_dir : path, optional
        Folder of all data sets in torchvision's layout; see `data_root`.
    download : bool, default True
        Whether files that are not there may be downloaded.

    Examples
    --------
    >>> digits = load("digits")
    >>> len(digits), digits.shape, digits.top
    (1797, (8, 8), 16)
    """
    return load_entry(DATASETS.create(name), data_root(data_dir), download=download)


def load_entry(entry: DatasetEntry, root: Path, *, download: bool = True) -> Dataset:
    """As `load`, for an entry of the catalogue and the folder of all data sets."""
    missing = entry.missing(root)
    if missing and not download:
        raise DataError(
            f"{entry.call}: expected {', '.join(missing)} in {entry.location(root)}, found none of "
            f"{'them' if len(missing) > 1 else 'that name'}; `ffnn data fetch {entry.call}` downloads, "
            "and --data_dir or $FFNN_DATA_DIR names another folder"
        )
    if missing:
        entry.fetch(root)
    return entry.load(root)
