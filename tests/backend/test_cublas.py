"""How products are handed to cuBLAS, against a stand-in that reads the same addresses, columns first."""

import ctypes
from typing import Any

import numpy as np
import pytest

from ffnn.backend.cublas import COMPUTE, WORKSPACE, Cublas
from ffnn.errors import FFNNError

TYPES = {0: np.float32, 1: np.float64}


class Function:
    """A function of a library, which may be told the types of its arguments."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def __call__(self, *arguments: Any) -> int:
        types = getattr(self, "argtypes", None)
        if types is not None:
            assert len(types) == len(arguments)
            # What ctypes would refuse, this refuses too.
            arguments = tuple(
                kind(value) if not isinstance(value, kind) else value
                for kind, value in zip(types, arguments, strict=True)
            )
            arguments = tuple(value.value for value in arguments)
        return int(self._call(*arguments) or 0)


class Library:
    """cuBLAS's products on the host: op(A) op(B) of matrices stored columns first."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.computes: list[int] = []
        self.fails = False
        self.cublasCreate_v2 = Function(lambda handle: self._note("create"))
        self.cublasSetStream_v2 = Function(lambda handle, stream: self._note(f"stream {stream.value}"))
        self.cublasSetWorkspace_v2 = Function(
            lambda h, place, size: self._note(f"workspace {place.value} {size.value}")
        )
        self.cublasGemmEx = Function(self._gemm)
        self.cublasGemmStridedBatchedEx = Function(self._stacked)

    def _note(self, call: str) -> int:
        self.calls.append(call)
        return 0

    @staticmethod
    def _matrix(address: int, kind: int, rows: int, columns: int, leading: int) -> np.ndarray:
        assert leading >= max(1, rows), "cuBLAS would refuse this leading dimension"
        item = np.dtype(TYPES[kind])
        size = (leading * (columns - 1) + rows) * item.itemsize
        flat = np.frombuffer((ctypes.c_char * size).from_address(address), item)
        return np.lib.stride_tricks.as_strided(flat, (rows, columns), (item.itemsize, leading * item.itemsize))

    def _gemm(
        self,
        handle: int,
        t_a: int,
        t_b: int,
        m: int,
        n: int,
        k: int,
        alpha: int,
        a: int,
        kind_a: int,
        ld_a: int,
        b: int,
        kind_b: int,
        ld_b: int,
        beta: int,
        c: int,
        kind_c: int,
        ld_c: int,
        compute: int,
        algorithm: int,
    ) -> int:
        assert algorithm == -1
        self.computes.append(compute)
        real = ctypes.c_float if kind_a == 0 else ctypes.c_double
        assert (real.from_address(alpha).value, real.from_address(beta).value) == (1, 0)
        left = self._matrix(a, kind_a, *((k, m) if t_a else (m, k)), ld_a)
        right = self._matrix(b, kind_b, *((n, k) if t_b else (k, n)), ld_b)
        self._matrix(c, kind_c, m, n, ld_c)[...] = (left.T if t_a else left) @ (right.T if t_b else right)
        return 13 if self.fails else 0

    def _stacked(
        self,
        handle: int,
        t_a: int,
        t_b: int,
        m: int,
        n: int,
        k: int,
        alpha: int,
        a: int,
        kind_a: int,
        ld_a: int,
        s_a: int,
        b: int,
        kind_b: int,
        ld_b: int,
        s_b: int,
        beta: int,
        c: int,
        kind_c: int,
        ld_c: int,
        s_c: int,
        members: int,
        compute: int,
        algorithm: int,
    ) -> int:
        item = np.dtype(TYPES[kind_a]).itemsize
        for i in range(members):
            places = (a + i * s_a * item, kind_a, ld_a, b + i * s_b * item, kind_b, ld_b)
            self._gemm(
                handle, t_a, t_b, m, n, k, alpha, *places, beta, c + i * s_c * item, kind_c, ld_c, compute, algorithm
            )
        return 0


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
