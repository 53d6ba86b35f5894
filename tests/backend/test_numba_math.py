"""The compiled vocabulary over its whole range against SciPy in float64, the edges of float32 included."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special

from ffnn.backend import create_engine
from ffnn.backend.engine import Engine
from ffnn.backend.vocabulary import absolute, erf, exp, expm1, log, log1p, maximum, minimum, sign, sqrt, tanh, where

TINY = float(np.finfo(np.float32).tiny)


def say_exp(x: Any) -> Any:
    return exp(x)


def say_expm1(x: Any) -> Any:
    return expm1(x)


def say_tanh(x: Any) -> Any:
    return tanh(x)


def say_erf(x: Any) -> Any:
    return erf(x)


def say_log(x: Any) -> Any:
    return log(x)


def say_log1p(x: Any) -> Any:
    return log1p(x)


def say_sqrt(x: Any) -> Any:
    return sqrt(x)


def say_sign(x: Any) -> Any:
    return sign(x)


def say_absolute(x: Any) -> Any:
    return absolute(x)


def larger(a: Any, b: Any) -> Any:
    return maximum(a, b)


def smaller(a: Any, b: Any) -> Any:
    return minimum(a, b)


def chosen(a: Any, b: Any) -> Any:
    return where(a > b, a, b)


def evaluate(engine: Engine, formula: Callable[..., Any], *inputs: Any) -> np.ndarray:
    arrays = tuple(engine.array(values) for values in inputs)
    out = engine.empty(arrays[0].shape)
    engine.elementwise(formula)((out,), arrays, ())
    return np.array(engine.host(out))


def every_kind_of_float32() -> np.ndarray:
    """Each exponent with random mantissas, both signs; subnormals; a dense grid where the functions bend."""
    rng = np.random.default_rng(0)
    exponents, mantissas = np.arange(0, 255, dtype=np.uint32), rng.integers(0, 2**23, 40, np.uint32)
    spread = ((exponents[:, None] << 23) | mantissas).ravel().view(np.float32)
    dense = np.concatenate([np.linspace(-low, low, 60_001, dtype=np.float32) for low in (0.03, 1.2, 5, 100)])
    return np.concatenate([spread, -spread, dense])


CASES = [
    # name, formula, oracle, tolerance relative to max(|f|, floor), floor, and the range that must be finite and exact
    pytest.param(say_exp, np.exp, 3e-7, 0.0, (-86.5, 88.2), id="exp"),
    pytest.param(say_expm1, np.expm1, 4e-7, 0.0, (-np.inf, 88.2), id="expm1"),
    pytest.param(say_tanh, np.tanh, 3e-7, 0.0, (-np.inf, np.inf), id="tanh"),
    pytest.param(say_erf, special.erf, 4e-7, 0.0, (-np.inf, np.inf), id="erf"),
]


@pytest.mark.parametrize(("formula", "oracle", "tolerance", "floor", "span"), CASES)
def test_float32_over_its_whole_range(
    formula: Callable[..., Any],
    oracle: Callable[..., Any],
    tolerance: float,
    floor: float,
    span: tuple[float, float],
) -> None:
    x = every_kind_of_float32()
    x = x[(x >= span[0]) & (x <= span[1])]
    expected = oracle(x.astype(np.float64))
    actual = evaluate(create_engine("numba", "float32"), formula, x)
    assert actual.dtype == np.float32
    # Results below the smallest normal number may be rounded to 0 or to a neighbour.
    error = np.abs(actual - expected) / np.maximum(np.abs(expected), max(floor, TINY))
    worst = np.argmax(error)
    assert error[worst] <= tolerance, f"{formula.__name__}({x[worst]!r}) = {actual[worst]!r}, error {error[worst]:.2g}"


def test_expm1_is_within_rounding_of_the_difference() -> None:
    x = np.linspace(-1, 1, 200_001, dtype=np.float32)
    error = np.abs(evaluate(create_engine("numba"), say_expm1, x) - np.expm1(x.astype(np.float64)))
    assert error.max() <= 2.5e-7


def test_exp_underflows_to_zero_and_overflows_to_infinity() -> None:
    x = np.sort(every_kind_of_float32())
    result = evaluate(create_engine("numba"), say_exp, x)
    assert (result[x < -86.7] == 0).all()
    assert np.isposinf(result[x > 88.4]).all()
    assert ((result >= 0) & ~np.isnan(result)).all()
    finite = result[x < 88]
    assert (np.diff(finite) >= -2e-7 * finite[1:]).all()


EDGES = np.array([np.inf, -np.inf, np.nan, -np.nan, 0.0, -0.0, 1e-45, -1e-45, 1e-39, 3.4e38, -3.4e38])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "formula", [say_exp, say_expm1, say_tanh, say_erf, say_log, say_log1p, say_sqrt, say_absolute, say_sign]
)
def test_the_edges_are_numpys(formula: Callable[..., Any], dtype: str) -> None:
    with np.errstate(all="ignore"):
        x = EDGES.astype(dtype)
    expected, actual = (evaluate(create_engine(name, dtype), formula, x) for name in ("numpy", "numba"))
    np.testing.assert_array_equal(np.isnan(actual), np.isnan(expected))
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=TINY if dtype == "float32" else 0)


@pytest.mark.parametrize("formula", [say_exp, say_expm1, say_tanh, say_erf])
def test_every_bit_pattern_of_nan_stays_nan(formula: Callable[..., Any]) -> None:
    payloads = np.concatenate([2 ** np.arange(23), [0x400000, 0x400001, 0x7FFFFF, 0x412345]]).astype(np.uint32)
    patterns = np.concatenate([payloads | 0x7F800000, payloads | 0xFF800000]).astype(np.uint32).view(np.float32)
    assert np.isnan(patterns).all()
    assert np.isnan(evaluate(create_engine("numba"), formula, patterns)).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("formula", [larger, smaller, chosen])
def test_choices_are_numpys_whatever_is_nan(formula: Callable[..., Any], dtype: str) -> None:
    values = np.array([np.nan, -np.inf, -1.0, 0.0, 2.0, np.inf])
    a, b = (part.ravel() for part in np.meshgrid(values, values))
    expected, actual = (evaluate(create_engine(name, dtype), formula, a, b) for name in ("numpy", "numba"))
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize(
    ("formula", "oracle"),
    [
        (say_exp, np.exp),
        (say_expm1, np.expm1),
        (say_tanh, np.tanh),
        (say_erf, special.erf),
        (say_log, np.log),
        (say_log1p, np.log1p),
        (say_sqrt, np.sqrt),
    ],
)
@pytest.mark.parametrize("engine_name", ["numpy", "numba"])
def test_float64_is_exact_to_a_few_units(
    formula: Callable[..., Any], oracle: Callable[..., Any], engine_name: str
) -> None:
    x = np.concatenate([np.linspace(1e-6, 700, 10_001), np.geomspace(1e-300, 1, 1000), np.linspace(-30, -1e-9, 5001)])
    with np.errstate(all="ignore"):
        expected = oracle(x)
    actual = evaluate(create_engine(engine_name, "float64"), formula, x)
    np.testing.assert_allclose(actual, expected, rtol=1e-15)


@pytest.mark.parametrize("formula", [say_log, say_log1p, say_sqrt])
def test_float32_words_of_the_c_library(formula: Callable[..., Any]) -> None:
    x = np.abs(every_kind_of_float32())
    x = x[x >= TINY]
    expected = evaluate(create_engine("numpy", "float64"), formula, x)
    actual = evaluate(create_engine("numba", "float32"), formula, x)
    np.testing.assert_allclose(actual, expected, rtol=3e-7)
