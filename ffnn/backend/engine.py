"""What every engine can do: hold arrays, multiply matrices and run formulas over them.

Layers, losses and optimizers speak only this interface, so they never know whether their arrays
live in NumPy, in compiled loops or on a GPU.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar, TypeAlias

import numpy as np

from ffnn.backend.formula import Formula, check

Array: TypeAlias = Any
"""An array of the engine at hand: it has `shape`, `dtype`, `.T`, `reshape` and basic slices."""

Kernel: TypeAlias = Callable[..., None]
"""A formula made ready to run over arrays."""

FLOATS = ("float32", "float64")


class UnfitError(Exception):
    """Something in a step cannot be recorded."""


def unexplained(kernel: Kernel) -> Kernel:
    """A kernel for arrays that a door has checked: what does not fit is still refused, but in fewer words.

    To put a failure into words costs a tenth of a microsecond a call, and a step of a small network makes nine.
    """
    return getattr(kernel, "compiled", kernel)


class Engine(ABC):
    """Arrays of one floating type, and the few operations that networks are made of.

    Parameters
    ----------
    dtype : "float32" or "float64", default "float32"
        Type of every floating array; float64 is for checks.

    Notes
    -----
    Kernels take tuples, `kernel(outputs, inputs, constants)`. In element-wise kernels and column sums a one-dimensional
    input beside two-dimensional ones holds one value a column; in row kernels it holds one value a row. Constants are
    plain numbers, or cells: arrays of one value, which is read when the kernel runs; both become floats, but for
    uint32, the type of keys. An output may be an input only in `update`, whose targets are both. All matrices of a call
    have one shape; arrays that do not fit are refused by FFNNError (by ValueError on a device).

    Arrays with one more axis in front belong to a stack, N networks that are computed together
    (`ffnn.backend.stacked`): member n of each goes with member n of the others, and where that
    axis has length 1 all members share the array.
    """

    name: ClassVar[str]
    array_type: type
    """Of its arrays."""
    records: bool = False
    """Whether `capture` pays: to ask for kernels one by one would take longer than they do."""
    threads: int = 1
    """That share the work of a recorded step, on an engine of this machine's cores; they change no bit of it."""
    runs_ahead: ClassVar[bool] = False
    """Whether the host goes on while kernels run."""

    def __init__(self, dtype: str = "float32") -> None:
        if dtype not in FLOATS:
            raise ValueError(f"dtype must be one of {', '.join(FLOATS)}; received {dtype!r}")
        self.dtype = np.dtype(dtype)
        self._kernels: dict[tuple[str, Formula], Kernel] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.dtype.name!r})"

    @classmethod  # noqa: B027 - most can be had everywhere
    def check(cls) -> None:
        """FFNNError, in one line, where an engine of this kind cannot be had on this machine."""

    def describe(self) -> dict[str, Any]:
        """What a run should record of the device behind it; nothing where that is the processor."""
        return {}

    # -- arrays ---------------------------------------------------------------------------------

    @abstractmethod
    def empty(self, shape: tuple[int, ...], dtype: Any = None) -> Array:
        """An array with arbitrary contents; of the engine's floating type unless told otherwise."""

    @abstractmethod
    def array(self, values: Any, dtype: Any = None) -> Array:
        """The engine's own copy of host values; of its floating type unless told otherwise."""

    @abstractmethod
    def share(self, values: np.ndarray[Any, Any]) -> Array:
        """Host values where kernels can read them: the same memory if the engine runs on the host."""

    @abstractmethod
    def host(self, array: Array) -> np.ndarray[Any, Any]:
        """The values as a NumPy array; it may share memory with `array`, so copy it to keep it."""

    def zeros(self, shape: tuple[int, ...], dtype: Any = None) -> Array:
        """An array of zeros."""
        array = self.empty(shape, dtype)
        array[...] = 0
        return array

    # -- fixed operations -----------------------------------------------------------------------

    @abstractmethod
    def matmul(self, a: Array, b: Array, out: Array) -> None:
        """out = a @ b for matrices, or for every member of a stack; `a` and `b` may be transposed views."""

    @abstractmethod
    def one_hot(self, labels: Array, on: float, off: float, out: Array) -> None:
        """out[i, labels[i]] = on, and `off` everywhere else, also for every member of a stack.

        FFNNError for a label that is no column of `out`, on engines that look.
        """

    @abstractmethod
    def warp(self, pool: Array, rows: Array, shape: tuple[int, int, int], source: Array, out: Array) -> None:
        """out[i] = image pool[rows[i]], moved: its value at (y, x) is found at source[i, :, y, x], zero outside.

        Between pixels values are interpolated bilinearly. `shape` is (height, width, channels), the
        channels of a pixel being neighbours; `source` is a float array (n, 2, height, width).
        """

    @abstractmethod
    def argmax(self, matrix: Array) -> Array:
        """Column of the largest value of each row; the first one where several are equal."""

    @abstractmethod
    def square_sum(self, array: Array, out: Array) -> None:
        """out[0] = sum of the squares of all values, accumulated in float64, also for every member of a stack.

        `array` has one dimension, and `out` is a float64 cell.
        """

    def norm(self, array: Array) -> float:
        """Euclidean norm of all values, as a Python float."""
        squares = self.empty((1,), np.float64)
        self.square_sum(array.reshape(-1), squares)
        return math.sqrt(self.read(squares))

    @abstractmethod
    def read(self, cell: Array) -> float:
        """The value of a cell, as a Python float: the one thing in a step that waits for a device."""

    @abstractmethod
    def moments(self, array: Array, bounds: Sequence[tuple[int, int]]) -> np.ndarray[Any, Any]:
        """For each part [start, stop) of a one-dimensional array: sum, sum of squares and largest magnitude.

        Returns a host array (len(bounds), 3) of float64, in which the sums are accumulated.
        """

    def quiet(self) -> AbstractContextManager[object]:
        """Within it the engine says nothing about overflow; who trains looks at the loss instead."""
        return nullcontext()

    # -- formulas -------------------------------------------------------------------------------

    def elementwise(self, formula: Formula) -> Kernel:
        """Kernel `(outputs, inputs, constants)`: outputs = formula(*inputs, *constants)."""
        return self._kernel("elementwise", formula)

    def update(self, formula: Formula) -> Kernel:
        """Kernel `(targets, inputs, constants)`: targets = formula(*targets, *inputs, *constants)."""
        return self._kernel("update", formula)

    def columns(self, formula: Formula) -> Kernel:
        """Kernel `(outputs, inputs, constants)`: the formula's values summed down each column.

        Values whose output is two-dimensional are written there as they are.
        """
        return self._kernel("columns", formula)

    def rows(self, formula: Formula) -> Kernel:
        """Kernel `(outputs, inputs, constants)` of a formula that works on one row at a time.

        The formula receives rows of the two-dimensional inputs, numbers for one-dimensional ones, then rows to write of
        all outputs but the last, then the constants. It uses the `row_` words and returns one number a row; their sum,
        in float64, goes to the last output, an array of one value.
        """
        return self._kernel("rows", formula)

    def gather(self, formula: Formula) -> Kernel:
        """Kernel `(out, pool, indices, inputs)`: out[i] = formula(pool[indices[i]], *inputs).

        `pool` keeps its own type (uint8 images); each value is converted when it is read. The
        inputs are one-dimensional: one value a column.
        """
        return self._kernel("gather", formula)

    def stacked_kernel(self, kind: str, formula: Formula) -> Kernel:
        """The kernel of one of the five kinds above, for arrays and cells of a stack."""
        return self._kernel(f"stacked_{kind}", formula)

    def capture(self, step: Callable[[], None]) -> Callable[[int], None]:
        """What repeats `step` so many times: kernels and products over the same arrays, that neither allocate nor read.

        This may be a recording, so `step` must be that of a stack and have run once before; where it cannot be
        recorded, an engine that `records` raises `UnfitError`.
        """

        def repeat(times: int) -> None:
            for _ in range(times):
                step()

        return repeat

    def _kernel(self, kind: str, formula: Formula) -> Kernel:
        key = (kind, formula)
        if key not in self._kernels:
            check(formula)
            self._kernels[key] = self._build(kind, formula)
        return self._kernels[key]

    @abstractmethod
    def _build(self, kind: str, formula: Formula) -> Kernel:
        """Make the kernel of one of the five kinds above, or of the stacked form of one."""
