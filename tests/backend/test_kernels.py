"""Every kernel and fixed operation of both engines, against plain NumPy on odd and ordinary shapes."""

from typing import Any

import numpy as np
import pytest
from numba.core.errors import TypingError
from reference import both_engines

from ffnn.backend import create_engine
from ffnn.backend.engine import Engine
from ffnn.backend.vocabulary import row_argmax, row_map, row_max, row_size, row_sum, uniform
from ffnn.errors import FFNNError

both_types = pytest.mark.parametrize("dtype", ["float32", "float64"])
SHAPES = [(1, 1), (1, 7), (7, 1), (2, 3), (16, 33), (129, 64)]
shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(8)


def tolerance(engine: Engine) -> float:
    return 1e-5 if engine.dtype == np.float32 else 1e-13


def mixed(a: Any, b: Any, column: Any, factor: Any) -> Any:
    return factor * a - b * column, a + column


def moved(target: Any, other: Any, value: Any, rate: Any) -> Any:
    return target - rate * value, other * value


def weighed(a: Any, column: Any) -> Any:
    return a * column, a + column


def shared(x: Any, y: Any) -> Any:
    return x / y


def itself(x: Any) -> Any:
    return x


def row_words(values: Any, weight: Any, shares: Any, scale: Any) -> Any:
    peak = row_max(values)
    row_map(shared, shares, values, peak)
    return scale * row_sum(itself, shares) + weight * row_size(values) + row_argmax(values)


def scaled_pixel(pixel: Any, scale: Any, shift: Any) -> Any:
    return pixel * scale + shift


def numbered(index: Any, key: Any) -> Any:
    return uniform(index, key)


@both_engines
@both_types
@shapes
def test_elementwise_with_columns_and_constants(
    engine_name: str, dtype: str, shape: tuple[int, int], rng: np.random.Generator
) -> None:
    engine = create_engine(engine_name, dtype)
    a, b, column = rng.standard_normal(shape), rng.standard_normal(shape), rng.standard_normal(shape[1])
    first, second = engine.empty(shape), engine.empty(shape)
    engine.elementwise(mixed)((first, second), tuple(map(engine.array, (a, b, column))), (2.5,))
    np.testing.assert_allclose(first, 2.5 * a - b * column, atol=tolerance(engine))
    np.testing.assert_allclose(second, a + column, atol=tolerance(engine))


@both_engines
@both_types
@pytest.mark.parametrize("shape", [*SHAPES, (5,), (1000,)], ids=str)
def test_update_reads_and_writes_its_targets(
    engine_name: str, dtype: str, shape: tuple[int, ...], rng: np.random.Generator
) -> None:
    engine = create_engine(engine_name, dtype)
    a, b, value = (rng.standard_normal(shape) for _ in range(3))
    target, other = engine.array(a), engine.array(b)
    for _ in range(2):
        engine.update(moved)((target, other), (engine.array(value),), (0.5,))
    np.testing.assert_allclose(target, a - value, atol=tolerance(engine))
    np.testing.assert_allclose(other, b * value * value, atol=10 * tolerance(engine))


@both_engines
@both_types
@shapes
def test_columns_are_summed(engine_name: str, dtype: str, shape: tuple[int, int], rng: np.random.Generator) -> None:
    engine = create_engine(engine_name, dtype)
    a, column = rng.standard_normal(shape), rng.standard_normal(shape[1])
    first, second = engine.array(np.full(shape[1], 99.0)), engine.array(np.full(shape[1], np.nan))
    engine.columns(weighed)((first, second), (engine.array(a), engine.array(column)), ())
    np.testing.assert_allclose(first, (a * column).sum(0), atol=20 * tolerance(engine))
    np.testing.assert_allclose(second, (a + column).sum(0), atol=20 * tolerance(engine))


@both_engines
@both_types
@shapes
def test_rows(engine_name: str, dtype: str, shape: tuple[int, int], rng: np.random.Generator) -> None:
    engine = create_engine(engine_name, dtype)
    values, weights = rng.uniform(0.5, 2, shape), rng.standard_normal(shape[0])
    shares, result = engine.empty(shape), engine.empty((1,), np.float64)
    engine.rows(row_words)((shares, result), (engine.array(values), engine.array(weights)), (0.25,))
    expected = values / values.max(1, keepdims=True)
    np.testing.assert_allclose(shares, expected, atol=tolerance(engine))
    numbers = 0.25 * expected.sum(1) + weights * shape[1] + values.astype(dtype).argmax(1)
    np.testing.assert_allclose(result, [numbers.sum()], rtol=100 * tolerance(engine))


