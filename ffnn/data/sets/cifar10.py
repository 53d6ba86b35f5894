"""CIFAR-10, 60,000 small photographs: its "python version" as torchvision keeps it, or its binary version.

Both store an image as three planes; here the channels of a pixel are made neighbours, once, on the way into the pool.
"""

import hashlib
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ffnn.data.archives import extract_tar
from ffnn.data.catalog import DATASETS, DatasetEntry, Published
from ffnn.data.dataset import DataError, Dataset, check_label_range
from ffnn.data.download import RemoteFile, download
from ffnn.data.unpickle import array_of, unpickle

SIDE = 32
PIXELS = SIDE * SIDE
RECORD = 1 + 3 * PIXELS
"""Bytes of an image in the binary version: its label, then its red, green and blue plane."""

LARGEST_BATCH = 1 << 26
"""Bytes of a pickled batch that are read at most; the published ones have 31 million."""

META = "batches.meta"


@DATASETS.register("cifar10")
class Cifar10(DatasetEntry):
    """60,000 photographs of ten kinds of things, 32 x 32 pixels in colour."""

    name = "cifar10"
    title = "CIFAR-10"
    class_names = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    shape = (SIDE, SIDE, 3)
    train_size = 50_000
    test_size = 10_000
    published = Published((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616), (5_000,) * 10, (1_000,) * 10)
    licence = "none stated; collected for research"
    citation = "A. Krizhevsky: Learning Multiple Layers of Features from Tiny Images. University of Toronto, 2009"
    homepage = "https://www.cs.toronto.edu/~kriz/cifar.html"
    folder = "cifar-10-batches-py"
    binary_folder = "cifar-10-batches-bin"
    batches = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
    mirrors: ClassVar[tuple[str, ...]] = (
        "https://www.cs.toronto.edu/~kriz/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    )
    # The SHA-256 is that of the archive whose MD5, c58f30108f718f92721af3b95e74349a, torchvision records.
    archive = RemoteFile(
        "cifar-10-python.tar.gz", 170_498_071, "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
    )
    # MD5 of the published files, as torchvision records them.
    checksums: ClassVar[dict[str, str]] = {
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
    }

    def location(self, root: Path) -> str:
        return str(root / (self.binary_folder if self._is_binary(root) else self.folder))

    def missing(self, root: Path) -> list[str]:
        if self._is_binary(root):
            return []
        return [name for name in (*self.batches, META) if not (root / self.folder / name).is_file()]

    def fetch(self, root: Path) -> None:
        if self.missing(root):
            members = {f"{self.folder}/{name}": name for name in (*self.batches, META)}
            download(
                self.title,
                [self.archive],
                self.mirrors,
                root / self.folder,
                lambda path, out: extract_tar(path, members, out),
                lambda: self.missing(root),
            )

    def load(self, root: Path) -> Dataset:
        size, count = self.train_size + self.test_size, self.test_size
        images = np.empty((size, SIDE, SIDE, 3), np.uint8)
        labels = np.empty(size, np.int64)
        binary = self._is_binary(root)
        if not binary:
            self._check_meta(root / self.folder / META)
        for number, name in enumerate(self.batches):
            rows = slice(number * count, (number + 1) * count)
            if binary:
                path = root / self.binary_folder / f"{name}.bin"
                planes = _read_binary(path, count, labels[rows])
            else:
                path = root / self.folder / name
                planes = _read_pickle(path, count, number + 1, labels[rows])
            check_label_range(labels[rows], len(self.class_names), str(path))
            for channel in range(3):
                images[rows, ..., channel] = planes[:, channel]
        return self.dataset(images, labels, self.location(root), self.test_size)

    def remarks(self, root: Path, dataset: Dataset) -> list[str]:
        """Whether the pickles are the published ones to the last byte; copies made from JPEG files are not."""
        if self._is_binary(root):
            return []
        other = [name for name, checksum in self.checksums.items() if _md5(root / self.folder / name) != checksum]
        return [f"a copy: {len(other)} of {len(self.checksums)} files differ from the published ones"] if other else []

    def _is_binary(self, root: Path) -> bool:
        """Whether the binary version is there and the other, which is preferred, is not whole."""
        pickled = all((root / self.folder / name).is_file() for name in (*self.batches, META))
        return not pickled and all((root / self.binary_folder / f"{name}.bin").is_file() for name in self.batches)

    def _check_meta(self, path: Path) -> None:
        names = unpickle(path, LARGEST_BATCH).get(b"label_names")
        expected = [name.encode() for name in self.class_names]
        stored = [name.encode() if isinstance(name, str) else name for name in names] if isinstance(names, list) else []
        if stored != expected:
            raise DataError(f"{path}: expected the label_names {', '.join(self.class_names)}, found {names!r:.100}")


def _read_pickle(path: Path, count: int, number: int, labels: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Fill `labels`; the planes (count, 3, 32, 32) of a pickled batch. Batches 1 to 5 train, batch 6 tests."""
    batch = unpickle(path, LARGEST_BATCH)
    title = b"testing batch 1 of 1" if number == 6 else b"training batch %d of 5" % number
    stated: Any = batch.get(b"batch_label", title)
    if stated not in (title, title.decode()):
        raise DataError(f"{path}: expected the {title.decode()}, found {stated!r:.100}")
    listed = batch.get(b"labels")
    if not isinstance(listed, list) or len(listed) != count or not all(type(label) is int for label in listed):
        what = f"{len(listed)} values" if isinstance(listed, list) else type(listed).__name__
        raise DataError(f"{path}: expected a list of {count} whole labels, found {what}")
    for extreme in (min(listed), max(listed)):
        if not 0 <= extreme < 256:
            raise DataError(f"{path}: expected labels of one byte, found {extreme}")
    labels[:] = listed
    return array_of(path, batch.get(b"data"), (count, 3 * PIXELS)).reshape(count, 3, SIDE, SIDE)


def _read_binary(path: Path, count: int, labels: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Fill `labels`; the planes (count, 3, 32, 32) of a batch of the binary version."""
    try:
        size = path.stat().st_size
        if size != count * RECORD:
            raise DataError(f"{path}: expected {count * RECORD} bytes ({count} records of {RECORD}), found {size}")
        records = np.fromfile(path, np.uint8).reshape(count, RECORD)
    except OSError as problem:
        raise DataError(f"{path}: cannot be read: {problem.strerror or problem}") from problem
    labels[:] = records[:, 0]
    return records[:, 1:].reshape(count, 3, SIDE, SIDE)


def _md5(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, partial(hashlib.md5, usedforsecurity=False)).hexdigest()
