"""What the tests of the data room share: a registered small data set, made-up data sets, real data."""

import os

import numpy as np
import pytest
from mirror import Mirror
from tiny_set import Tiny

from ffnn.data import DATASETS, Dataset, data_root, load


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch, tmp_path):
    """Neither the tester's data folder nor cache may decide what a test sees."""
    monkeypatch.delenv("FFNN_DATA_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def tiny(monkeypatch):
    """The class of the small data set, registered as "tiny" for one test."""
    monkeypatch.setitem(DATASETS._entries, "tiny", Tiny)
    return Tiny


@pytest.fixture
def make_dataset():
    """A data set with the labels given and random pixels."""

    def make(labels, shape=(2, 3), top=255, official_test=0, classes=None, seed=0):
        labels = np.asarray(labels, np.int64)
        pixels = np.random.default_rng(seed).integers(0, top + 1, (len(labels), int(np.prod(shape)))).astype(np.uint8)
        names = tuple(f"c{k}" for k in range(classes or labels.max() + 1))
        return Dataset("made", pixels, labels, names, shape, top, official_test, "memory")

    return make


@pytest.fixture
def make_mirror():
    """Starts servers on this machine; each is given the function that answers."""
    mirrors = []

    def make(answer):
        mirrors.append(Mirror(answer))
        return mirrors[-1]

    yield make
    for mirror in mirrors:
        mirror.close()


REAL_DATA_DIR = os.environ.get("FFNN_DATA_DIR")


@pytest.fixture(scope="session")
def real_folder():
    """The folder of real data sets; skips where $FFNN_DATA_DIR does not name one."""
    if not REAL_DATA_DIR:
        pytest.skip("FFNN_DATA_DIR is not set: it names the folder that holds real data")
    return REAL_DATA_DIR


@pytest.fixture(scope="session")
def real(real_folder):
    """Loader of real data sets; skips where $FFNN_DATA_DIR does not have them."""
    loaded = {}

    def get(spec):
        name = str(spec)
        if name not in loaded:
            if DATASETS.create(spec).missing(data_root(real_folder)):
                pytest.skip(f"FFNN_DATA_DIR ({real_folder}) lacks {name}")
            loaded[name] = load(spec, real_folder, download=False)
        return loaded[name]

    return get
