"""The real data sets are what the literature says they are, or say in what they differ, and load fast."""

import time

import numpy as np
import pytest
from click.testing import CliRunner

from ffnn.commands.data import data as commands
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
    # Seconds of this process, not of the clock: other processes may be using the machine.
    source = real("fashion_mnist").source.removesuffix("/FashionMNIST/raw")
    loading, digesting = [], []
    for _ in range(3):
        start = time.process_time()
        data = load("fashion_mnist", source, download=False)
        loaded = time.process_time()
        assert len(data.digest) == 64
        loading.append(loaded - start)
        digesting.append(time.process_time() - loaded)
    assert min(loading) < 1.0
    assert min(digesting) < 0.1


def test_digest_of_the_contents_is_known(real):
    """The same wherever the files come from and however they were zipped."""
    assert real("fashion_mnist").digest == "1331c81155212f046a3ae6e7df97aef3eff43d847f27480610c0549b9858156a"


BYMERGE = {"name": "emnist", "variant": "bymerge"}


def test_cifar10_contents(real):
    """Class counts are exact in any copy; pixels of JPEG copies only nearly."""
    data = real("cifar10")
    assert data.images.shape == (60_000, 3072)
    assert np.bincount(data.labels[:50_000]).tolist() == [5_000] * 10
    assert np.bincount(data.labels[50_000:]).tolist() == [1_000] * 10
    mean, std = pixel_statistics(data, np.arange(50_000))
    assert mean == pytest.approx([0.4914, 0.4822, 0.4465], abs=0.0025)
    assert std == pytest.approx([0.2470, 0.2435, 0.2616], abs=0.0025)


def test_cifar10_colours_are_in_their_place(real):
    """Deer stand on green grounds, ships and planes before blue ones, and rows of an image follow each other."""
    data = real("cifar10")
    red, green, blue = range(3)
    images = data.images[:50_000].reshape(-1, 32, 32, 3)
    mean = {name: images[data.labels[:50_000] == k].mean(axis=0) for k, name in enumerate(data.class_names)}
    sky, ground = mean["airplane"][:8].mean(axis=(0, 1)), mean["deer"][24:].mean(axis=(0, 1))
    assert sky[blue] > sky[green] > sky[red]
    assert ground[green] > ground[blue]
    few = images[:1000].astype(int)
    for axis in (1, 2):
        assert np.abs(np.diff(few, axis=axis)).mean() < 20  # neighbours; values drawn at random differ by 80


def test_emnist_contents(real):
    data = real(BYMERGE)
    counts = np.bincount(data.labels)
    assert len(counts) == 47
    assert (len(data), data.official_test) in {(814_255, 116_323), (116_323, 16_618)}
    assert counts.max() / counts.min() == pytest.approx(15.4, abs=1.0)
    mean, std = pixel_statistics(data, np.arange(len(data) - data.official_test))
    assert mean == pytest.approx(0.1736, abs=0.0025)
    assert std == pytest.approx(0.3317, abs=0.0025)


def test_emnist_is_upright(real):
    """Averages: L stands on its foot, T hangs from its bar, E opens to the right; transposed, none of these holds."""
    data = real(BYMERGE)

    def ink(name, rows, columns):
        images = data.images[data.labels == data.class_names.index(name)].reshape(-1, 28, 28)
        return images.mean(axis=0)[rows, columns].mean()

    top, bottom, left, right = slice(3, 9), slice(19, 25), slice(3, 9), slice(19, 25)
    everywhere = slice(None)
    assert ink("T", top, everywhere) > 1.5 * ink("T", bottom, everywhere)
    assert ink("7", top, everywhere) > ink("7", bottom, everywhere)
    assert ink("E", everywhere, left) > ink("E", everywhere, right)
    assert ink("d", top, right) > 2 * ink("d", top, left)
    assert ink("b", top, left) > 2 * ink("b", top, right)


def test_emnist_digits_look_like_mnists(real):
    """The mean image of each digit resembles that of MNIST, which is upright, more than its mirror image does."""
    own, other = ([d.images[d.labels == k].mean(axis=0) for k in range(10)] for d in (real(BYMERGE), real("mnist")))
    for mine, reference in zip(own, other, strict=True):
        lying = mine.reshape(28, 28).T.ravel()
        assert np.corrcoef(mine, reference)[0, 1] > np.corrcoef(lying, reference)[0, 1]


@pytest.mark.slow
@pytest.mark.parametrize(("spec", "seconds"), [("cifar10", 2.0), (BYMERGE, 2.0)], ids=["cifar10", "emnist"])
def test_larger_sets_load_fast(real, real_folder, spec, seconds):
    size = len(real(spec))
    if size > 200_000:
        pytest.skip(f"the limit is for the part of EMNIST with 116,323 images, and here are {size:,}")
    loading = []
    for _ in range(3):
        start = time.process_time()
        load(spec, real_folder, download=False)
        loading.append(time.process_time() - start)
    assert min(loading) < seconds


@pytest.mark.slow
def test_verify_finds_nothing_wrong(real, real_folder):
    """All four of them, in the way a user would ask."""
    for spec in ("mnist", "fashion_mnist", "cifar10", BYMERGE):
        real(spec)
    names = ["mnist", "fashion_mnist", "cifar10", "digits"]
    result = CliRunner().invoke(commands, ["verify", *names, "--data_dir", real_folder], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert [line.split(": ")[:2] for line in result.output.splitlines()] == [[name, "ok"] for name in names]
    words = ["verify", "emnist", "--variant=bymerge", "--data_dir", real_folder]
    result = CliRunner().invoke(commands, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    part = "; a part: 116,323 of 814,255 images; "
    assert (part in result.output) == (len(real(BYMERGE)) == 116_323)
