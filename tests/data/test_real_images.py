"""The real MNIST and Fashion-MNIST are what the literature says they are, and load fast."""

import time

import numpy as np
import pytest

from ffnn.data import fit_normalization, load, make_split, pixel_statistics

pytestmark = pytest.mark.data

# First labels of the training and test files, class counts of MNIST, and the constants that
# training scripts everywhere normalize with.
KNOWN = {
    "mnist": {
        "train": [5, 0, 4, 1, 9, 2, 1, 3, 1, 4],
        "test": [7, 2, 1, 0, 4, 1, 4, 9, 5, 9],
        "counts": [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
        "mean": 0.1307,
        "std": 0.3081,
    },
    "fashion_mnist": {
        "train": [9, 0, 0, 3, 0, 2, 7, 2, 5, 5],
        "test": [9, 2, 1, 1, 6, 1, 4, 6, 5, 7],
        "counts": [6000] * 10,
        "mean": 0.2860,
        "std": 0.3530,
    },
}


@pytest.mark.parametrize("name", KNOWN)
def test_contents(real, name):
    data, known = real(name), KNOWN[name]
    assert data.images.shape == (70_000, 784)
    assert data.images.flags.c_contiguous
    assert data.official_test == 10_000
    assert data.labels[:10].tolist() == known["train"]
    assert data.labels[60_000:60_010].tolist() == known["test"]
    assert np.bincount(data.labels[:60_000]).tolist() == known["counts"]
    mean, std = pixel_statistics(data, np.arange(60_000))
    assert mean == pytest.approx(known["mean"], abs=5e-5)
    assert std == pytest.approx(known["std"], abs=5e-5)


def test_an_image_is_upright(real):
    """A trouser: two legs with a gap between them below, one waist above."""
    data = real("fashion_mnist")
    trousers = data.images[data.labels == data.class_names.index("Trouser")].reshape(-1, 28, 28).mean(axis=0)
    waist, gap = trousers[3:6, 14].mean(), trousers[22:26, 14].mean()
    left_leg, right_leg = trousers[22:26, 10].mean(), trousers[22:26, 18].mean()
    assert waist > 2 * gap
    assert min(left_leg, right_leg) > 1.5 * gap


@pytest.mark.parametrize("name", KNOWN)
def test_the_default_split(real, name):
    data = real(name)
    split = make_split(data)
    assert [len(part) for part in (split.train, split.val, split.test)] == [54_000, 6_000, 10_000]
    assert np.array_equal(split.test, np.arange(60_000, 70_000))
    values = fit_normalization("standardize", data, split.train).apply(data.images[split.train[:2000]])
    assert abs(values.mean()) < 0.05
    assert abs(values.std() - 1) < 0.05


def test_loading_and_digest_are_fast(real):
    source = real("fashion_mnist").source.removesuffix("/FashionMNIST/raw")
    loading, digesting = [], []
    for _ in range(3):
        start = time.perf_counter()
        data = load("fashion_mnist", source, download=False)
        loaded = time.perf_counter()
        assert len(data.digest) == 64
        loading.append(loaded - start)
        digesting.append(time.perf_counter() - loaded)
    assert min(loading) < 1.0
    assert min(digesting) < 0.1


def test_digest_of_the_contents_is_known(real):
    """The same wherever the files come from and however they were zipped."""
    assert real("fashion_mnist").digest == "1331c81155212f046a3ae6e7df97aef3eff43d847f27480610c0549b9858156a"
