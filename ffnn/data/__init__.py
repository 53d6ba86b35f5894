"""Data sets by name, how their images are shared out, and how pixels become inputs."""

from ffnn.data import sets  # noqa: F401  (imported to register its entries)
from ffnn.data.augment import AUGMENTATIONS
from ffnn.data.batches import SAMPLERS
from ffnn.data.catalog import DATASETS, DatasetEntry, data_root, load
from ffnn.data.dataset import DataError, Dataset
from ffnn.data.normalize import NORMALIZATIONS, Normalization, fit_normalization, pixel_statistics
from ffnn.data.splits import SPLITS, Split, make_split

__all__ = [
    "AUGMENTATIONS", "DATASETS", "NORMALIZATIONS", "SAMPLERS", "SPLITS", "DataError", "Dataset", "DatasetEntry",
    "Normalization", "Split", "data_root", "fit_normalization", "load", "make_split", "pixel_statistics",
]  # fmt: skip
