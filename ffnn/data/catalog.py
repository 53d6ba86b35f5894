"""The catalogue of data sets: what each is, where it lies and how it is had by name.

An entry registers itself where it is written, so adding a data set touches no other code.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from ffnn.data.dataset import DataError, Dataset
from ffnn.registry import Registry


class DatasetEntry(ABC):
    """One data set: what is known before any file is read, and how it is fetched and loaded.

    Attributes
    ----------
    name : str
        The name that it is registered by.
    title : str
        How people call it.
    class_names : tuple of str
    shape : tuple of int
        (height, width) or (height, width, channels).
    top : int
        The pixel value of full intensity.
    train_size, test_size : int
        Images, and how many more are the official test set (0: there is none).
    licence, citation, homepage : str
    """

    name: ClassVar[str]
    title: ClassVar[str]
    class_names: ClassVar[tuple[str, ...]]
    shape: ClassVar[tuple[int, ...]]
    top: ClassVar[int] = 255
    train_size: ClassVar[int]
    test_size: ClassVar[int] = 0
    licence: ClassVar[str]
    citation: ClassVar[str]
    homepage: ClassVar[str]

    @abstractmethod
    def location(self, root: Path) -> str:
        """Where it lies, or would lie, for `root` as the folder of all data sets."""

    @abstractmethod
    def missing(self, root: Path) -> list[str]:
        """The files that are not there; empty when it can be loaded."""

    @abstractmethod
    def fetch(self, root: Path) -> None:
        """Download the files that are missing."""

    @abstractmethod
    def load(self, root: Path) -> Dataset:
        """Read and check all files; nothing may be missing."""


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

    Parameters
    ----------
    name : str, or mapping of a name and options
        As in `DATASETS`.
    data_dir : path, optional
        Folder of all data sets in torchvision's layout; see `data_root`.
    download : bool, default True
        Whether files that are not there may be downloaded.

    Raises
    ------
    FFNNError
        There is no such data set.
    DataError
        Its files are damaged, or absent and not to be had.

    Examples
    --------
    >>> digits = load("digits")
    >>> len(digits), digits.shape, digits.top
    (1797, (8, 8), 16)
    """
    entry, root = DATASETS.create(name), data_root(data_dir)
    missing = entry.missing(root)
    if missing and not download:
        raise DataError(
            f"{entry.name}: expected {', '.join(missing)} in {entry.location(root)}, found none of "
            f"{'them' if len(missing) > 1 else 'that name'}; `ffnn data fetch {entry.name}` downloads, "
            "and --data_dir or $FFNN_DATA_DIR names another folder"
        )
    if missing:
        entry.fetch(root)
    return entry.load(root)
