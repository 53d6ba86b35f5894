"""Data sets are found by name where the user said they are, checked, and refused where they are not whole."""

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_set import IMAGES, LABELS, PLAIN, TRAIN, ZIPPED, Tiny, idx, write

from ffnn.data import DATASETS, DataError, data_root, load, sets
from ffnn.data.sets import digits
from ffnn.data.sets.idx_sets import IdxEntry
from ffnn.errors import FFNNError

OWN = ("folder", "csv", "npz")
PUBLISHED = [name for name in DATASETS if name not in OWN]


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_entry_says_what_it_is(name):
    entry = DATASETS.create(name)
    assert entry.name == name
    assert entry.call.split()[0] == name
    assert len(entry.variants()) >= 1
    assert entry.title and entry.licence and entry.citation
    assert entry.homepage.startswith("http")
    assert len(set(entry.class_names)) == len(entry.class_names) > 1
    assert 1 <= entry.top <= 255


@pytest.mark.parametrize("name", [name for name in PUBLISHED if issubclass(DATASETS[name], IdxEntry)])
def test_what_is_downloaded_is_pinned(name):
    entry = DATASETS.create(name)
    files = entry.train_files + entry.test_files
    assert len({file.sha256 for file in files}) == len(files)
    assert all(re.fullmatch("[0-9a-f]{64}", file.sha256) and file.name.endswith(".gz") for file in files)
    assert len(entry.mirrors) > 1
    assert all(mirror.endswith("/") for mirror in entry.mirrors)


@pytest.mark.parametrize("name", ["cifar10", "emnist"])
def test_archives_are_pinned(name):
    entry = DATASETS.create(name)
    assert re.fullmatch("[0-9a-f]{64}", entry.archive.sha256)
    assert entry.archive.size > 1e8
    assert len(entry.mirrors) > 1
    assert all(mirror.startswith("https://") and mirror.endswith("/") for mirror in entry.mirrors)


def test_a_new_file_is_found_by_itself():
    files = {path.stem for path in Path(sets.__file__).parent.glob("*.py")} - {"__init__"}
    assert {DATASETS[name].__module__.rpartition(".")[2] for name in DATASETS if name != "tiny"} == files


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_counts_add_up(name):
    for entry in DATASETS.create(name).variants():
        for counts, size in (
            (entry.published.train_counts, entry.train_size),
            (entry.published.test_counts, entry.test_size),
        ):
            assert not counts or (len(counts), sum(counts)) == (len(entry.class_names), size)


def test_digits_are_scikit_learns(tmp_path):
    from sklearn.datasets import load_digits

    data, reference = load("digits", tmp_path / "not there"), load_digits()
    assert (data.images.reshape(-1, 8, 8) == reference.images).all()
    assert (data.labels == reference.target).all()
    assert data.official_test == 0
    assert list(data.class_names) == [str(name) for name in reference.target_names]
    assert not (tmp_path / "not there").exists()


def test_digits_are_there_wherever_scikit_learn_keeps_its_file(tmp_path, monkeypatch):
    usual = load("digits", tmp_path)
    monkeypatch.setattr(digits, "distribution", lambda name: SimpleNamespace(locate_file=tmp_path.joinpath))
    assert load("digits", tmp_path).digest == usual.digest


@pytest.mark.parametrize("contents", [PLAIN, ZIPPED], ids=["plain", "zipped"])
def test_training_images_come_first(tmp_path, tiny, contents):
    folder = write(tmp_path, contents)
    data = load("tiny", tmp_path)
    assert (data.images.reshape(IMAGES.shape) == IMAGES).all()
    assert (data.labels == LABELS).all()
    assert (data.name, data.official_test, data.shape, data.source) == ("tiny", 12, (4, 5), str(folder))


def test_plain_and_zipped_files_have_one_digest(tmp_path, tiny):
    write(tmp_path / "plain", PLAIN)
    write(tmp_path / "zipped", ZIPPED)
    assert load("tiny", tmp_path / "plain").digest == load("tiny", tmp_path / "zipped").digest


def test_the_folder_is_the_argument_then_the_variable_then_the_cache(monkeypatch, tmp_path):
    assert data_root() == tmp_path / "cache" / "ffnn"
    monkeypatch.setenv("FFNN_DATA_DIR", "~/images")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_root() == tmp_path / "images"
    assert data_root(tmp_path / "mine") == tmp_path / "mine"


def test_loads_from_the_folder_of_the_variable(monkeypatch, tmp_path, tiny):
    write(tmp_path / "here", ZIPPED)
    monkeypatch.setenv("FFNN_DATA_DIR", str(tmp_path / "here"))
    assert load("tiny").source == str(tmp_path / "here" / Tiny.folder)


def test_absent_files_are_named_without_a_download(tmp_path, tiny):
    folder = write(tmp_path, {name: PLAIN[name] for name in list(PLAIN)[:3]})
    with pytest.raises(DataError) as raised:
        load("tiny", tmp_path, download=False)
    assert str(raised.value).startswith(f"tiny: expected t10k-labels-idx1-ubyte in {folder}, ")
    assert "ffnn data fetch tiny" in str(raised.value)


def test_a_misspelt_name_gets_a_hint():
    with pytest.raises(FFNNError, match=r"unknown data set 'fashon_mnist'.*did you mean 'fashion_mnist'"):
        load("fashon_mnist")


FAULTS = {
    "label out of range": ("train-labels-idx1-ubyte", idx(np.where(np.arange(TRAIN) == 7, 3, 0)), "0 to 2, found 3"),
    "other count": ("t10k-labels-idx1-ubyte", idx(LABELS[:11]), "expected 12, found 11"),
    "train for test": ("t10k-images-idx3-ubyte", PLAIN["train-images-idx3-ubyte"], "12 x 4 x 5, found 30 x 4 x 5"),
    "cut": ("train-images-idx3-ubyte", PLAIN["train-images-idx3-ubyte"][:-5], "expected 600 bytes"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_bad_file_spoils_the_set_and_is_named(tmp_path, tiny, fault):
    name, content, message = FAULTS[fault]
    folder = write(tmp_path, PLAIN | {name: content})
    with pytest.raises(DataError, match=re.escape(message)) as raised:
        load("tiny", tmp_path)
    assert str(raised.value).startswith(f"{folder / name}: ")


def test_importing_the_room_loads_nothing_heavy():
    heavy = {"sklearn", "pooch", "requests", "rich", "torch", "wandb", "matplotlib", "click"}
    program = f"import sys, ffnn.data; print(*sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []
