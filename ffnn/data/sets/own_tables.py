"""A user's own images as numbers: a CSV file of pixels, or NumPy arrays in an .npz file."""

import csv
import functools
import re
import zipfile
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffnn.csv_file import NUMBER
from ffnn.data.catalog import DATASETS
from ffnn.data.dataset import DataError, Dataset, check_label_range
from ffnn.data.sets.own_images import LONGEST_NAME, OwnEntry
from ffnn.npy import UNSOUND, Heading, read_headings
from ffnn.words import visible

SURELY_HEADINGS = 16
"""Columns of pixels that count themselves: no image of so many does."""

OF_LABELS = ("label", "labels", "class", "target", "category", "y")
"""What the column of labels is usually called."""

_FLOAT = re.compile(r"[.eE]")


@DATASETS.register("csv")
class CsvImages(OwnEntry):
    """One image a line: its label, then its pixels, 0 to 255, row by row; with or without a line of headings.

    Labels are any words or numbers. Numbers come first, by value, and 2 and 2.0 are one class, called as it is written
    shortest; then words by the alphabet. So many pixels as make a square are one, otherwise an image is one row.

    The first line is headings where no pixel in it is a number (`label,p0,p1`), and where its pixels count the
    columns (`label,0,1,2`) and are many, or its label is such a word, or the only one that is no number.

    Cells may be in double quotes (`"Smith, J","0","1"`), and whole pixels written as floats (`1.0`, `1.2e+01`).

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
            found = "found an empty cell" if what.endswith("string ''") else visible(what)[:80]
            raise DataError(f"{self.path}, line {rows.line}: expected whole pixels from 0 to 255: {found}") from None
        first = rows.headings
        if len(images) == first:
            raise DataError(f"{self.path}: expected lines of a label and pixels, found headings only")
        names, labels = _classes(rows.labels[first:])
        self.check_size(self.path, (1, images.shape[1]))  # all together they are in memory already
        return self.made(images[first:], labels, names)


class _Rows(Iterable[str]):
    """The pixels of each line as text, checked for their number, while the labels are put aside."""

    def __init__(self, path: Path, lines: Iterable[str]) -> None:
        self.labels: list[str] = []
        self.line = 0
        self._path, self._lines = path, lines
        self._counts = False
        self._quoted = 0

    @property
    def headings(self) -> int:
        """How many of the first rows are headings after all: 1 where one counts and its word is no label, else 0.

        Where its numbers are in quotes and no others are, it is headings, too.
        """
        word, labels = self.labels[0], self.labels[1:]
        if self._counts and self._quoted == 1:
            return 1
        if not self._counts or NUMBER.fullmatch(word) or word in labels:
            return 0
        return int(word.lower() in OF_LABELS or all(map(NUMBER.fullmatch, labels)))

    def __iter__(self) -> Iterator[str]:
        columns = 0
        for text in map(str.strip, self._lines):
            self.line += 1
            label, _, pixels = self._unquoted(text) if '"' in text else text.partition(",")
            if not label and not pixels:
                continue
            found = pixels.count(",") + 2 if pixels else 1
            if found < 2:
                hint = "; write commas between the columns"
                raise self._wrong(f"expected a label, then pixels, found '{visible(text[:40])}'{hint}")
            label = label.strip()
            if not columns:
                columns = found
                cells = [cell.strip() for cell in pixels.split(",")]
                self._check_headings(label, cells)
                self._counts = _count(cells)
                # Numbers in quotes may be headings: the next line tells.
                self._quoted = int(self._counts and text.endswith('"'))
                if _are_names(cells) or (self._counts and len(cells) >= SURELY_HEADINGS):
                    self._counts = False
                    continue
            elif self._quoted and text.endswith('"'):
                self._quoted += 1
            if found != columns:
                raise self._wrong(f"expected {columns} columns, found {found}")
            if not label:
                raise self._wrong("expected a label, found an empty cell")
            if len(label) > LONGEST_NAME:
                long = f"{len(label):,}: {visible(label[:20])}..."
                raise self._wrong(f"expected a label of at most {LONGEST_NAME} letters, found {long}")
            self.labels.append(label)
            yield ",".join(map(_in_digits, pixels.split(","))) if _FLOAT.search(pixels) else pixels
        if not self.labels:
            raise DataError(f"{self._path}: expected lines of a label and pixels, found none")

    def _unquoted(self, text: str) -> tuple[str, str, str]:
        """As `partition`: the label, and the pixels without quotes."""
        try:
            label, *cells = next(csv.reader([text], skipinitialspace=True))
        except csv.Error as problem:
            raise self._wrong(f"expected cells in pairs of quotes: {problem}") from None
        for cell in cells:
            # Joined again it would be two pixels, as 1,5 would where it is one and a half.
            if "," in cell:
                raise self._wrong(f"expected cells of one pixel, found '{visible(cell[:40])}'")
        return label, ",", ",".join(cells)

    def _check_headings(self, label: str, cells: list[str]) -> None:
        """DataError where another column than the first is called as one of labels is; y beside x is no such one."""
        names = [cell.lower() for cell in cells]
        of_labels = [name for name in OF_LABELS if name != "y" or "x" not in names]
        places = [number for number, name in enumerate(names, start=2) if name in of_labels]
        if places and label.lower() not in OF_LABELS:
            raise self._wrong(
                f"expected the labels in the first column, then pixels only, found '{visible(label[:40])}' as the "
                f"first and '{visible(cells[places[0] - 2])}' as column {places[0]}; make labels the first, and leave "
                "out what is no pixel"
            )

    def _wrong(self, what: str) -> DataError:
        return DataError(f"{self._path}, line {self.line}: {what}")


@functools.lru_cache(maxsize=1024)
def _in_digits(cell: str) -> str:
    """A whole number that is written as a float in digits alone; anything else as it is, to be refused.

    Pixels have few values: they are looked up, which is seven times as fast.

    Examples
    --------
    >>> [_in_digits(cell) for cell in ("1.0", "2.", "12", "2.550e+02", "0.5", "2.0.0")]
    ['1', '2', '12', '255', '0.5', '2.0.0']
    """
    value = float(cell) if NUMBER.fullmatch(cell.strip()) else 0.5
    return str(int(value)) if value.is_integer() else cell


def _are_names(cells: list[str]) -> bool:
    """Whether no cell is a number, and one says something: `pixel0`, `1x1`."""
    return any(cells) and not any(NUMBER.fullmatch(cell) for cell in cells)


def _count(cells: list[str]) -> bool:
    """Whether cells are 0, 1, 2, ... or 1, 2, 3, ..."""
    return len(cells) > 1 and any(cells == [str(first + n) for n in range(len(cells))] for first in (0, 1))


def _classes(labels: list[str]) -> tuple[list[str], NDArray[np.int64]]:
    """The names of the classes in their order, and the number of each label's class.

    Examples
    --------
    >>> _classes(["10", "2.0", "other", "2"])
    (['2', '10', 'other'], array([1, 0, 2, 0]))
    """
    written: dict[Decimal | str, list[str]] = {}
    for label in sorted(set(labels), key=lambda label: (len(label), label)):
        written.setdefault(_meaning(label), []).append(label)
    order = sorted(written, key=lambda meaning: (isinstance(meaning, str), meaning))
    number = {label: place for place, meaning in enumerate(order) for label in written[meaning]}
    return [written[meaning][0] for meaning in order], np.array([number[label] for label in labels], np.int64)


def _meaning(label: str) -> Decimal | str:
    """What two labels have in common that are one class."""
    return Decimal(label) if NUMBER.fullmatch(label) else label


PARTS = ("images", "labels", "class_names")
"""The arrays that are read; any other in a file is left packed."""

MOST_CLASSES = 1 << 16


@DATASETS.register("npz")
class NpzImages(OwnEntry):
    """NumPy arrays `images`, `labels` and, if wished, `class_names` in an .npz file; nothing in it is unpickled.

    images: uint8 (N, height, width), (N, height, width, 1 or 3) or (N, features). labels: whole numbers (N,) from 0.
    class_names: strings, one for each class; the numbers as they are without it.
    """

    name = "npz"
    title = "Your images, NumPy arrays"

    def load(self, root: Path) -> Dataset:
        try:
            with self.path.open("rb") as file:
                beginning = file.read(2)
                if beginning != b"PK":
                    found = "another kind" if beginning else "an empty file"
                    raise DataError(f"{self.path}: expected an .npz file, found {found}")
                with zipfile.ZipFile(file) as packed:
                    headings = read_headings(packed)
                    # Nothing is unpacked before its heading says that it is no larger than it can be.
                    self._check(headings)
                    arrays = {name: self._array(packed, name) for name in PARTS if name in headings}
        except OSError as problem:
            raise DataError(f"{self.path}: cannot be read: {problem.strerror or problem}") from problem
        except DataError:
            raise
        except MemoryError as problem:
            raise DataError(f"{self.path}: expected enough memory for its arrays; there is too little") from problem
        except UNSOUND as problem:
            raise DataError(
                f"{self.path}: expected sound arrays without pickled objects, found {visible(problem)}"
            ) from None
        images, labels, names = arrays["images"], arrays["labels"], arrays.get("class_names")
        # Without names there are at most as many classes as images.
        check_label_range(labels, len(labels) if names is None else len(names), f"{self.path}: labels")
        named = map(str, range(int(labels.max()) + 1)) if names is None else self._names(names)
        images = images[..., 0] if images.ndim == 4 and images.shape[3] == 1 else images
        return self.made(images, labels.astype(np.int64), list(named))

    def _check(self, headings: dict[str, Heading]) -> None:
        for name in ("images", "labels"):
            if name not in headings:
                found = ", ".join(map(visible, headings)) or "none"
                raise DataError(f"{self.path}: expected arrays images and labels, found {found}")
        images, labels, names = headings["images"], headings["labels"], headings.get("class_names")
        if images.dtype != np.uint8 or len(images.shape) not in (2, 3, 4):
            raise self._wrong("images of type uint8, (N, h, w[, c]) or (N, features)", images)
        if len(images.shape) == 4 and images.shape[3] not in (1, 3):
            raise self._wrong("images of 1 or 3 channels", images)
        if 0 in images.shape:
            raise self._wrong("at least one image of at least one pixel", images, "none: ")
        if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
            raise self._wrong(f"labels of a whole-number type, ({images.shape[0]},)", labels)
        if names is not None and (names.dtype.kind != "U" or len(names.shape) != 1):
            raise self._wrong("class_names as strings, (classes,)", names)
        if names is not None and (names.dtype.itemsize > 4 * LONGEST_NAME or names.shape[0] > MOST_CLASSES):
            raise self._wrong(f"at most {MOST_CLASSES:,} class_names of at most {LONGEST_NAME} letters", names)
        self.check_size(self.path, images.shape)

    def _array(self, packed: zipfile.ZipFile, name: str) -> NDArray[Any]:
        with packed.open(f"{name}.npy") as member:
            return np.lib.format.read_array(member, allow_pickle=False)

    def _names(self, names: NDArray[Any]) -> list[str]:
        try:
            return [str(name) for name in names.tolist()]
        except (ValueError, SystemError):  # four bytes that are no character at all
            raise DataError(f"{self.path}: expected class_names of characters, found other bytes") from None

    def _wrong(self, expected: str, heading: Heading, found: str = "") -> DataError:
        return DataError(f"{self.path}: expected {expected}, found {found}{heading.dtype} {heading.shape}")
