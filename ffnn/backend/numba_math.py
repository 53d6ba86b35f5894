"""The vocabulary compiled: scalar functions that LLVM can inline into a loop and vectorise.

The C library's exp, tanh and erf are called once a value and stop vectorisation, so float32 uses
polynomials instead; float64, which is for checks, keeps the C library's full precision.
"""

import math
from typing import Any

import numba
import numpy as np

# Everything but the promise that NaN and Inf never occur: the guard against divergence needs them.
FASTMATH = frozenset({"reassoc", "nsz", "arcp", "contract", "afn"})
# What a formula says is computed in its order, only sums over many values are regrouped: a - (b - c) made into
# (a + c) - b, to take a + c out of the loop, would lose what the difference was written for.
AS_WRITTEN = FASTMATH - {"reassoc"}
# A compensated difference (x - n*high - n*low) allows no reciprocals and approximations either.
EXACT_ORDER = frozenset({"nsz", "contract"})


def jit(function: Any, fastmath: frozenset[str] = FASTMATH, **options: Any) -> Any:
    """Compile; `error_model="numpy"`, because a check of each division costs its loop its vectors."""
    return numba.njit(error_model="numpy", fastmath=set(fastmath), **options)(function)


def word(function: Any, fastmath: frozenset[str] = AS_WRITTEN) -> Any:
    """Compile a word or a formula; always inlined, as one call left in a loop stops its vectorisation."""
    return jit(function, fastmath, forceinline=True)


f4, i4, u4 = np.float32, np.int32, np.uint32
LOG2_E, LN2_HIGH, LN2_LOW = f4(1.44269504), f4(0.693359375), f4(-2.12194440e-4)
ROUNDER = f4(12582912.0)  # 1.5 * 2**23: adding it rounds to an integer that the low bits then hold
EXP_LOW, EXP_HIGH = f4(-86.6), f4(88.3)
ZERO, ONE, INFINITY = f4(0.0), f4(1.0), f4(np.inf)


def _expm1_near_0(r):
    # e**r - 1 for |r| <= ln(2) / 2: Chebyshev fit of (e**r - 1 - r) / r**2, relative error 1.1e-7.
    p = f4(0.00139336749) * r + f4(0.00836319738)
    p = p * r + f4(0.0416664647)
    p = p * r + f4(0.166665769)
    p = p * r + f4(0.500000001)
    return (p * r + ONE) * r


_expm1_near_0 = word(_expm1_near_0, EXACT_ORDER)


def _exp32(x):
    # e**x = 2**n * e**r with |r| <= ln(2) / 2.
    clipped = EXP_LOW if x < EXP_LOW else x
    clipped = EXP_HIGH if clipped > EXP_HIGH else clipped
    shifted = clipped * LOG2_E + ROUNDER
    n = shifted - ROUNDER
    r = (clipped - n * LN2_HIGH) - n * LN2_LOW
    p = _expm1_near_0(r) + ONE
    bits = i4(i4(f4(shifted).view(i4) << i4(23)) + f4(p).view(i4))
    y = bits.view(f4)
    y = ZERO if x < EXP_LOW else y
    # The product is Inf above the range, and NaN for a NaN, whose payload the integers above would make a number of.
    return y if x <= EXP_HIGH else INFINITY * x


_exp32 = word(_exp32, EXACT_ORDER)


def _expm132(x):
    # Near 0 the difference e**x - 1 would cancel.
    return _expm1_near_0(x) if abs(x) < f4(0.34) else _exp32(x) - ONE


def _tanh32(x):
    # (1 - z) / (1 + z) with z = e**(-2|x|); below 0.6 a Chebyshev fit of tanh(x) / x in x**2.
    size = abs(x)
    z = _exp32(f4(-2.0) * size)
    large = (ONE - z) / (ONE + z)
    u = x * x
    p = f4(-0.00605279633) * u + f4(0.020967376)
    p = p * u + f4(-0.0538447457)
    p = p * u + f4(0.133327301)
    p = p * u + f4(-0.333333285)
    small = x + x * u * p
    return small if size < f4(0.6) else (large if x > ZERO else -large)


def _erf32(x):
    # Below 1 a fit of erf(x) / x in x**2; above, erfc(x) = e**(-x**2) * s * q(s) with s = 1 / (1 + x/2).
    size = abs(x)
    u = x * x
    p = f4(7.88249711e-05) * u + f4(-0.000801885499)
    p = p * u + f4(0.00518931194)
    p = p * u + f4(-0.0268543288)
    p = p * u + f4(0.112835975)
    p = p * u + f4(-0.376126269)
    p = p * u + f4(1.12837917)
    small = x * p
    s = ONE / (ONE + f4(0.5) * size)
    q = f4(0.0955859616) * s + f4(-0.387363292)
    q = q * s + f4(0.437898867)
    q = q * s + f4(-0.000635913162)
    q = q * s + f4(0.297642177)
    q = q * s + f4(0.274174879)
    q = q * s + f4(0.282615751)
    large = ONE - _exp32(-u) * s * q
    return small if size < ONE else (large if x > ZERO else -large)


def _uniform(index, key):
    bits = u4(index)
    for _ in range(2):
        bits = u4(bits ^ key)  # a float, which a plain number becomes, does not compile: it may be rounded
        bits = u4(u4(bits ^ u4(bits >> u4(16))) * u4(0x85EBCA6B))
        bits = u4(u4(bits ^ u4(bits >> u4(13))) * u4(0xC2B2AE35))
        bits = u4(bits ^ u4(bits >> u4(16)))
    return f4(i4(bits >> u4(8))) * f4(2.0**-24)


_FOR_BOTH: dict[str, Any] = {
    "log": word(lambda x: math.log(x)),
    "log1p": word(lambda x: math.log1p(x)),
    "sqrt": word(lambda x: math.sqrt(x)),
    "power": word(lambda x, exponent: x**exponent),
    "absolute": word(lambda x: abs(x)),
    # A conditional expression: np.where on scalars inside a loop is hundreds of times slower.
    "where": word(lambda condition, yes, no: yes if condition else no),
    # As NumPy's, they answer NaN where either value is NaN.
    "maximum": word(lambda a, b: b if a < b or b != b else a),
    "minimum": word(lambda a, b: b if a > b or b != b else a),
    "uniform": word(_uniform, EXACT_ORDER),
}

WORDS: dict[str, dict[str, Any]] = {
    "float32": {
        **_FOR_BOTH,
        "sign": word(lambda x: ONE if x > ZERO else (-ONE if x < ZERO else x)),
        "exp": _exp32,
        "expm1": word(_expm132),
        "tanh": word(_tanh32),
        "erf": word(_erf32),
    },
    "float64": {
        **_FOR_BOTH,
        "sign": word(lambda x: 1.0 if x > 0.0 else (-1.0 if x < 0.0 else x)),
        "exp": word(lambda x: math.exp(x)),
        "expm1": word(lambda x: math.expm1(x)),
        "tanh": word(lambda x: math.tanh(x)),
        "erf": word(lambda x: math.erf(x)),
    },
}
