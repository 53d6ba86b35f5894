"""Is a data set what it should be: readable to the last byte, and with the counts and pixels that are published?

Loading checks the structure of files; here their contents are compared with what the catalogue knows.
"""

import numpy as np

from ffnn.data.catalog import DatasetEntry
from ffnn.data.dataset import Dataset
from ffnn.data.normalize import pixel_statistics

TOLERANCE = 0.0025
"""In mean and deviation of pixels: copies decoded from JPEG files differ by up to 0.0018, other images by far more."""


def differences(entry: DatasetEntry, dataset: Dataset) -> list[str]:
    """What of a data set, as loaded by its entry, is not as published, each in a few words; empty where everything is.

    Counts are compared where the data set has as many images as are published, and not where it is a part.
    """
    published = entry.published
    border = len(dataset) - dataset.official_test
    classes = len(dataset.class_names)
    whole = entry.train_size + entry.test_size == len(dataset)
    faults = []
    for part, labels, expected in (
        ("training", dataset.labels[:border], published.train_counts),
        ("test", dataset.labels[border:], published.test_counts),
    ):
        counts = np.bincount(labels, minlength=classes)
        if whole and expected and tuple(counts) != expected:
            worst = int(np.argmax(np.abs(counts - np.array(expected))))
            name = dataset.class_names[worst]
            faults.append(f"{part} images of class {name}: expected {expected[worst]:,}, found {counts[worst]:,}")
        elif len(labels) and not counts.all():
            name = dataset.class_names[int(np.argmin(counts))]
            faults.append(f"{part} images of class {name}: expected some, found none")
    mean, std = pixel_statistics(dataset, np.arange(border))
    for what, values, listed in (("mean", mean, published.mean), ("std", std, published.std)):
        if listed and np.abs(values - np.array(listed)).max() > TOLERANCE:
            measured, published_values = (" ".join(f"{value:.4f}" for value in numbers) for numbers in (values, listed))
            faults.append(f"{what} of training pixels: expected {published_values}, found {measured}")
    return faults
