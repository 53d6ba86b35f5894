"""Normalizations put pixels where they say, look at training rows only, and can be undone."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffnn.data import NORMALIZATIONS, DataError, Dataset, fit_normalization, normalize, pixel_statistics
from ffnn.errors import FFNNError


def every_level(top):
    """A data set that has every pixel value."""
    pixels = np.arange(top + 1, dtype=np.uint8)[None]
    return Dataset("levels", pixels, np.zeros(1, np.int64), ("a",), (1, top + 1), top, 0, "memory")


@pytest.mark.parametrize(("kind", "bottom"), [("unit", 0.0), ("signed", -1.0)])
@pytest.mark.parametrize("top", [16, 255])
def test_fixed_ranges_are_reached_exactly(kind, bottom, top):
    values = fit_normalization(kind, every_level(top), np.array([0])).apply(every_level(top).images[0])
    assert values[0] == bottom
    assert values[-1] == pytest.approx(1.0, abs=1e-15)
    assert np.allclose(np.diff(values), (1 - bottom) / top, rtol=1e-12)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3)])
def test_standardize_gives_each_channel_mean_0_and_variance_1(make_dataset, shape):
    data = make_dataset([0] * 50, shape=shape)
    data.images.reshape(50, 35, -1)[:, :, 0] //= 3  # one channel darker than the others
    rows = np.arange(0, 50, 2)
    fitted = fit_normalization("standardize", data, rows)
    assert fitted.scale.shape == fitted.shift.shape == (data.features,)
    values = fitted.apply(data.images[rows]).reshape(-1, shape[2] if len(shape) == 3 else 1)
    assert np.allclose(values.mean(axis=0), 0, atol=1e-12)
    assert np.allclose(values.std(axis=0), 1, atol=1e-12)


def test_statistics_are_numpys(make_dataset):
    data = make_dataset([0] * 40, shape=(3, 4, 3), top=200)
    rows = np.array([3, 30, 7, 8])
    pixels = data.images[rows].reshape(-1, 3) / 200
    mean, std = pixel_statistics(data, rows)
    assert np.allclose(mean, pixels.mean(axis=0), rtol=1e-13)
    assert np.allclose(std, pixels.std(axis=0), rtol=1e-13)


def test_rows_that_do_not_train_are_not_looked_at(make_dataset):
    data = make_dataset([0] * 20)
    before = fit_normalization("standardize", data, np.arange(10))
    data.images[10:] = 255
    after = fit_normalization("standardize", data, np.arange(10))
    assert (before.scale == after.scale).all()
    assert (before.shift == after.shift).all()


def test_a_full_size_pool_does_not_overflow(make_dataset):
    """Fashion-MNIST has 47 million training pixels: count times sum of squares is beyond int64."""
    data = make_dataset([0, 0], shape=(28, 28))
    data.images[0], data.images[1] = 255, 0
    mean, std = pixel_statistics(data, np.tile([0, 1], 30_000))
    assert mean == pytest.approx(0.5)
    assert std == pytest.approx(0.5)


def test_no_float_copy_of_the_images_is_made(make_dataset, monkeypatch):
    data = make_dataset([0] * 2000, shape=(28, 28))
    monkeypatch.setattr(normalize, "BLOCK", 1 << 15)
    tracemalloc.start()
    pixel_statistics(data, np.arange(2000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < data.images.nbytes


@pytest.mark.parametrize("kind", list(NORMALIZATIONS))
@pytest.mark.parametrize("top", [16, 255])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_restore_undoes_it_for_every_pixel_value(kind, top, dtype):
    data = every_level(top)
    fitted = fit_normalization(kind, data, np.array([0]))
    restored = fitted.restore(fitted.apply(data.images).astype(dtype))
    assert restored.dtype == np.uint8
    assert (restored == data.images).all()


@given(st.floats(-1e6, 1e6))
def test_restore_takes_any_value_to_the_nearest_pixel(value):
    data = every_level(255)
    fitted = fit_normalization("signed", data, np.array([0]))
    pixel = int(fitted.restore(np.full(256, value))[0])
    distance = np.abs(fitted.apply(np.arange(256)) - value)
    assert distance[pixel] == pytest.approx(distance.min(), abs=1e-9)


def test_equal_pixels_cannot_be_standardized(make_dataset):
    data = make_dataset([0] * 4)
    data.images[:] = 7
    with pytest.raises(DataError, match="expected training pixels of made that differ, found all equal"):
        fit_normalization("standardize", data, np.arange(4))


def test_a_misspelt_kind_gets_a_hint(make_dataset):
    with pytest.raises(FFNNError, match=r"unknown normalization 'standardise'.*did you mean 'standardize'"):
        fit_normalization("standardise", make_dataset([0]), np.arange(1))
