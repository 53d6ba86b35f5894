"""The GPU engine: CuPy holds the arrays, kernels are generated from the formulas, products are cuBLAS's.

Everything is done on one stream, in the order in which it was asked for, and nothing waits for the
device but `read`, `host` and what measures.
"""

import functools
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from ffnn.backend import cublas, fit
from ffnn.backend.cuda_complaints import INSTALL, first_line, full, incomplete
from ffnn.backend.cuda_launch import ArgMax, FormulaKernel, GatherKernel, OneHot, SquareSum, Warp
from ffnn.backend.cuda_plan import Launch
from ffnn.backend.cuda_source import C_TYPES, Source
from ffnn.backend.engine import Array, Engine, Kernel
from ffnn.backend.formula import Formula
from ffnn.backend.host_pool import HostPool
from ffnn.errors import FFNNError

try:
    import cupy
    import cupyx
except ImportError as problem:
    # CuPy draws a box of several lines around the error that it met.
    cupy, MISSING = None, first_line(problem.__cause__ or problem)

PRECISIONS = ("float32", "tf32", "bf16")

PIECE = 32 << 20
"""Bytes that are copied to the device at once: CuPy uses pinned memory for it, of which it takes a power of two."""


class CupyEngine(Engine):
    """Arrays on a GPU and one kernel for each formula. Parameters of `Engine`, and:

    Parameters
    ----------
    precision : "float32", "tf32" or "bf16", default "float32"
        Of matrix products of float32 arrays: tf32 rounds their factors to 10 bits of mantissa, bf16 to 7, for many
        times the speed. Sums, weights and everything else stay float32, and bf16 has float32's range, so that no loss
        needs scaling, as one would in fp16.
    memory_limit : int, optional
        Bytes of the device that `share` may fill; by default 80 % of what is free. What does not fit stays on the
        host, and its batches are copied ahead.

    Attributes
    ----------
    shared : list of str
        A line for everything that was handed to `share`, which says where it lies.
    """

    name = "cupy"
    records = True
    runs_ahead = True

    def __init__(self, dtype: str = "float32", precision: str = "float32", memory_limit: int | None = None) -> None:
        super().__init__(dtype)
        self.check()
        if precision not in PRECISIONS:
            raise FFNNError(f"precision must be one of {', '.join(PRECISIONS)}; received {precision!r}")
        self.precision, self.array_type = precision, cupy.ndarray
        self.shared: list[str] = []
        device = cupy.cuda.runtime.getDevice()
        self._stream = _stream_of(device)
        self._use()
        with full(cupy), incomplete(cupy):
            self._cublas, _ = _products_of(device, precision)
        # What CuPy has freed, it keeps for itself.
        free = cupy.cuda.runtime.memGetInfo()[0] + cupy.get_default_memory_pool().free_bytes()
        self._left = free * 4 // 5 if memory_limit is None else memory_limit
        # Plain and stacked form.
        self._one_hot, self._argmax = (
            (OneHot(self, False), OneHot(self, True)),
            (ArgMax(self, False), ArgMax(self, True)),
        )
        self._square_sum = (SquareSum(self, False), SquareSum(self, True))
        self._warp = Warp(self, False)
        self._launches: dict[str, Launch] = {}
        self._order = self.array([], np.int64)

    @classmethod
    def check(cls) -> None:
        if cupy is None:
            raise FFNNError(
                f"engine 'cupy' needs the package cupy; received: {MISSING}; {INSTALL}, or choose --engine=auto"
            )
        try:
            cupy.cuda.runtime.getDeviceCount()
        except RuntimeError as problem:  # the runtime's, or CuPy's where it does not find the runtime
            raise FFNNError(
                f"engine 'cupy' needs an NVIDIA GPU and its driver; received: {first_line(problem)}; "
                "look with `nvidia-smi`, or choose --engine=auto"
            ) from problem

    def describe(self) -> dict[str, Any]:
        properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.runtime.getDevice())
        return {
            "device": properties["name"].decode(),
            "memory": int(properties["totalGlobalMem"]),
            "cupy": cupy.__version__,
            "cuda": cupy.cuda.runtime.runtimeGetVersion(),
            "driver": cupy.cuda.runtime.driverGetVersion(),
            "precision": self.precision,
            "images": list(self.shared),
        }

    def _use(self) -> None:
        # The current stream belongs to a thread; batches are prepared in one of their own.
        self._stream.use()

    # -- arrays ---------------------------------------------------------------------------------

    def empty(self, shape: tuple[int, ...], dtype: Any = None) -> Array:
        self._use()
        with full(cupy):
            return cupy.empty(shape, dtype or self.dtype)

    def array(self, values: Any, dtype: Any = None) -> Array:
        self._use()
        with full(cupy):
            return cupy.array(values, dtype or self.dtype)

    def share(self, values: np.ndarray[Any, Any]) -> Array:
        """A copy on the device if `memory_limit` allows it, else a `HostPool`, which only `gather` and `warp` take."""
        size = f"{values.nbytes / 1e6:.1f} MB of {values.dtype.name} values"
        if values.nbytes <= self._left:
            self._left -= values.nbytes
            self.shared.append(f"{size} on the device")
            return self._copy(values)
        self.shared.append(f"{size} on the host, batches copied ahead: the device may hold {self._left / 1e6:.1f} MB")
        return HostPool(values, self, self._stream, cupy.cuda.Stream(non_blocking=True))

    def _copy(self, values: np.ndarray[Any, Any]) -> Array:
        copy, rows = self.empty(values.shape, values.dtype), max(1, PIECE // max(1, values[:1].nbytes))
        for start in range(0, len(values), rows):
            copy[start : start + rows] = self.array(values[start : start + rows], values.dtype)
        return copy

    def pinned(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray[Any, Any]:
        """A host array in pinned memory."""
        return cupyx.empty_pinned(shape, dtype)  # type: ignore[no-any-return]

    def event(self) -> Any:
        """An event that measures no time."""
        return cupy.cuda.Event(disable_timing=True)

    def host(self, array: Array) -> np.ndarray[Any, Any]:
        self._use()
        return np.asarray(array) if isinstance(array, np.ndarray) else array.get()

    def read(self, cell: Array) -> float:
        self._use()
        return float(cell.get().reshape(-1)[0])

    # -- fixed operations -----------------------------------------------------------------------

    def matmul(self, a: Array, b: Array, out: Array) -> None:
        self._cublas.matmul(a, a.data.ptr, b, b.data.ptr, out, out.data.ptr)

    def one_hot(self, labels: Array, on: float, off: float, out: Array) -> None:
        """As `Engine.one_hot`, but a label that is no column makes its row NaN: a device cannot raise an error.

        The loss is then NaN too. Arrays of a stack are taken as well.
        """
        self._one_hot[out.ndim == 3](labels, on, off, out)

    def warp(self, pool: Array, rows: Array, shape: tuple[int, int, int], source: Array, out: Array) -> None:
        if isinstance(pool, HostPool):
            with pool.rows(self.host(rows)) as batch:
                self._warp(batch, self._in_order(len(batch)), shape, source, out)
        else:
            self._warp(pool, rows, shape, source, out)

    def argmax(self, matrix: Array) -> Array:
        out = self.empty(matrix.shape[:-1], np.int64)
        self._argmax[matrix.ndim == 3](out, matrix)
        return out

    def square_sum(self, array: Array, out: Array) -> None:
        """As `Engine.square_sum`; with a cell of several members, the sum of each one's values."""
        self._square_sum[out.size > 1](array, out)

    def moments(self, array: Array, bounds: Sequence[tuple[int, int]]) -> np.ndarray[Any, Any]:
        self._use()
        fit.check_parts(array, np.array(bounds))
        parts = [array[start:stop].astype(np.float64) for start, stop in bounds]
        moments = [cupy.stack([part.sum(), cupy.square(part).sum(), cupy.abs(part).max()]) for part in parts]
        return self.host(cupy.stack(moments))

    # -- formulas -------------------------------------------------------------------------------

    def capture(self, step: Callable[[], None]) -> Callable[[int], None]:
        """`step` as a CUDA graph: one launch repeats all of it, over the same arrays and cells.

        It must not gather from a `HostPool`, for which the host is needed each time.
        """
        self._use()
        stream = self._stream
        stream.begin_capture()
        try:
            step()
        except BaseException:
            # Else the stream would stay in this state, and everything after it would fail with another error.
            with suppress(cupy.cuda.runtime.CUDARuntimeError):
                stream.end_capture()
            raise
        graph = stream.end_capture()
        graph.upload(stream)

        def replay(times: int, keeps: Any = step) -> None:
            for _ in range(times):
                graph.launch(stream)

        return replay

    def _build(self, kind: str, formula: Formula) -> Kernel:
        stacked, plain = kind.startswith("stacked_"), kind.removeprefix("stacked_")
        if plain == "gather":
            return self._gather(GatherKernel(self, stacked, formula), stacked)
        return FormulaKernel(self, stacked, plain, formula, C_TYPES[self.dtype.name])

    def _gather(self, kernel: Kernel, stacked: bool) -> Kernel:
        def gather(out: Array, pool: Array, indices: Array, inputs: tuple[Array, ...]) -> None:
            if isinstance(pool, HostPool):
                # Where the caller has the numbers on the host, nothing waits for the device.
                with pool.rows(self.host(indices)) as batch:
                    order = self._in_order(batch.shape[-2])
                    kernel(out, batch, order[None] if stacked else order, inputs)
            else:
                kernel(out, pool, indices, inputs)

        return gather

    def _in_order(self, count: int) -> Array:
        if len(self._order) < count:
            self._order = self.array(np.arange(count), np.int64)
        return self._order[:count]

    # -- what launching needs -------------------------------------------------------------------

    def address(self, array: Array) -> int:
        """Where the first value lies on the device."""
        return array.data.ptr  # type: ignore[no-any-return]

    def scratch(self, size: int) -> Array:
        """So many bytes of zeros."""
        return self.zeros((size,), np.uint8)

    def compile(self, source: Source) -> Launch:
        """The kernel of this source, from CuPy's cache on disk if it was compiled before."""
        if source.name not in self._launches:
            with incomplete(cupy):
                kernel = cupy.RawKernel(source.text, source.name, options=("--std=c++17",)).kernel
            stream, parameter = self._stream, np.dtype((np.void, source.size))

            def launch(grid: tuple[int, int, int], block: tuple[int, int, int], arguments: bytes) -> None:
                # CuPy passes an array of one value, here a structure, by value.
                kernel(grid, block, (np.frombuffer(arguments, parameter),), 0, stream)

            self._launches[source.name] = launch
        return self._launches[source.name]


@functools.cache
def _stream_of(device: int) -> Any:
    """The stream of all engines on a device: what one of them has written, another may read."""
    return cupy.cuda.Stream(non_blocking=True)


@functools.cache
def _products_of(device: int, precision: str) -> tuple[cublas.Cublas, Array]:
    """The products of all engines on a device, as cuBLAS's handles are never given back; and their workspace."""
    stream = _stream_of(device)
    workspace = cupy.empty((cublas.WORKSPACE,), np.uint8)
    return cublas.Cublas(cublas.load(), stream.ptr, workspace.data.ptr, precision), workspace
