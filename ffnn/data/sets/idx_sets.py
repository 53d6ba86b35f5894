"""Data sets that are published as four IDX files: MNIST, Fashion-MNIST and Kuzushiji-MNIST.

They lie in torchvision's folders under torchvision's names, so that either library finds what the other downloaded.
"""

from pathlib import Path
from typing import ClassVar

import numpy as np

from ffnn.data.catalog import DATASETS, DatasetEntry, Published
from ffnn.data.dataset import Dataset, check_label_range
from ffnn.data.download import RemoteFile, download
from ffnn.data.idx import find_idx, read_idx

Pair = tuple[RemoteFile, RemoteFile]
"""Images, labels."""


class IdxEntry(DatasetEntry):
    """Images and labels of a training part and of an official test part, each in an IDX file.

    `folder` is one below that of all data sets; a file's name is appended to each of `mirrors`, tried in this order.
    """

    shape = (28, 28)
    train_size = 60_000
    test_size = 10_000
    folder: ClassVar[str]
    mirrors: ClassVar[tuple[str, ...]]
    train_files: ClassVar[Pair]
    test_files: ClassVar[Pair]

    def location(self, root: Path) -> str:
        return str(root / self.folder)

    def missing(self, root: Path) -> list[str]:
        return [file.unpacked for file in self._absent(root / self.folder)]

    def fetch(self, root: Path) -> None:
        folder = root / self.folder
        absent = self._absent(folder)
        if absent:
            download(self.title, absent, self.mirrors, folder)

    def load(self, root: Path) -> Dataset:
        size = self.train_size + self.test_size
        images = np.empty((size, *self.shape), np.uint8)
        labels = np.empty(size, np.uint8)
        for files, rows in (
            (self.train_files, slice(0, self.train_size)),
            (self.test_files, slice(self.train_size, size)),
        ):
            image_path, label_path = (self._path(root, file) for file in files)
            read_idx(label_path, labels[rows])
            check_label_range(labels[rows], len(self.class_names), str(label_path))
            read_idx(image_path, images[rows])
        return self.dataset(images, labels, self.location(root), self.test_size)

    def _absent(self, folder: Path) -> list[RemoteFile]:
        return [file for file in self.train_files + self.test_files if find_idx(folder, file.unpacked) is None]

    def _path(self, root: Path, file: RemoteFile) -> Path:
        folder = root / self.folder
        return find_idx(folder, file.unpacked) or folder / file.unpacked


def files_of(*kinds: tuple[int, str]) -> tuple[Pair, Pair]:
    """Training and test files, from size and SHA-256 of each; all of these sets call them as MNIST does."""
    names = (f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))
    images, labels, test_images, test_labels = (RemoteFile(n, *kind) for n, kind in zip(names, kinds, strict=True))
    return (images, labels), (test_images, test_labels)


# The checksums are those that TensorFlow Datasets records for the same addresses
# (tensorflow_datasets/url_checksums/mnist.txt and fashion_mnist.txt); Kuzushiji-MNIST's are torchvision's
# (torchvision.prototype.datasets).


@DATASETS.register("mnist")
class Mnist(IdxEntry):
    """70,000 handwritten digits."""

    name = "mnist"
    title = "MNIST"
    class_names = tuple("0123456789")
    licence = "CC BY-SA 3.0"
    citation = (
        "Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to document recognition. "
        "Proceedings of the IEEE 86(11), 1998. doi:10.1109/5.726791"
    )
    homepage = "http://yann.lecun.com/exdb/mnist/"
    published = Published(
        (0.1307,),
        (0.3081,),
        (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
        (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
    )
    folder = "MNIST/raw"
    mirrors = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
    train_files, test_files = files_of(
        (9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        (28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        (1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        (4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    )


@DATASETS.register("fashion_mnist")
class FashionMnist(IdxEntry):
    """70,000 photographs of articles of clothing."""

    name = "fashion_mnist"
    title = "Fashion-MNIST"
    class_names = (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )
    licence = "MIT"
    citation = (
        "H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning "
        "Algorithms. 2017. arXiv:1708.07747"
    )
    homepage = "https://github.com/zalandoresearch/fashion-mnist"
    published = Published((0.2860,), (0.3530,), (6_000,) * 10, (1_000,) * 10)
    folder = "FashionMNIST/raw"
    mirrors = (
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    )
    train_files, test_files = files_of(
        (26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
        (29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
        (4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        (5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    )


@DATASETS.register("kmnist")
class KuzushijiMnist(IdxEntry):
    """70,000 characters of old Japanese handwriting, ten syllables; harder than digits, as each has several forms."""

    name = "kmnist"
    title = "Kuzushiji-MNIST"
    class_names = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
    licence = "CC BY-SA 4.0"
    citation = (
        "T. Clanuwat, M. Bober-Irizar, A. Kitamoto, A. Lamb, K. Yamamoto, D. Ha: Deep Learning for Classical Japanese "
        "Literature. 2018. arXiv:1812.01718"
    )
    homepage = "http://codh.rois.ac.jp/kmnist/"
    published = Published(train_counts=(6_000,) * 10, test_counts=(1_000,) * 10)
    folder = "KMNIST/raw"
    mirrors = ("https://codh.rois.ac.jp/kmnist/dataset/kmnist/", "http://codh.rois.ac.jp/kmnist/dataset/kmnist/")
    train_files, test_files = files_of(
        (18_165_135, "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"),
        (29_497, "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"),
        (3_041_136, "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"),
        (5_120, "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"),
    )
