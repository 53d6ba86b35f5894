"""The words a formula may use, with their plain meaning on NumPy arrays.

A formula imports these names, so it can be read, called and tested as ordinary NumPy code; each
engine then binds the same names to its own functions (see `ffnn.backend.formula`).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import absolute, exp, expm1, log, log1p, maximum, minimum, power, sign, sqrt, tanh, where

__all__ = [
    "absolute", "erf", "exp", "expm1", "log", "log1p", "maximum", "minimum", "power",
    "row_argmax", "row_map", "row_max", "row_size", "row_sum", "sign", "sqrt", "tanh", "uniform", "where",
]  # fmt: skip


def erf(x: Any) -> Any:
    """Gauss's error function, element by element."""
    from scipy.special import erf as scipy_erf  # imported here: SciPy costs start-up time

    return scipy_erf(x)


def uniform(index: Any, key: Any) -> Any:
    """Uniform random numbers in [0, 1) as a pure function of a counter and a key.

    The same (index, key) gives the same number on every engine and in any order, so a random mask never has to be
    stored and a resumed run draws what the uninterrupted one would have drawn.

    `index`, uint32, is the number's position in its stream, which `key` names: an np.uint32, or a cell of that type, as
    compiled engines take no other. The numbers are float32, multiples of 2**-24, in the shape of `index`. A 32-bit
    finalizer of the Murmur3 kind is applied twice with the key mixed in between: good enough for dropout masks and
    noise; not for cryptography.
    """
    bits = np.asarray(index, np.uint32)
    for _ in range(2):
        bits = bits ^ np.uint32(key)
        bits = (bits ^ (bits >> np.uint32(16))) * np.uint32(0x85EBCA6B)
        bits = (bits ^ (bits >> np.uint32(13))) * np.uint32(0xC2B2AE35)
        bits = bits ^ (bits >> np.uint32(16))
    return (bits >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


def row_size(values: Any) -> Any:
    """Number of values in each row, as a float."""
    return float(values.shape[-1])


def row_max(values: Any) -> Any:
    """Largest value of each row."""
    return np.max(values, axis=-1, keepdims=True)


def row_argmax(values: Any) -> Any:
    """Index of the largest value of each row; the first one where several are equal."""
    return np.argmax(values, axis=-1)[..., None]


def row_sum(function: Callable[..., Any], *values: Any) -> Any:
    """Sum of `function(*values)` along each row."""
    return np.sum(function(*values), axis=-1, keepdims=True)


def row_map(function: Callable[..., Any], out: Any, *values: Any) -> None:
    """Write `function(*values)` into each row of `out`, which may be one of the values."""
    out[...] = function(*values)
