"""A data set refuses what does not fit together, is known by its digest, and shows its images."""

import dataclasses
import re

import numpy as np
import pytest

from ffnn.data import DataError, Dataset


def valid():
    return {
        "name": "made",
        "images": np.arange(24, dtype=np.uint8).reshape(4, 6),
        "labels": np.array([0, 1, 1, 0]),
        "class_names": ("a", "b"),
        "shape": (2, 3),
        "top": 23,
        "official_test": 1,
        "source": "memory",
    }


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("images", np.zeros((4, 6)), "type uint8, found float64"),
        ("images", np.zeros((3, 6), np.uint8), "shape (4, 6), found (3, 6)"),
        ("images", np.zeros((4, 2, 3), np.uint8), "shape (4, 6), found (4, 2, 3)"),
        ("images", np.asfortranarray(np.zeros((4, 6), np.uint8)), "C-contiguous images: True, found False"),
        ("labels", np.array([0, 1, 1, 0], np.int32), "type int64, found int32"),
        ("labels", np.zeros((4, 1), np.int64), "labels of shape (4,), found (4, 1)"),
        ("labels", np.array([0, 1, 2, 0]), "labels from 0 to 1, found 2"),
        ("labels", np.array([0, 1, -1, 0]), "labels from 0 to 1, found -1"),
        ("shape", (3, 3), "shape (4, 9), found (4, 6)"),
        ("top", 22, "pixels from 0 to 22, found 23"),
        ("official_test", 4, "smaller than all 4 images, found 4"),
        ("official_test", -1, "smaller than all 4 images, found -1"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(field, value, message):
    Dataset(**valid())
    with pytest.raises(DataError, match=re.escape(message)) as raised:
        Dataset(**valid() | {field: value})
    assert "made (memory)" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_it_cannot_be_reassigned():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Dataset(**valid()).top = 1


def test_the_digest_depends_on_the_contents_alone():
    digest = Dataset(**valid()).digest
    assert re.fullmatch("[0-9a-f]{64}", digest)
    assert Dataset(**valid() | {"source": "elsewhere"}).digest == digest


@pytest.mark.parametrize(
    "change",
    [
        {"images": np.arange(24, dtype=np.uint8)[::-1].reshape(4, 6).copy()},
        {"labels": np.array([0, 1, 0, 1])},
        {"class_names": ("a", "c")},
        {"shape": (3, 2)},
        {"top": 24},
        {"official_test": 0},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_digest_notices_every_change(change):
    assert Dataset(**valid() | change).digest != Dataset(**valid()).digest


def test_an_image_is_scaled_to_full_intensity(make_dataset):
    data = make_dataset([0, 1], shape=(2, 2), top=16)
    data.images[1] = [0, 1, 8, 16]
    assert data.image(1).dtype == np.uint8
    assert data.image(1).tolist() == [[0, 16], [128, 255]]  # 1/16 and 8/16 of 255 are 15.94 and 127.5 (to even)


def test_the_channels_of_a_pixel_stay_together(make_dataset):
    data = make_dataset([0], shape=(1, 2, 3))
    data.images[0] = [10, 20, 30, 40, 50, 60]
    assert data.image(0).tolist() == [[[10, 20, 30], [40, 50, 60]]]


def test_many_images_are_displayed_at_once(make_dataset):
    data = make_dataset([0] * 6)
    shown = data.display(data.images.reshape(2, 3, 6))
    assert shown.shape == (2, 3, 2, 3)
    assert (shown[1, 2] == data.image(5)).all()
