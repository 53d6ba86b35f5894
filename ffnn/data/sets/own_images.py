"""A user's own images in a folder: one subfolder a class, as image programs and cameras leave them.

What other formats of one's own have in common is here as well.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffnn.data.catalog import DATASETS, DatasetEntry
from ffnn.data.dataset import DataError, Dataset
from ffnn.memory import available_bytes
from ffnn.words import visible

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".bmp": "BMP"}
"""Endings of the files that are read, and Pillow's names of their formats."""

GREY, COLOUR = ("1", "L"), ("P", "RGB")
"""Pillow's modes of images that are read with one value a pixel, and with three."""

MOST_FEATURES = 1 << 24
"""Values in one image: 128 units on so many are 8 GB of weights, and a header can say any size."""

MOST_SINGLE = 20
"""Images of which each may be the only one of its class; among more, the labels are surely the images' numbers."""

LONGEST_NAME = 200
"""Letters of a class's name; a longer one is a line of something else."""


class OwnEntry(DatasetEntry):
    """A data set of the user's own: known only once it is read, never downloaded, without an official test set."""

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

    def anchored(self, spec: str | Mapping[str, Any]) -> str | dict[str, Any]:
        return {**({"name": spec} if isinstance(spec, str) else spec), "path": self.location(Path())}

    def check_size(self, path: Path, shape: Sequence[int]) -> None:
        """DataError that names `path` unless images (N, ...) of this shape can be had, each and all together."""
        features, whole = int(np.prod(shape[1:], dtype=object)), int(np.prod(shape, dtype=object))
        if features > MOST_FEATURES:
            sides = " x ".join(map(str, shape[1:]))
            raise DataError(
                f"{path}: expected images of at most {MOST_FEATURES:,} values, found {sides} = {features:,}; "
                "make them smaller"
            )
        available = available_bytes()
        if available is not None and whole > available:
            raise DataError(
                f"{path}: expected images that fit into the {available / 1e9:.1f} GB of memory that are available, "
                f"found {shape[0]:,} of {features:,} values; make them smaller or fewer"
            )

    def made(self, images: NDArray[np.uint8], labels: NDArray[np.int64], class_names: Sequence[str]) -> Dataset:
        """The data set of images (N, height, width[, channels]) or (N, features)."""
        if len(class_names) < 2:
            raise DataError(f"{self.path}: expected at least two classes, found {len(class_names)}")
        if len(images) > MOST_SINGLE and len(np.unique(labels)) == len(images):
            raise DataError(
                f"{self.path}: expected several images of a class, found another class for each of {len(images):,} "
                "images; give labels that are no numbers of the images"
            )
        for name in class_names:
            if len(name) > LONGEST_NAME or any("\ud800" <= letter <= "\udfff" for letter in name):
                raise DataError(
                    f"{self.path}: expected names of classes in UTF-8, of at most {LONGEST_NAME} letters, "
                    f"found '{visible(name[:40])}' of {len(name):,}; give it another name"
                )
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

    Where any image is in colour, grey ones get three equal channels. A photograph is turned as its camera says
    (EXIF). Hidden files are passed over.

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
            if sorted(other) != sorted(size):
                raise _another_size(path, other, paths[0], size)
        mode = "RGB" if any(in_colour for _, in_colour in looks) else "L"
        self.check_size(paths[0], (len(paths), *size, len(mode)))
        first = _pixels(paths[0], mode)
        images = np.empty((len(paths), *first.shape), np.uint8)
        for row, path in enumerate(paths):
            pixels = _pixels(path, mode) if row else first
            if pixels.shape != first.shape:
                raise _another_size(path, pixels.shape[1::-1], paths[0], first.shape[1::-1])
            images[row] = pixels
        labels = np.repeat(np.arange(len(classes)), [len(files) for _, files in classes])
        return self.made(images, labels, [name for name, _ in classes])


def _listed(folder: Path, files: bool) -> list[Path]:
    """Images, or subfolders, of a folder by name, without hidden ones; an image in the wrong place is named."""
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as problem:
        raise DataError(f"{folder}: expected a folder, found that it cannot be read: {problem.strerror}") from problem
    for path in paths:
        is_image = path.suffix.lower() in FORMATS and path.is_file()
        if files and not is_image:
            raise DataError(f"{path}: expected images only ({', '.join(FORMATS)}), found another file or a folder")
        if not files and is_image:
            raise DataError(f"{path}: expected images in subfolders, one a class, found one outside of them")
    return paths if files else [path for path in paths if path.is_dir()]


def _another_size(path: Path, size: Sequence[int], first: Path, expected: Sequence[int]) -> DataError:
    return DataError(
        f"{path}: expected {expected[0]} x {expected[1]} pixels (width x height), as {first} has, "
        f"found {size[0]} x {size[1]}; all images must have one size"
    )


def _look(path: Path) -> tuple[tuple[int, int], bool]:
    """Size (width, height) as stored and whether it is in colour, from the first bytes of a file."""
    with _opened(path) as image:
        fault = _unfit(image)
        if fault:
            raise DataError(f"{path}: expected grey or RGB with 8 bits a channel and no transparency, found {fault}")
        return image.size, image.mode in COLOUR


def _unfit(image: Any) -> str:
    """What an image has that the pixels of a network's input have not; empty where nothing."""
    if image.mode not in GREY + COLOUR:
        return f"mode {image.mode}"
    if "transparency" in image.info:
        return f"mode {image.mode} with transparent colours"
    if any(";16" in str(tile) for tile in image.tile):
        return "16 bits a channel"
    # A camera's JPEG may hold a small copy of itself, and that is no animation.
    frames = getattr(image, "n_frames", 1) if image.format == "PNG" else 1
    return f"an animation of {frames} images" if frames > 1 else ""


def _pixels(path: Path, mode: str) -> NDArray[np.uint8]:
    from PIL import ImageOps

    with _opened(path) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert(mode))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """An image; whatever Pillow ends in while it is opened or used is told in one line."""
    from PIL import Image, UnidentifiedImageError

    try:
        if not path.stat().st_size:
            raise DataError(f"{path}: expected a PNG, JPEG or BMP image, found an empty file")
        with warnings.catch_warnings():
            # How large is too large is for `check_size` to say, before any pixel is unpacked; of other warnings,
            # such as of damaged EXIF, nothing would follow.
            warnings.simplefilter("ignore")
            with Image.open(path, formats=sorted(set(FORMATS.values()))) as image:
                yield image
    except DataError:
        raise
    except Image.DecompressionBombError:
        raise DataError(
            f"{path}: expected images of at most {MOST_FEATURES:,} values, found far more in its header; "
            "make them smaller"
        ) from None
    except UnidentifiedImageError:
        raise DataError(f"{path}: expected a PNG, JPEG or BMP image, found another kind or damage") from None
    except Exception as problem:
        if isinstance(problem, OSError) and problem.errno:
            raise DataError(f"{path}: cannot be read: {problem.strerror}") from problem
        # Pillow lets through whatever its decoders meet in damaged data, from SyntaxError to struct.error.
        raise DataError(f"{path}: expected a whole image, found damage ({visible(problem)})") from None
