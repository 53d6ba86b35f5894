"""The matrix product of the BLAS library that NumPy has loaded, by its address in memory.

Compiled code can call it there, without the interpreter; the product has the bits of NumPy's own.
"""

import ctypes
import functools
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_info

LETTERS = {"float32": "s", "float64": "d"}


class Product(NamedTuple):
    """Where `cblas_?gemm` is, and how many bits its whole numbers have."""

    address: int
    bits: int


@functools.cache
def product(dtype: str) -> Product | None:
    """The product of matrices of a type; None where it is not found, or finds other bits than NumPy's.

    `dtype` is "float32" or "float64".
    """
    for path in _libraries():
        library = ctypes.CDLL(path)
        for prefix in ("scipy_", ""):
            for suffix, bits in (("64_", 64), ("", 32)):
                function = getattr(library, f"{prefix}cblas_{LETTERS[dtype]}gemm{suffix}", None)
                if function is not None and _as_numpy(function, dtype, bits):
                    return Product(ctypes.cast(function, ctypes.c_void_p).value or 0, bits)
    return None


def _libraries() -> list[str]:
    """NumPy's before SciPy's, which often brings its own of another release."""
    paths = [pool["filepath"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    return sorted(paths, key=lambda path: "numpy" not in path)


def _as_numpy(function: "ctypes._NamedFuncPointer", dtype: str, bits: int) -> bool:
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(shape).astype(dtype) for shape in ((33, 70), (70, 17)))
    out = np.zeros((33, 17), dtype)
    whole = ctypes.c_int64 if bits == 64 else ctypes.c_int32
    real = ctypes.c_float if dtype == "float32" else ctypes.c_double
    function.restype = None
    sizes = [whole(size) for size in (33, 17, 70)]
    rest = [(a, 70), (b, 17)]
    arguments = [value for array, line in rest for value in (ctypes.c_void_p(array.ctypes.data), whole(line))]
    function(
        ctypes.c_int(101), ctypes.c_int(111), ctypes.c_int(111), *sizes, real(1), *arguments, real(0),
        ctypes.c_void_p(out.ctypes.data), whole(17),
    )  # fmt: skip
    return bool(np.array_equal(out, a @ b))
