"""Stacks: N networks of one shape computed together, by the code of a single one.

A small network leaves most of a processor idle; N of them share each call. Layers, losses and optimizers see
arrays of one network's shape, behind which every member has its own values.
"""

from typing import Any

import numpy as np

from ffnn.backend.engine import Array, Engine, Kernel
from ffnn.backend.formula import Formula


class StackedArray:
    """An array of one network's shape with the values of N networks, or of one value that all of them share.

    `values`, an array of an engine, has one more axis in front, of length N, or 1 where all members share what it
    holds.

    Examples
    --------
    >>> weights = StackedArray(np.zeros((5, 784, 64)))
    >>> weights.shape, weights.T.shape, weights[:100].shape
    ((784, 64), (64, 784), (100, 64))
    >>> weights.values.shape
    (5, 784, 64)
    """

    def __init__(self, values: Array) -> None:
        self.values = values
        self.shape: tuple[int, ...] = tuple(values.shape[1:])
        self.ndim = len(self.shape)
        self.dtype = values.dtype

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def size(self) -> int:
        """Values of one member."""
        return int(np.prod(self.shape))

    @property
    def T(self) -> "StackedArray":  # noqa: N802 - the name that every array has
        """The transpose of every member's matrix."""
        return StackedArray(self.values.swapaxes(1, 2))

    def reshape(self, *shape: Any) -> "StackedArray":
        """The same values with another shape for every member."""
        sizes = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        return StackedArray(self.values.reshape(len(self.values), *sizes))

    def member(self, number: int) -> Array:
        """The array of one member, as the engine of a single network has it."""
        return self.values[number if len(self.values) > 1 else 0]

    def __getitem__(self, part: Any) -> "StackedArray":
        return StackedArray(self.values[(slice(None), *_as_tuple(part))])

    def __setitem__(self, part: Any, values: Any) -> None:
        self.values[(slice(None), *_as_tuple(part))] = _raw(values)


class StackedEngine(Engine):
    """The engine of N networks that are computed together: every array is a `StackedArray`.

    `engine` is that of a single network; it holds the arrays and runs the kernels. `size` is N, the members of the
    stack. On a CPU every member computes what it would compute alone, to the bit. What a step does not need is left to
    the members, whose arrays `StackedArray.member` gives: images are not warped here, and nothing is measured.

    Examples
    --------
    >>> from ffnn.backend import create_engine
    >>> engine = StackedEngine(create_engine("numpy", "float64"), size=2)
    >>> row = engine.each([[[1.0, 2.0]], [[3.0, 4.0]]])
    >>> out = engine.empty((1, 1))
    >>> engine.matmul(row, row.T, out)
    >>> engine.host(out).ravel()
    array([ 5., 25.])
    """

    name = "stacked"
    array_type = StackedArray

    def __init__(self, engine: Engine, size: int) -> None:
        super().__init__(engine.dtype.name)
        self.single, self.size = engine, size

    def empty(self, shape: tuple[int, ...], dtype: Any = None) -> StackedArray:
        return StackedArray(self.single.empty((self.size, *shape), dtype))

    def array(self, values: Any, dtype: Any = None) -> StackedArray:
        """Host values that all members share."""
        return self.each([values], dtype)

    def each(self, values: Any, dtype: Any = None) -> StackedArray:
        """Host values of every member along the first axis, or of one alone, which is then every member's."""
        return StackedArray(self.single.array(np.asarray(values), dtype))

    def share(self, values: np.ndarray[Any, Any]) -> StackedArray:
        return StackedArray(self.single.share(values)[None])

    def host(self, array: StackedArray) -> np.ndarray[Any, Any]:
        """The values of all members, which are the first axis."""
        return self.single.host(array.values)

    def matmul(self, a: StackedArray, b: StackedArray, out: StackedArray) -> None:
        self.single.matmul(a.values, b.values, out.values)

    def one_hot(self, labels: StackedArray, on: float, off: float, out: StackedArray) -> None:
        self.single.one_hot(labels.values, on, off, out.values)

    def square_sum(self, array: StackedArray, out: StackedArray) -> None:
        self.single.square_sum(array.values, out.values)

    def warp(self, *arguments: Any, **options: Any) -> Any:
        raise TypeError("a stack only computes; ask its members' engine")

    argmax = read = moments = warp

    def capture(self, step: Any) -> Any:
        return self.single.capture(step)

    def _build(self, kind: str, formula: Formula) -> Kernel:
        kernel = self.single.stacked_kernel(kind, formula)
        if kind == "gather":

            def gather(out: StackedArray, pool: StackedArray, indices: StackedArray, inputs: Any) -> None:
                kernel(out.values, pool.values, indices.values, _all_raw(inputs))

            return gather

        def stacked(outputs: Any, inputs: Any, constants: Any) -> None:
            kernel(_all_raw(outputs), _all_raw(inputs), _all_raw(constants))

        return stacked


def _raw(value: Any) -> Any:
    return value.values if isinstance(value, StackedArray) else value


def _all_raw(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(map(_raw, values))


def _as_tuple(part: Any) -> tuple[Any, ...]:
    return part if isinstance(part, tuple) else (part,)
