"""EMNIST's variants are turned upright and numbered from 0, a part of one is told as such, and lies are refused."""

import gzip
import re

import numpy as np
import pytest
from tiny_set import idx

from ffnn.data import DATASETS, DataError, load
from ffnn.data.sets.emnist import VARIANTS, Emnist
from ffnn.errors import FFNNError

# Images and classes as in table II of the paper.
PUBLISHED = {
    "balanced": (112_800, 18_800, 47),
    "bymerge": (697_932, 116_323, 47),
    "byclass": (697_932, 116_323, 62),
    "letters": (124_800, 20_800, 26),
    "digits": (240_000, 40_000, 10),
    "mnist": (60_000, 10_000, 10),
}
TRAIN, TEST = 9, 4
UPRIGHT = np.random.default_rng(5).integers(0, 256, (TRAIN + TEST, 28, 28)).astype(np.uint8)


def files(variant, first=0, upright=UPRIGHT, labels=None):
    """The four files of a variant, as NIST makes them: every image transposed."""
    labels = np.arange(len(upright)) % 3 + first if labels is None else labels
    lying = np.stack([image.T for image in upright])
    return {
        f"emnist-{variant}-{part}-{kind}": idx(values[rows])
        for part, rows in (("train", slice(TRAIN)), ("test", slice(TRAIN, None)))
        for kind, values in (("images-idx3-ubyte", lying), ("labels-idx1-ubyte", labels))
    }


def write(root, contents):
    folder = root / "EMNIST" / "raw"
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


def spec(variant):
    return {"name": "emnist", "variant": variant}


@pytest.mark.parametrize("variant", PUBLISHED)
def test_a_variant_is_what_the_paper_says(variant):
    entry = DATASETS.create(spec(variant))
    assert (entry.train_size, entry.test_size, len(entry.class_names)) == PUBLISHED[variant]
    assert len(set(entry.class_names)) == len(entry.class_names)
    for counts, size in (
        (entry.published.train_counts, entry.train_size),
        (entry.published.test_counts, entry.test_size),
    ):
        assert not counts or sum(counts) == size


def test_the_classes_are_those_of_the_mapping_files():
    """Label 10 is A, 35 is Z; 36 is a both where cases are merged and where they are not."""
    merged, separate = (DATASETS.create(spec(variant)).class_names for variant in ("balanced", "byclass"))
    assert DATASETS.create(spec("bymerge")).class_names == merged
    assert "".join(merged[36:]) == "abdefghnqrt"  # ASCII 97 98 100 101 102 103 104 110 113 114 116
    assert (separate[0], separate[10], separate[35], separate[36], separate[61]) == ("0", "A", "Z", "a", "z")
    assert [variant.variant for variant in Emnist().variants()] == list(VARIANTS)


def test_balanced_is_the_default():
    assert DATASETS.create("emnist").variant == "balanced"


def test_a_misspelt_variant_gets_a_hint():
    with pytest.raises(FFNNError, match=r"expected variant to be one .*; received 'bymarge'; did you mean 'bymerge'"):
        DATASETS.create(spec("bymarge"))


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "zipped"])
def test_images_are_turned_upright(tmp_path, zipped):
    contents = files("bymerge")
    if zipped:
        contents = {f"{name}.gz": gzip.compress(content) for name, content in contents.items()}
    folder = write(tmp_path, contents)
    data = load(spec("bymerge"), tmp_path, download=False)
    for row in range(len(UPRIGHT)):
        assert (data.image(row) == UPRIGHT[row]).all()
    assert data.labels.tolist() == [row % 3 for row in range(TRAIN + TEST)]
    assert (data.name, data.official_test, data.source) == ("emnist", TEST, str(folder))


def test_more_images_than_are_turned_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("ffnn.data.sets.emnist.BLOCK", 5)
    write(tmp_path, files("bymerge"))
    data = load(spec("bymerge"), tmp_path, download=False)
    assert (data.images.reshape(UPRIGHT.shape) == UPRIGHT).all()


def test_letters_are_numbered_from_one_in_the_files_only(tmp_path):
    write(tmp_path, files("letters", first=1))
    data = load(spec("letters"), tmp_path, download=False)
    assert [data.class_names[label] for label in data.labels[:4]] == ["A", "B", "C", "A"]


def test_letters_have_no_label_zero(tmp_path):
    folder = write(tmp_path, files("letters", first=0))
    with pytest.raises(DataError, match="expected labels from 1 to 26, found 0") as raised:
        load(spec("letters"), tmp_path, download=False)
    assert str(raised.value).startswith(f"{folder}/emnist-letters-train-labels-idx1-ubyte: ")


def test_a_part_is_loaded_and_called_a_part(tmp_path):
    write(tmp_path, files("digits"))
    entry = DATASETS.create(spec("digits"))
    assert entry.remarks(tmp_path, entry.load(tmp_path)) == ["a part: 13 of 280,000 images"]


def test_another_variant_is_not_taken_for_the_one_wanted(tmp_path):
    write(tmp_path, files("digits"))
    with pytest.raises(DataError, match=r"emnist --variant=mnist: expected emnist-mnist-train-images-idx3-ubyte, "):
        load(spec("mnist"), tmp_path, download=False)


WHOLE = files("mnist")
FAULTS = {
    "fewer images than the header says": ("train-images-idx3", lambda content: content[:-1], "found only 7055"),
    "more images than the header says": ("test-images-idx3", lambda content: content + b"\0", "found more"),
    "fewer labels than images": (
        "test-labels-idx1",
        lambda content: idx(np.zeros(TEST - 1)),
        "expected 4 labels, as emnist-mnist-test-images-idx3-ubyte has images, found 3",
    ),
    "more than were published": (
        "train-images-idx3",
        lambda content: idx(np.zeros(0), dimensions=(2_000_000_000, 28, 28)),
        "expected 1 to 60000 x 28 x 28, found 2000000000 x 28 x 28",
    ),
    "none": ("train-images-idx3", lambda content: idx(np.zeros(0), dimensions=(0, 28, 28)), "found 0 x 28 x 28"),
    "negative": ("train-images-idx3", lambda content: idx(np.zeros(0), dimensions=(-5, 28, 28)), "found -5 x 28 x 28"),
    "other size": ("train-images-idx3", lambda content: idx(np.zeros((9, 32, 32))), "found 9 x 32 x 32"),
    "label out of range": ("train-labels-idx1", lambda content: idx(np.arange(9) + 2), "from 0 to 9, found 10"),
    "labels for images": ("train-images-idx3", lambda content: idx(np.zeros(9)), "begins with 00 00 08 03"),
    "cut in the header": ("train-labels-idx1", lambda content: content[:5], "expected a whole IDX header"),
    "a broken gzip stream": ("train-labels-idx1", lambda content: gzip.compress(content)[:-9], "that breaks off"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_that_contradicts_itself_is_refused(tmp_path, fault):
    part, change, message = FAULTS[fault]
    name = f"emnist-mnist-{part}-ubyte"
    folder = write(tmp_path, WHOLE | {name: change(WHOLE[name])})
    with pytest.raises(DataError, match=re.escape(message)) as raised:
        load(spec("mnist"), tmp_path, download=False)
    assert str(raised.value).startswith(f"{folder / name}: ")
    assert "\n" not in str(raised.value)
