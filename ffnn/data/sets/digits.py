"""The 8 x 8 digits that come with scikit-learn: the default data set, there without any download.

Small enough for a first look and for tests on a machine without a network.
"""

from importlib.metadata import distribution, version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ffnn.data.catalog import DATASETS, DatasetEntry, Published
from ffnn.data.dataset import Dataset


@DATASETS.register("digits")
class Digits(DatasetEntry):
    """1,797 handwritten digits; a pixel counts the dark points, 0 to 16, of a 4 x 4 block."""

    name = "digits"
    title = "Optical recognition of handwritten digits"
    class_names = tuple("0123456789")
    shape = (8, 8)
    top = 16
    train_size = 1797
    licence = "CC BY 4.0"
    citation = (
        "E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits. UCI Machine Learning Repository, 1998. "
        "doi:10.24432/C50P49"
    )
    homepage = "https://archive.ics.uci.edu/dataset/80"
    published = Published(train_counts=(178, 182, 177, 183, 181, 182, 181, 179, 174, 180))

    def location(self, root: Path) -> str:
        return "bundled with scikit-learn"

    def load(self, root: Path) -> Dataset:
        table = _table()
        return self.dataset(table[:, :-1], table[:, -1], f"scikit-learn {version('scikit-learn')}")


def _table() -> NDArray[np.uint8]:
    """Pixels and label of each digit, (1797, 65)."""
    # Its file as it lies there: to import scikit-learn takes a second, a quarter of a short run.
    place = Path(str(distribution("scikit-learn").locate_file("sklearn/datasets/data/digits.csv.gz")))
    if place.is_file():
        return np.loadtxt(place, np.uint8, delimiter=",")
    from sklearn.datasets import load_digits  # wherever this release has its file

    bundled = load_digits()
    return np.column_stack([bundled.data, bundled.target]).astype(np.uint8)
