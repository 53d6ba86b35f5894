"""Matrix products by cuBLAS, called directly: nothing is allocated, and a stream can be recorded.

CuPy's own products allocate, and refuse to run while a stream is captured; so this room keeps a
handle of its own, with its stream and its workspace set once.
"""

import ctypes
from collections.abc import Callable
from typing import Any

from ffnn.backend.engine import Array
from ffnn.errors import FFNNError

R_32F, R_64F = 0, 1
"""cudaDataType_t."""

COMPUTE = {"float32": {"float32": 68, "tf32": 77, "bf16": 75}, "float64": {"float32": 70, "tf32": 70, "bf16": 70}}
"""cublasComputeType_t, by type of the arrays and precision of products."""

DEFAULT_ALGORITHM = -1

WORKSPACE = 32 << 20
"""Bytes: what NVIDIA recommends for its newest cards; older ones need 4 MiB."""


def load() -> Any:
    """The library, as the CUDA packages beside CuPy or the system bring it; FFNNError where there is none."""
    from cuda.pathfinder import load_nvidia_dynamic_lib

    try:
        return ctypes.CDLL(load_nvidia_dynamic_lib("cublas").abs_path)
    except (RuntimeError, OSError) as problem:
        raise FFNNError(
            f"engine 'cupy' needs the library cuBLAS; received: {str(problem).partition(chr(10))[0]}; "
            "install it with `pip install 'ffnn[gpu]'`"
        ) from problem


class Operand:
    """One matrix of a product, as cuBLAS sees it: columns first, so a row-major matrix is its transpose.

    The array is (rows, columns) or (members, rows, columns), its rows or columns side by side in memory. `transposed`
    is 1 for a transposed view, else 0; `leading` counts values from one row (of a transposed view: column) to the next,
    `member` those from one member to the next, 0 where all share the matrix.

    Examples
    --------
    >>> import numpy as np
    >>> weight = np.zeros((784, 64))
    >>> [(o.transposed, o.leading) for o in (Operand(weight), Operand(weight.T), Operand(weight[:, :10]))]
    [(0, 64), (1, 64), (0, 64)]
    """

    def __init__(self, array: Array) -> None:
        *stack, row, column = (stride // array.dtype.itemsize for stride in array.strides)
        rows, columns = array.shape[-2:]
        self.members = array.shape[0] if stack else 1
        self.member = stack[0] if self.members > 1 else 0
        if column == 1 or columns == 1:
            self.transposed, self.leading = 0, max(columns, 1, row if rows > 1 else 1)
        elif row == 1 or rows == 1:
            self.transposed, self.leading = 1, max(rows, 1, column)
        else:
            raise ValueError(f"a product takes matrices with rows or columns side by side; received {array.strides}")


class Cublas:
    """Products out = a @ b on one stream.

    The library is that of `load`; `stream` is the address of the CUDA stream, `workspace` that of `WORKSPACE` bytes on
    the device, which the caller keeps. The precision is "float32", "tf32" or "bf16"; with tf32, float32 arrays are
    multiplied with 10 bits of mantissa, and summed in float32.
    """

    def __init__(self, library: Any, stream: int, workspace: int, precision: str = "float32") -> None:
        self._library, self._precision = library, precision
        self._handle = ctypes.c_void_p()
        self._check("cublasCreate_v2", library.cublasCreate_v2(ctypes.byref(self._handle)))
        self._check("cublasSetStream_v2", library.cublasSetStream_v2(self._handle, ctypes.c_void_p(stream)))
        # After the stream, as setting that one brings back cuBLAS's own workspace.
        size, place = ctypes.c_size_t(WORKSPACE), ctypes.c_void_p(workspace)
        self._check("cublasSetWorkspace_v2", library.cublasSetWorkspace_v2(self._handle, place, size))
        whole, wide, address = ctypes.c_int, ctypes.c_longlong, ctypes.c_void_p
        head = [address, whole, whole, whole, whole, whole, address]
        matrix, stacked = [address, whole, whole], [address, whole, whole, wide]
        self._gemm, self._stacked_gemm = library.cublasGemmEx, library.cublasGemmStridedBatchedEx
        self._gemm.argtypes = [*head, *matrix, *matrix, address, *matrix, whole, whole]
        self._stacked_gemm.argtypes = [*head, *stacked, *stacked, address, *stacked, whole, whole, whole]
        self._numbers = {
            "float32": (ctypes.c_float(1), ctypes.c_float(0), R_32F),
            "float64": (ctypes.c_double(1), ctypes.c_double(0), R_64F),
        }
        self._plans: dict[Any, Callable[[int, int, int], int]] = {}

    def matmul(self, a: Array, a_address: int, b: Array, b_address: int, out: Array, out_address: int) -> None:
        """out = a @ b, for matrices or stacks of them."""
        key = (a.shape, a.strides, b.shape, b.strides, out.shape, out.strides, out.dtype.char)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = self._plan(a, b, out)
        status = plan(a_address, b_address, out_address)
        if status:
            self._check("cublasGemmEx", status)

    def _plan(self, a: Array, b: Array, out: Array) -> Callable[[int, int, int], int]:
        (m, k), (rows, n) = a.shape[-2:], b.shape[-2:]
        if rows != k or tuple(out.shape[-2:]) != (m, n) or not a.dtype == b.dtype == out.dtype:
            received = ", ".join(f"{x.dtype.name} {tuple(x.shape)}" for x in (a, b, out))
            raise ValueError(f"a product out = a @ b does not fit arrays a, b, out of {received}")
        left, right, target = Operand(a), Operand(b), Operand(out)
        if target.transposed or any(x.members not in (1, target.members) for x in (left, right)):
            raise ValueError(f"a product cannot be written to {out.shape} with strides {out.strides}")
        one, zero, kind = self._numbers[out.dtype.name]
        compute = COMPUTE[out.dtype.name][self._precision]
        # Seen with columns first, all three are transposed, and out.T = b.T @ a.T.
        head = (self._handle, right.transposed, left.transposed, n, m, k, ctypes.addressof(one))
        beta = ctypes.addressof(zero)
        ld_a, ld_b, ld_out = left.leading, right.leading, target.leading
        members, step_a, step_b, step_out = target.members, left.member, right.member, target.member
        gemm, stacked_gemm = self._gemm, self._stacked_gemm

        def single(a: int, b: int, out: int) -> int:
            matrices = (b, kind, ld_b, a, kind, ld_a, beta, out, kind, ld_out)
            return gemm(*head, *matrices, compute, DEFAULT_ALGORITHM)  # type: ignore[no-any-return]

        def stacked(a: int, b: int, out: int) -> int:
            matrices = (b, kind, ld_b, step_b, a, kind, ld_a, step_a, beta, out, kind, ld_out, step_out)
            return stacked_gemm(*head, *matrices, members, compute, DEFAULT_ALGORITHM)  # type: ignore[no-any-return]

        return single if members == 1 else stacked

    @staticmethod
    def _check(function: str, status: int) -> None:
        if status:
            raise FFNNError(f"{function} failed with status {status}: check the CUDA installation with `ffnn doctor`")
