"""CIFAR-10 is read from both its versions alike; damaged and hostile files are refused, and nothing in them is run."""

import os
import pickle
import pickletools
import re
import struct
import tracemalloc

import numpy as np
import pytest
from python_2 import published

from ffnn.data import DATASETS, DataError, load
from ffnn.data.sets.cifar10 import Cifar10
from ffnn.data.unpickle import OPCODES, unpickle

COUNT = 8
RANDOM = np.random.default_rng(3)
PLANES = RANDOM.integers(0, 256, (6 * COUNT, 3, 32, 32)).astype(np.uint8)
LABELS = RANDOM.integers(0, 10, 6 * COUNT)
NAMES = Cifar10.batches
TITLES = [*(f"training batch {number} of 5" for number in range(1, 6)), "testing batch 1 of 1"]


def batch(number, **other):
    rows = slice(number * COUNT, (number + 1) * COUNT)
    return {
        b"batch_label": TITLES[number].encode(),
        b"labels": [int(label) for label in LABELS[rows]],
        b"data": PLANES[rows].reshape(COUNT, 3072),
        b"filenames": [b"some_%d.png" % row for row in range(COUNT)],
    } | {key.encode(): value for key, value in other.items()}


META = {
    b"num_cases_per_batch": COUNT,
    b"label_names": [name.encode() for name in Cifar10.class_names],
    b"num_vis": 3072,
}
PICKLED = {name: published(batch(number)) for number, name in enumerate(NAMES)} | {"batches.meta": published(META)}
BINARY = {
    f"{name}.bin": b"".join(bytes([LABELS[row]]) + PLANES[row].tobytes() for row in range(k * COUNT, (k + 1) * COUNT))
    for k, name in enumerate(NAMES)
}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Batches of eight images."""
    monkeypatch.setattr(Cifar10, "train_size", 5 * COUNT)
    monkeypatch.setattr(Cifar10, "test_size", COUNT)


def write(root, contents, folder=Cifar10.folder):
    (root / folder).mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (root / folder / name).write_bytes(content)
    return root / folder


def as_python_3(content):
    """What Python 3 makes when it pickles a batch for Python 2: text instead of bytes, arrays through `encode`."""
    plain = {key.decode(): value.decode() if isinstance(value, bytes) else value for key, value in content.items()}
    return pickle.dumps(plain, protocol=2)


VERSIONS = {
    "pickled": (Cifar10.folder, PICKLED),
    "pickled by Python 3": (
        Cifar10.folder,
        PICKLED | {name: as_python_3(batch(number)) for number, name in enumerate(NAMES)},
    ),
    "pickled by Python 3 for itself": (
        Cifar10.folder,
        PICKLED | {name: pickle.dumps(batch(number), protocol=4) for number, name in enumerate(NAMES)},
    ),
    "binary": (Cifar10.binary_folder, BINARY),
}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_gives_the_same_images(tmp_path, version):
    folder, contents = VERSIONS[version]
    where = write(tmp_path, contents, folder)
    data = load("cifar10", tmp_path, download=False)
    for row in (0, COUNT, 6 * COUNT - 1):
        image = data.image(row)
        for channel in range(3):
            assert (image[..., channel] == PLANES[row, channel]).all()
    assert (data.labels == LABELS).all()
    assert (data.shape, data.official_test, data.source) == ((32, 32, 3), COUNT, str(where))


def test_the_pickles_are_preferred_where_both_are_whole(tmp_path):
    write(tmp_path, BINARY, Cifar10.binary_folder)
    assert load("cifar10", tmp_path, download=False).source.endswith(Cifar10.binary_folder)
    folder = write(tmp_path, PICKLED)
    assert load("cifar10", tmp_path, download=False).source == str(folder)


def test_the_test_writer_writes_what_pickle_reads():
    """The reference above is right: Python's own unpickler finds the batch in it."""
    found = pickle.loads(PICKLED["data_batch_2"], encoding="bytes")
    assert (found[b"data"] == PLANES[COUNT : 2 * COUNT].reshape(COUNT, -1)).all()
    assert found[b"labels"] == LABELS[COUNT : 2 * COUNT].tolist()


