"""EMNIST, handwritten letters and digits in six choices of classes, as torchvision keeps it.

NIST stores every image transposed; here they are turned upright once, in place, while they are read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase, digits
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ffnn.data.archives import extract_zip
from ffnn.data.catalog import DATASETS, DatasetEntry, Published
from ffnn.data.dataset import DataError, Dataset, check_label_range
from ffnn.data.download import RemoteFile, download, unpack
from ffnn.data.idx import count_idx, find_idx, read_idx
from ffnn.errors import FFNNError, nearest

BLOCK = 4096
"""Images turned at a time, 3 MiB."""

# Letters that look alike in both cases share a class, which has the name of the capital.
MERGED = digits + ascii_uppercase + "abdefghnqrt"


@dataclass(frozen=True)
class Variant:
    """One choice of classes, each named by one character; the sizes are images of the published files.

    If `equal`, all classes have equally many images; `first_label` is what the files call the first class.
    """

    class_names: str
    train_size: int
    test_size: int
    equal: bool
    first_label: int = 0


VARIANTS = {
    "balanced": Variant(MERGED, 112_800, 18_800, equal=True),
    "bymerge": Variant(MERGED, 697_932, 116_323, equal=False),
    "byclass": Variant(digits + ascii_uppercase + ascii_lowercase, 697_932, 116_323, equal=False),
    "letters": Variant(ascii_uppercase, 124_800, 20_800, equal=True, first_label=1),
    "digits": Variant(digits, 240_000, 40_000, equal=True),
    "mnist": Variant(digits, 60_000, 10_000, equal=True),
}
"""By the names that the files have; counts as in table II of the paper."""

PARTS = ("train", "test")
KINDS = ("images-idx3-ubyte", "labels-idx1-ubyte")


@DATASETS.register("emnist")
class Emnist(DatasetEntry):
    """Handwritten characters in 10 to 62 classes.

    Files that hold a part of the published images are read as they are; `remarks` says how many.

    Parameters
    ----------
    variant : "balanced", "bymerge", "byclass", "letters", "digits" or "mnist"
        balanced, bymerge: digits and letters in 47 classes, alike letters together. byclass: digits, capitals
        and small letters, 62 classes. letters: 26, of both cases. digits, mnist: 10.

    Examples
    --------
    >>> entry = DATASETS.create({"name": "emnist", "variant": "letters"})
    >>> len(entry.class_names), entry.train_size, entry.test_size
    (26, 124800, 20800)
    """

    name = "emnist"
    shape = (28, 28)
    licence = "public domain (work of the US government)"
    citation = (
        "G. Cohen, S. Afshar, J. Tapson, A. van Schaik: EMNIST: an extension of MNIST to handwritten letters. 2017. "
        "arXiv:1702.05373"
    )
    homepage = "https://www.nist.gov/itl/products-and-services/emnist-dataset"
    folder = "EMNIST/raw"
    mirrors: ClassVar[tuple[str, ...]] = (
        "https://biometrics.nist.gov/cs_links/EMNIST/",
        "https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST/",
    )
    # Size and SHA-256 are those that TensorFlow Datasets records (tensorflow_datasets/url_checksums/emnist.txt);
    # torchvision records the MD5 58c8d27c78d21e728a6bc7b3cc06412e.
    archive = RemoteFile("gzip.zip", 561_753_746, "fb9bb67e33772a9cc0b895e4ecf36d2cf35be8b709693c3564cea2a019fcda8e")

    def __init__(self, variant: str = "balanced") -> None:
        variant = str(variant)
        if variant not in VARIANTS:
            hint = nearest(variant, VARIANTS)
            raise FFNNError(f"emnist: expected variant to be one of {', '.join(VARIANTS)}; received {variant!r}{hint}")
        chosen = VARIANTS[variant]
        self.variant = variant
        self.title = f"EMNIST {variant}"
        self.class_names = tuple(chosen.class_names)
        self.train_size, self.test_size = chosen.train_size, chosen.test_size
        self._first_label = chosen.first_label
        if chosen.equal:
            classes = len(self.class_names)
            sizes = (self.train_size, self.test_size)
            train_counts, test_counts = ((size // classes,) * classes for size in sizes)
            self.published = Published(train_counts=train_counts, test_counts=test_counts)

    @property
    def call(self) -> str:
        return f"{self.name} --variant={self.variant}"

    def variants(self) -> Sequence[DatasetEntry]:
        return [Emnist(variant) for variant in VARIANTS]

    def location(self, root: Path) -> str:
        return str(root / self.folder)

    def missing(self, root: Path) -> list[str]:
        return [name for name in _file_names(self.variant) if find_idx(root / self.folder, name) is None]

    def fetch(self, root: Path) -> None:
        """Download the archive of all variants; this one is unpacked, as torchvision wants it, the others stay .gz."""
        if self.missing(root):
            title, folder = "EMNIST, all variants", root / self.folder
            download(title, [self.archive], self.mirrors, folder, self._extract, lambda: self.missing(root))

    def load(self, root: Path) -> Dataset:
        paths = [find_idx(root / self.folder, name) or root / self.folder / name for name in _file_names(self.variant)]
        pairs = list(zip(paths[::2], paths[1::2], strict=True))
        sizes = [
            self._count(*pair, at_most) for pair, at_most in zip(pairs, (self.train_size, self.test_size), strict=True)
        ]
        images = np.empty((sum(sizes), *self.shape), np.uint8)
        labels = np.empty(sum(sizes), np.uint8)
        for (image_path, label_path), rows in zip(pairs, (slice(sizes[0]), slice(sizes[0], None)), strict=True):
            read_idx(label_path, labels[rows])
            check_label_range(labels[rows], len(self.class_names), str(label_path), self._first_label)
            read_idx(image_path, images[rows])
        _turn_upright(images)
        return self.dataset(images, labels - self._first_label, self.location(root), sizes[1])

    def remarks(self, root: Path, dataset: Dataset) -> list[str]:
        published = self.train_size + self.test_size
        return [f"a part: {len(dataset):,} of {published:,} images"] if len(dataset) < published else []

    def _count(self, image_path: Path, label_path: Path, at_most: int) -> int:
        """Images of a part; its labels are as many."""
        images, labels = count_idx(image_path, self.shape, at_most), count_idx(label_path, (), at_most)
        if images != labels:
            raise DataError(f"{label_path}: expected {images} labels, as {image_path.name} has images, found {labels}")
        return images

    def _extract(self, archive: Path, out: Path) -> None:
        zipped = [f"{name}.gz" for variant in VARIANTS for name in _file_names(variant)]
        extract_zip(archive, {f"gzip/{name}": name for name in zipped}, out)
        for name in _file_names(self.variant):
            unpack(out / f"{name}.gz", out)
            (out / f"{name}.gz").unlink()


def _file_names(variant: str) -> list[str]:
    """Images and labels of train, then of test, without .gz."""
    return [f"emnist-{variant}-{part}-{kind}" for part in PARTS for kind in KINDS]


def _turn_upright(images: NDArray[np.uint8]) -> None:
    """Transpose every image in place."""
    for start in range(0, len(images), BLOCK):
        block = images[start : start + BLOCK]
        block[...] = block.transpose(0, 2, 1).copy()