@both_engines
def test_row_words_at_ties_and_nan(engine_name: str) -> None:
    engine = create_engine(engine_name, "float64")

    def first_of_largest(values: Any, out: Any) -> Any:
        row_map(itself, out, values)
        return row_argmax(values)

    def largest(values: Any, out: Any) -> Any:
        row_map(itself, out, values)
        return row_max(values)

    values = engine.array([[1, 3, 3, 0], [5, 5, 5, 5], [0, -1, -2, 0], [1, np.nan, 2, 0], [np.nan, 1, 1, 1]])
    out, number = engine.empty((1, 4)), engine.empty((1,), np.float64)
    for row, first, peak in zip(values, [1, 0, 0, None, None], [3, 5, 0, np.nan, np.nan], strict=True):
        if first is not None:
            engine.rows(first_of_largest)((out, number), (row[None],), ())
            assert number[0] == first
        engine.rows(largest)((out, number), (row[None],), ())
        np.testing.assert_array_equal(number, [peak])


@both_engines
@both_types
@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64, np.int64])
def test_gather_converts_what_it_reads(engine_name: str, dtype: str, kind: type, rng: np.random.Generator) -> None:
    engine = create_engine(engine_name, dtype)
    pool = rng.integers(0, 256, (20, 9)).astype(kind)
    pool[0] = 255
    scale, shift = rng.standard_normal(9), rng.standard_normal(9)
    for indices in (np.array([0]), np.array([19, 3, 3, 0, 7]), rng.permutation(20)):
        out = engine.empty((len(indices), 9))
        engine.gather(scaled_pixel)(out, engine.share(pool), indices, (engine.array(scale), engine.array(shift)))
        np.testing.assert_allclose(out, pool[indices].astype(float) * scale + shift, rtol=1e-5, atol=1e-4)
        assert out.dtype == dtype


@both_engines
@both_types
def test_matmul_takes_transposed_views_and_slices(engine_name: str, dtype: str, rng: np.random.Generator) -> None:
    engine = create_engine(engine_name, dtype)
    for m, k, n in [(1, 1, 1), (1, 5, 3), (5, 1, 4), (7, 6, 1), (33, 17, 29)]:
        a, b = rng.standard_normal((m, k)), rng.standard_normal((k, n))
        for left in (engine.array(a), engine.array(a.T).T, engine.array(np.vstack([a, a]))[:m]):
            for right in (engine.array(b), engine.array(b.T).T):
                out = engine.empty((m + 2, n))[:m]
                engine.matmul(left, right, out)
                np.testing.assert_allclose(out, a @ b, atol=10 * tolerance(engine))


@both_engines
@both_types
def test_one_hot(engine_name: str, dtype: str) -> None:
    engine = create_engine(engine_name, dtype)
    out = engine.array(np.full((3, 4), np.nan))
    for kind in (np.int64, np.int32, np.uint8):
        engine.one_hot(engine.array([3, 0, 3], kind), 0.75, 0.25, out)
        expected = [[0.25, 0.25, 0.25, 0.75], [0.75, 0.25, 0.25, 0.25], [0.25, 0.25, 0.25, 0.75]]
        np.testing.assert_array_equal(out, expected)


@both_engines
@both_types
@pytest.mark.parametrize("label", [-1, 4, 255, 2**40])
def test_a_label_that_is_no_column_is_refused(engine_name: str, dtype: str, label: int) -> None:
    engine = create_engine(engine_name, dtype)
    around = engine.zeros((5, 4))
    with pytest.raises(FFNNError, match=f"Label {label} found, but the network has 4 outputs"):
        engine.one_hot(engine.array([1, 0, label], np.int64), 1.0, 0.0, around[1:4])
    assert not around[[0, 4]].any()


@both_engines
@both_types
def test_argmax_takes_the_first_of_equals(engine_name: str, dtype: str) -> None:
    engine = create_engine(engine_name, dtype)
    matrix = engine.array([[0, 2, 2], [1, 1, 1], [-3, -2, -1], [-np.inf, -np.inf, -np.inf]])
    np.testing.assert_array_equal(engine.argmax(matrix), [1, 0, 2, 0])


@both_engines
@both_types
@pytest.mark.parametrize("shape", [(1,), (7,), (1, 1), (3, 5), (1000, 31)], ids=str)
def test_norm(engine_name: str, dtype: str, shape: tuple[int, ...], rng: np.random.Generator) -> None:
    engine = create_engine(engine_name, dtype)
    values = engine.array(rng.standard_normal(shape) + 1)
    exact = values.astype(np.float64)
    assert engine.norm(values) == pytest.approx(np.linalg.norm(exact.ravel()), rel=1e-12)
    assert type(engine.norm(values)) is float


@both_engines
def test_the_norm_of_float32_is_taken_in_float64(engine_name: str) -> None:
    engine = create_engine(engine_name, "float32")
    assert engine.norm(engine.array([3e30, 4e30])) == pytest.approx(5e30, rel=1e-6)
    for bad in (np.nan, np.inf):
        values = engine.array([1, bad, 2])
        assert not np.isfinite(engine.norm(values))


