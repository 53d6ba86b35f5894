"""A user's own images as numbers: a CSV file of pixels, or NumPy arrays in an .npz file."""

import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffnn.data.catalog import DATASETS
from ffnn.data.dataset import DataError, Dataset, check_labels
from ffnn.data.own_images import OwnEntry

LARGEST = 1 << 34
"""Bytes of arrays that are unpacked at most: a packed file of a few megabytes may hold any number of zeros."""


@DATASETS.register("csv")
class CsvImages(OwnEntry):
    """One image a line: its label, then its pixels, 0 to 255, row by row; with or without a line of headings.

    Labels are any words or numbers; classes are sorted, as numbers where all are whole numbers. So many pixels
    as make a square are one, otherwise an image is one row.

    Parameters
    ----------
    path : str
        A file in UTF-8 with commas between columns.
    """

    name = "csv"
    title = "Your images, a CSV file"

    def load(self, root: Path) -> Dataset:
        try:
            with self.path.open(encoding="utf-8-sig") as lines:
                rows = _Rows(self.path, lines)
                # With an array type of one byte, 256 and -1 are refused, not wrapped.
                images = np.loadtxt(rows, np.uint8, comments=None, delimiter=",", ndmin=2)
        except OSError as problem:
            raise DataError(f"{self.path}: cannot be read: {problem.strerror}") from problem
        except UnicodeDecodeError as problem:
            raise DataError(f"{self.path}: expected text in UTF-8, found {problem.reason}") from None
        except DataError:
            raise
        except ValueError as problem:
            what = str(problem).split(" to uint8")[0]
            raise DataError(f"{self.path}, line {rows.line}: expected whole pixels from 0 to 255: {what}") from None
        names = _sorted_labels(rows.labels)
        number = {name: label for label, name in enumerate(names)}
        return self.made(images, np.array([number[label] for label in rows.labels], np.int64), names)


class _Rows(Iterable[str]):
    """The pixels of each line as text, checked for their number, while the labels are put aside.

    Parameters
    ----------
    path : Path
        For messages.
    lines : iterable of str
    """

    def __init__(self, path: Path, lines: Iterable[str]) -> None:
        self.labels: list[str] = []
        self.line = 0
        self._path, self._lines = path, lines

    def __iter__(self) -> Iterator[str]:
        columns = 0
        for text in self._lines:
            self.line += 1
            label, _, pixels = text.strip().partition(",")
            if not label and not pixels:
                continue
            found = pixels.count(",") + 2 if pixels else 1
            if found < 2:
                raise DataError(
                    f"{self._path}, line {self.line}: expected a label, then pixels, found {text.strip()[:40]!r}"
                )
            if not columns:
                columns = found
                if not _is_whole(pixels.partition(",")[0]):
                    continue
            if found != columns:
                raise DataError(f"{self._path}, line {self.line}: expected {columns} columns, found {found}")
            self.labels.append(label.strip().strip('"'))
            yield pixels
        if not self.labels:
            raise DataError(f"{self._path}: expected lines of a label and pixels, found none")


def _is_whole(text: str) -> bool:
    """Whether it is a number rather than a heading: `pixel0`, `1x1`."""
    return text.strip().lstrip("+-").replace(".", "", 1).isdecimal()


def _sorted_labels(labels: list[str]) -> list[str]:
    """Every label once; in the order of numbers where all are."""
    found = set(labels)
    return sorted(found, key=int) if all(label.isdecimal() for label in found) else sorted(found)


@DATASETS.register("npz")
class NpzImages(OwnEntry):
    """NumPy arrays `images`, `labels` and, if wished, `class_names` in an .npz file; nothing in it is unpickled.

    images: uint8 (N, height, width), (N, height, width, 1 or 3) or (N, features). labels: whole numbers (N,) from 0.
    class_names: strings, one for each class; the numbers as they are without it.

    Parameters
    ----------
    path : str
    """

    name = "npz"
    title = "Your images, NumPy arrays"

    def load(self, root: Path) -> Dataset:
        arrays = self._read()
        for name in ("images", "labels"):
            if name not in arrays:
                raise DataError(f"{self.path}: expected arrays images and labels, found {', '.join(arrays) or 'none'}")
        images, labels = arrays["images"], arrays["labels"]
        if images.dtype != np.uint8 or images.ndim not in (2, 3, 4) or 0 in images.shape:
            raise self._wrong("images of type uint8, (N, h, w[, c]) or (N, features)", images)
        if images.ndim == 4 and images.shape[3] not in (1, 3):
            raise self._wrong("images of 1 or 3 channels", images)
        if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
            raise self._wrong(f"labels of a whole-number type, ({len(images)},)", labels)
        names = arrays.get("class_names")
        if names is not None and (names.dtype.kind != "U" or names.ndim != 1):
            raise self._wrong("class_names as strings, (classes,)", names)
        # Without names there are at most as many classes as images.
        check_labels(labels, len(labels) if names is None else len(names), f"{self.path}: labels")
        if names is None:
            names = np.arange(int(labels.max()) + 1).astype(str)
        images = images[..., 0] if images.ndim == 4 and images.shape[3] == 1 else images
        return self.made(images, labels.astype(np.int64), names.tolist())

    def _read(self) -> dict[str, NDArray[Any]]:
        try:
            with self.path.open("rb") as file:
                if file.read(2) != b"PK":
                    raise DataError(f"{self.path}: expected an .npz file, found another kind")
                if sum(member.file_size for member in zipfile.ZipFile(file).infolist()) > LARGEST:
                    raise DataError(f"{self.path}: expected arrays of at most {LARGEST:,} bytes, found larger ones")
                file.seek(0)
                with np.load(file, allow_pickle=False) as packed:
                    arrays = {name: packed[name] for name in packed.files}
        except OSError as problem:
            raise DataError(f"{self.path}: cannot be read: {problem.strerror or problem}") from problem
        except DataError:
            raise
        except (ValueError, EOFError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error) as problem:
            # RuntimeError: encrypted, or packed in a way that this Python cannot unpack.
            raise DataError(f"{self.path}: expected sound arrays without pickled objects, found {problem}") from None
        # NumPy hands over as bytes what is no array.
        return {name: array for name, array in arrays.items() if isinstance(array, np.ndarray)}

    def _wrong(self, expected: str, array: NDArray[Any]) -> DataError:
        return DataError(f"{self.path}: expected {expected}, found {array.dtype} {array.shape}")
