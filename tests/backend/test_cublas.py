"""How products are handed to cuBLAS, against a stand-in that reads the same addresses, columns first."""

from typing import Any

import numpy as np
import pytest
from backend.fake_cublas import Library

from ffnn.backend.cublas import COMPUTE, WORKSPACE, Cublas
from ffnn.errors import FFNNError


def product(cublas: Cublas, a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    cublas.matmul(a, a.ctypes.data, b, b.ctypes.data, out, out.ctypes.data)


def forms(values: np.ndarray) -> list[np.ndarray]:
    """The same matrix (or stack) as it stands, as a transposed view, and as a part of a larger one."""
    larger = np.full((*values.shape[:-2], values.shape[-2] + 3, values.shape[-1] + 2), np.nan, values.dtype)
    larger[..., : values.shape[-2], : values.shape[-1]] = values
    part = larger[..., : values.shape[-2], : values.shape[-1]]
    return [values, np.ascontiguousarray(values.swapaxes(-1, -2)).swapaxes(-1, -2), part]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 5, 3), (5, 1, 4), (7, 6, 1), (4, 3, 2), (33, 17, 29)], ids=str)
def test_products_of_all_forms(shape: tuple[int, int, int], dtype: Any) -> None:
    m, k, n = shape
    rng = np.random.default_rng(5)
    cublas = Cublas(Library(), 11, 22)
    for members in ((), (1,), (3,)):
        a, b = rng.standard_normal((*members, m, k)).astype(dtype), rng.standard_normal((*members, k, n)).astype(dtype)
        for left in (*forms(a), *forms(a[:1] if members else a)):
            for right in (*forms(b), *forms(b[:1] if members else b)):
                around = np.full((*members, m + 2, n), 7, dtype)
                out = around[..., :m, :]
                for _ in range(2):
                    product(cublas, left, right, out)
                    expected = np.broadcast_to(left @ right, out.shape)
                    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-5)
                assert (around[..., m:, :] == 7).all()


def test_the_stream_is_set_before_the_workspace() -> None:
    """cublasSetStream brings back cuBLAS's own workspace, whose allocation a recording could not hold."""
    library = Library()
    Cublas(library, 11, 22)
    assert library.calls == ["create", "stream 11", f"workspace 22 {WORKSPACE}"]


def test_the_precision_decides_how_float32_is_multiplied() -> None:
    for dtype in (np.float32, np.float64):
        for precision in ("float32", "tf32"):
            library = Library()
            values = np.ones((2, 2), dtype)
            product(Cublas(library, 1, 2, precision), values, values, np.empty_like(values))
            assert library.computes == [COMPUTE[np.dtype(dtype).name][precision]]
    # CUBLAS_COMPUTE_32F, _32F_FAST_TF32 and _32F_FAST_16BF of cublas_api.h.
    assert COMPUTE["float32"] == {"float32": 68, "tf32": 77, "bf16": 75}


def test_what_does_not_fit_is_refused() -> None:
    cublas = Cublas(Library(), 1, 2)
    ones = np.ones
    for a, b, out in [
        (ones((2, 3)), ones((2, 3)), ones((2, 3))),
        (ones((2, 3)), ones((3, 4), np.float32), ones((2, 4))),
        (ones((2, 2, 3)), ones((3, 3, 4)), ones((3, 2, 4))),
        (ones((2, 3)), ones((3, 4)), ones((4, 2)).T),
        (ones((2, 6))[:, ::2], ones((3, 4)), ones((2, 4))),
    ]:
        with pytest.raises(ValueError, match="a product"):
            product(cublas, a, b, out)


def test_a_failure_of_the_library_is_told() -> None:
    library = Library()
    cublas = Cublas(library, 1, 2)
    library.fails = True
    with pytest.raises(FFNNError, match="status 13"):
        product(cublas, np.ones((2, 2)), np.ones((2, 2)), np.ones((2, 2)))
