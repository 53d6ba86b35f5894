"""A user's own images in a folder: one subfolder a class, as image programs and cameras leave them.

What other formats of one's own have in common is here as well.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffnn.data.catalog import DATASETS, DatasetEntry
from ffnn.data.dataset import DataError, Dataset

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".bmp": "BMP"}
"""Endings of the files that are read, and Pillow's names of their formats."""

GREY, COLOUR = ("1", "L"), ("P", "RGB")
"""Pillow's modes of images that are read with one value a pixel, and with three."""


class OwnEntry(DatasetEntry):
    """A data set of the user's own: known only once it is read, never downloaded, without an official test set.

    Parameters
    ----------
    path : str
        Where it lies.
    """

    class_names = ()
    shape = ()
    train_size = 0
    licence = "your own"
    citation = "none"
    homepage = "none"

    def __init__(self, path: str) -> None:
        self.path = Path(str(path)).expanduser()  # a folder called 2024 comes as a number

    @property
    def call(self) -> str:
        return f"{self.name} --path={self.path}"

    def location(self, root: Path) -> str:
        return str(self.path.absolute())

    def missing(self, root: Path) -> list[str]:
        """Nothing: there is no download to wait for, and `load` says what is not there."""
        return []

    def fetch(self, root: Path) -> None:
        """Nothing to do: it is the user's own."""

    def made(self, images: NDArray[np.uint8], labels: NDArray[np.int64], class_names: Sequence[str]) -> Dataset:
        """The data set of images (N, height, width[, channels]) or (N, features)."""
        if len(class_names) < 2:
            raise DataError(f"{self.path}: expected at least two classes, found {len(class_names)}")
        shape = images.shape[1:] if images.ndim > 2 else _shape_of(images.shape[1])
        pool = np.ascontiguousarray(images).reshape(len(images), -1)
        return Dataset(self.name, pool, labels, tuple(class_names), shape, self.top, 0, self.location(Path()))


def _shape_of(features: int) -> tuple[int, int]:
    """A square where so many pixels make one, else one row."""
    side = round(features**0.5)
    return (side, side) if side * side == features else (1, features)


@DATASETS.register("folder")
class FolderImages(OwnEntry):
    """Images in subfolders, one a class, sorted by name; all of one size, grey or colour.

    Where any image is in colour, grey ones get three equal channels. Hidden files are passed over.

    Parameters
    ----------
    path : str
        The folder of the class folders, which hold PNG, JPEG or BMP files.
    """

    name = "folder"
    title = "Your images, one folder a class"

    def load(self, root: Path) -> Dataset:
        classes = [(folder.name, _listed(folder, files=True)) for folder in _listed(self.path, files=False)]
        for name, files in classes:
            if not files:
                raise DataError(f"{self.path / name}: expected images of the class {name}, found none")
        paths = [path for _, files in classes for path in files]
        if not paths:
            raise DataError(f"{self.path}: expected a subfolder with images for each class, found none")
        looks = [_look(path) for path in paths]
        size = looks[0][0]
        for path, (other, _) in zip(paths, looks, strict=True):
            if other != size:
                raise DataError(
                    f"{path}: expected {size[0]} x {size[1]} pixels (width x height), as {paths[0]} has, "
                    f"found {other[0]} x {other[1]}; all images must have one size"
                )
        colour = any(in_colour for _, in_colour in looks)
        images = np.empty((len(paths), size[1], size[0], *((3,) if colour else ())), np.uint8)
        for row, path in enumerate(paths):
            images[row] = _pixels(path, "RGB" if colour else "L")
        labels = np.repeat(np.arange(len(classes)), [len(files) for _, files in classes])
        return self.made(images, labels, [name for name, _ in classes])


def _listed(folder: Path, files: bool) -> list[Path]:
    """Images, or subfolders, of a folder by name, without hidden ones; an image in the wrong place is named."""
    try:
        found = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as problem:
        raise DataError(f"{folder}: expected a folder, found that it cannot be read: {problem.strerror}") from problem
    for path in found:
        is_image = path.suffix.lower() in FORMATS and path.is_file()
        if files and not is_image:
            raise DataError(f"{path}: expected images only ({', '.join(FORMATS)}), found another file or a folder")
        if not files and is_image:
            raise DataError(f"{path}: expected images in subfolders, one a class, found one outside of them")
    return found if files else [path for path in found if path.is_dir()]


def _look(path: Path) -> tuple[tuple[int, int], bool]:
    """Size (width, height) and whether it is in colour, from the first bytes of a file."""
    with _opened(path) as image:
        if image.mode not in GREY + COLOUR:
            raise DataError(
                f"{path}: expected grey or RGB with 8 bits a channel and no transparency, found mode {image.mode}"
            )
        return image.size, image.mode in COLOUR


def _pixels(path: Path, mode: str) -> NDArray[np.uint8]:
    # Pillow raises SyntaxError for a broken PNG, and OSError for data that ends early.
    with _opened(path) as image:
        try:
            return np.asarray(image.convert(mode))
        except (OSError, SyntaxError, ValueError) as problem:
            raise DataError(f"{path}: expected a whole image, found damage ({problem})") from None


def _opened(path: Path) -> Any:
    from PIL import Image

    try:
        return Image.open(path, formats=sorted(set(FORMATS.values())))
    except (OSError, SyntaxError, ValueError) as problem:
        raise DataError(f"{path}: expected a PNG, JPEG or BMP image, found damage ({problem})") from None