class Hostile:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("name", ["data_batch_3", "test_batch", "batches.meta"])
@pytest.mark.parametrize("protocol", range(6))
def test_a_hostile_pickle_runs_nothing(tmp_path, name, protocol):
    victim = tmp_path / "made by the pickle"
    hostile = pickle.dumps({"labels": Hostile(victim)}, protocol)
    path = write(tmp_path, PICKLED | {name: hostile}) / name
    with pytest.raises(DataError, match=r"found the name (posix|nt|os)\.mkdir, which has no place there") as raised:
        load("cifar10", tmp_path, download=False)
    assert str(raised.value).startswith(f"{path}: expected ")
    assert "\n" not in str(raised.value)
    assert not victim.exists()
    pickle.loads(hostile)
    assert victim.exists(), "it would have been made"


HOSTILE = {
    "a function of builtins": b"c__builtin__\neval\n(U\x011tR.",
    "NumPy's loader": b"cnumpy\nload\n(U\x011tR.",
    "an attribute of an admitted name": b"\x80\x04\x8c\x05numpy\x8c\x0fndarray.tofile\x93.",
    "an instance": b"(ios\nsystem\n.",
    "an instance of a class on the stack": b"(cnumpy\nndarray\no.",
    "a new object": b"\x80\x02cnumpy\nndarray\n)\x81.",
    "a persistent id": b"Pnumber\n.",
    "an extension": b"\x82\x01.",
    "a state for a class": b"cnumpy\ndtype\n}b.",
    "a state for a list": b"]}b.",
    "a memo of four billion places": b"]r\xff\xff\xff\xff.",
    "a memo of fifty million places": b"]r" + struct.pack("<I", 50_000_000) + b".",
    "a string longer than the file": b"T\xff\xff\xff\x7fabc.",
    "a call of a number": b"K\x01)R.",
    "text": b"<!DOCTYPE html>",
    "nothing": b"",
    "no end": b"}",
    "a list": b"].",
    "an unhashable key": b"}]K\x01s.",
}


@pytest.mark.parametrize("attack", HOSTILE)
def test_what_no_batch_contains_is_refused_in_one_line(tmp_path, attack):
    path = write(tmp_path, PICKLED | {"data_batch_1": HOSTILE[attack]}) / "data_batch_1"
    tracemalloc.start()
    with pytest.raises(DataError) as raised:
        load("cifar10", tmp_path, download=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(raised.value).startswith(f"{path}: expected a pickle")
    assert "\n" not in str(raised.value)
    assert peak < 10_000_000


@pytest.mark.parametrize(
    ("content", "instruction"),
    [
        (b"}U\x01a(inumpy\nndarray\ns.", "INST"),
        (b"}U\x01a(cnumpy\nndarray\nos.", "OBJ"),
        (b"\x80\x02}U\x01acnumpy\nndarray\n)\x81s.", "NEWOBJ"),
        (b"\x80\x05}U\x01a\x96" + bytes(8) + b"s.", "BYTEARRAY8"),
    ],
)
def test_instructions_that_no_batch_contains_are_refused(tmp_path, content, instruction):
    """Even where what they would make is admitted."""
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"found the instruction {instruction}, which has no place there"):
        unpickle(path, 1000)


def test_an_array_of_a_trillion_values_is_not_made(tmp_path):
    """NumPy's own function would ask for the memory before anything could be checked."""
    huge = b"}T\x04\x00\x00\x00datacnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n("
    huge += b"\x8a\x06" + (10**12).to_bytes(6, "little") + b"tU\x01btRs."
    path = tmp_path / "huge"
    path.write_bytes(huge)
    assert list(unpickle(path, 1000)) == [b"data"]


def test_the_admitted_instructions_exist():
    assert {opcode.name for opcode in pickletools.opcodes} >= OPCODES
    assert not OPCODES & {"INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID"}