@both_engines
def test_arrays_are_the_engines_own(engine_name: str) -> None:
    engine = create_engine(engine_name, "float32")
    host = np.arange(6, dtype=np.float32).reshape(2, 3)
    copy = engine.array(host)
    host[0, 0] = 50
    assert copy[0, 0] == 0
    assert copy.dtype == engine.empty((1,)).dtype == engine.zeros((1,)).dtype == np.float32
    assert engine.array([1, 2], np.int64).dtype == np.int64
    assert not engine.zeros((3, 2)).any()
    assert np.shares_memory(engine.host(engine.share(host)), host)


# -- uniform ------------------------------------------------------------------------------------


def numbers_of(engine_name: str, index: np.ndarray, key: int) -> np.ndarray:
    engine = create_engine(engine_name, "float32")
    out = engine.empty(index.shape)
    engine.elementwise(numbered)((out,), (engine.array(index, np.uint32),), (np.uint32(key),))
    return np.array(out)


@pytest.mark.parametrize("key", [0, 1, 2**31, 2**32 - 1, 123456789])
def test_uniform_is_the_same_bit_by_bit_on_every_engine(key: int) -> None:
    index = np.concatenate([np.arange(50_000), np.arange(2**32 - 1000, 2**32), [2**31 - 1, 2**31]]).astype(np.uint32)
    expected = uniform(index, key)
    assert expected.dtype == np.float32
    for name in ("numpy", "numba"):
        np.testing.assert_array_equal(numbers_of(name, index[None], key)[0].view(np.uint32), expected.view(np.uint32))


def test_a_key_of_another_type_is_refused_and_not_rounded() -> None:
    engine = create_engine("numba")
    index = np.zeros((1, 3), np.uint32)
    with pytest.raises(TypingError):
        engine.elementwise(numbered)((engine.empty(index.shape),), (index,), (2**31 + 1,))


def test_uniform_is_uniform() -> None:
    index = np.arange(200_000, dtype=np.uint32)
    for key in (0, 1, 77, 2**32 - 1):
        values = uniform(index, key).astype(np.float64)
        assert 0 <= values.min() < 1e-4
        assert 1 - 1e-4 < values.max() < 1
        assert abs(values.mean() - 0.5) < 4 * np.sqrt(1 / 12 / len(values))
        assert abs(values.var() - 1 / 12) < 4 * np.sqrt(1 / 180 / len(values))
        assert_even(np.histogram(values, 100, (0, 1))[0])
        np.testing.assert_array_equal(values * 2**24, np.round(values * 2**24))


def test_uniform_streams_are_independent() -> None:
    index = np.arange(100_000, dtype=np.uint32)
    streams = [uniform(index, key) for key in (0, 1, 2, 3, 2**16, 2**31)]
    for i, first in enumerate(streams):
        # Within the stream: a number against the next, and the one 784 further, a picture's width.
        for lag in (1, 2, 64, 784):
            assert_even(np.histogram2d(first[:-lag], first[lag:], 16, [[0, 1], [0, 1]])[0])
        for second in streams[:i]:
            assert_even(np.histogram2d(first, second, 16, [[0, 1], [0, 1]])[0])


def assert_even(counts: np.ndarray) -> None:
    """Chi-square of equal bins within five deviations of what chance gives; the keys are fixed, so luck has no part."""
    expected, freedom = counts.sum() / counts.size, counts.size - 1
    chi_square = float(((counts - expected) ** 2 / expected).sum())
    assert abs(chi_square - freedom) < 5 * np.sqrt(2 * freedom)


# -- choice of the engine -------------------------------------------------------------------------


def test_an_unknown_engine_or_type_is_refused() -> None:
    with pytest.raises(FFNNError, match=r"unknown engine 'numpi'.*did you mean 'numpy'"):
        create_engine("numpi")
    for name in ("numpy", "numba"):
        with pytest.raises(ValueError, match=r"float32, float64; received 'float16'"):
            create_engine(name, "float16")


@both_engines
@both_types
def test_moments_of_parts(engine_name: str, dtype: str, rng: np.random.Generator) -> None:
    engine = create_engine(engine_name, dtype)
    values = engine.array(rng.standard_normal(1000))
    values[7] = np.inf
    values[900] = np.nan
    bounds = [(500, 900), (0, 1), (20, 500), (0, 20), (890, 1000)]
    found = engine.moments(values, bounds)
    exact = np.asarray(values, np.float64)
    for row, (start, stop) in zip(found, bounds, strict=True):
        part = exact[start:stop]
        np.testing.assert_allclose(row, [part.sum(), (part**2).sum(), np.abs(part).max()], rtol=1e-12)
