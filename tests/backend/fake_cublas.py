"""cuBLAS on the host, as far as products go: matrices are stored columns first, as the real one reads them."""

import ctypes
from typing import Any

import numpy as np

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