WHOLE = PICKLED["data_batch_1"]
IMAGES = PLANES[:COUNT].reshape(COUNT, 3072)
FAULTS = {
    "cut": ("data_batch_1", WHOLE[:-1], "expected a pickle of plain values and arrays"),
    "cut in the images": ("data_batch_1", WHOLE[: len(WHOLE) // 2], "expected a pickle of plain values and arrays"),
    "another batch": ("data_batch_1", PICKLED["data_batch_2"], "expected the training batch 1 of 5, found b'training"),
    "test for train": ("data_batch_5", PICKLED["test_batch"], "expected the training batch 5 of 5, found b'testing"),
    "label too high": ("test_batch", published(batch(5, labels=[10] * COUNT)), "labels from 0 to 9, found 10"),
    "label too low": ("test_batch", published(batch(5, labels=[-1] * COUNT)), "labels of one byte, found -1"),
    "fewer labels": (
        "test_batch",
        published(batch(5, labels=[1])),
        "a list of 8 whole labels, found 1 values",
    ),
    "labels as text": ("test_batch", published(batch(5, labels=b"12345678")), "whole labels, found bytes"),
    "fewer images": ("data_batch_2", published(batch(1, data=IMAGES[:-1])), "shape (8, 3072), found (7, 3072)"),
    "other images": ("data_batch_2", published(batch(1, data=IMAGES[:, :784])), "shape (8, 3072), found (8, 784)"),
    "wide numbers": ("data_batch_2", published(batch(1, data=IMAGES.astype("<u2"))), "type u1 by rows, found 'u2'"),
    "no images": ("data_batch_2", published(batch(1, data=b"")), "expected an array of images, found bytes"),
    "short images": (
        "data_batch_1",
        WHOLE.replace(struct.pack("<I", IMAGES.size), struct.pack("<I", IMAGES.size - 1), 1),
        "expected a pickle",
    ),
    "another set": ("batches.meta", published(META | {b"label_names": [b"apple"]}), "label_names airplane, automobile"),
    "no names": ("batches.meta", published({b"num_vis": 3072}), "found None"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_pickle_is_refused_in_one_line(tmp_path, fault):
    name, content, message = FAULTS[fault]
    path = write(tmp_path, PICKLED | {name: content}) / name
    with pytest.raises(DataError, match=re.escape(message)) as raised:
        load("cifar10", tmp_path, download=False)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)


def test_a_pickle_larger_than_any_batch_is_not_read(tmp_path):
    path = write(tmp_path, PICKLED) / "data_batch_4"
    with path.open("wb") as file:
        file.truncate(1 << 33)
    with pytest.raises(DataError, match=r"data_batch_4: expected at most 67,108,864 bytes, found 8,589,934,592"):
        load("cifar10", tmp_path, download=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content[:-1], "expected 24584 bytes (8 records of 3073), found 24583"),
        (lambda content: content + b"\0", "expected 24584 bytes (8 records of 3073), found 24585"),
        (lambda content: b"\x0a" + content[1:], "expected labels from 0 to 9, found 10"),
    ],
)
def test_a_wrong_binary_file_is_refused_in_one_line(tmp_path, change, message):
    contents = BINARY | {"test_batch.bin": change(BINARY["test_batch.bin"])}
    folder = write(tmp_path, contents, Cifar10.binary_folder)
    with pytest.raises(DataError, match=re.escape(f"{folder / 'test_batch.bin'}: {message}")):
        load("cifar10", tmp_path, download=False)


def test_absent_files_are_named(tmp_path):
    write(tmp_path, {name: content for name, content in PICKLED.items() if name != "data_batch_3"})
    with pytest.raises(DataError, match="cifar10: expected data_batch_3 in "):
        load("cifar10", tmp_path, download=False)


def test_copies_are_told_from_the_published_files(tmp_path):
    write(tmp_path, PICKLED)
    entry = DATASETS.create("cifar10")
    assert entry.remarks(tmp_path, entry.load(tmp_path)) == ["a copy: 6 of 6 files differ from the published ones"]


def test_reading_needs_no_second_copy_of_all_images(tmp_path, monkeypatch):
    """The pool and one batch's file at a time."""
    count = 500
    monkeypatch.setattr(Cifar10, "train_size", 5 * count)
    monkeypatch.setattr(Cifar10, "test_size", count)
    contents = batch(0) | {b"labels": [1] * count, b"data": np.zeros((count, 3072), np.uint8)}
    files = {n: published(contents | {b"batch_label": title.encode()}) for n, title in zip(NAMES, TITLES, strict=True)}
    write(tmp_path, PICKLED | files)
    pool, one = 6 * count * 3072, len(files["test_batch"])
    tracemalloc.start()
    load("cifar10", tmp_path, download=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < pool + 5 * one < 2 * pool


def test_only_the_strict_unpickler_touches_pickles(repository):
    sources = {path: path.read_text(encoding="utf-8") for path in (repository / "ffnn").rglob("*.py")}
    importing = [path.name for path, text in sources.items() if re.search(r"^\s*(import|from) pickle\b", text, re.M)]
    assert importing == ["unpickle.py"]
    assert not [path for path, text in sources.items() if re.search(r"allow_pickle=True|pickle\.loads?\(", text)]
