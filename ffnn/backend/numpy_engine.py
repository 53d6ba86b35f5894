"""The reference engine: every formula evaluated on whole NumPy arrays, obvious before fast.

The other engines are tested against this one.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from ffnn.backend import fit
from ffnn.backend.engine import Array, Engine, Kernel
from ffnn.backend.formula import Formula


class NumpyEngine(Engine):
    """Formulas as they stand, on NumPy arrays. Parameters: see `Engine`.

    Examples
    --------
    >>> engine = NumpyEngine("float64")
    >>> out = engine.empty((2, 2))
    >>> engine.matmul(engine.array([[1, 2], [3, 4]]), engine.array([[1, 0], [0, 1]]), out)
    >>> out
    array([[1., 2.],
           [3., 4.]])
    """

    name = "numpy"
    array_type = np.ndarray

    def empty(self, shape: tuple[int, ...], dtype: Any = None) -> Array:
        return np.empty(shape, dtype or self.dtype)

    def array(self, values: Any, dtype: Any = None) -> Array:
        return np.array(values, dtype or self.dtype)

    def share(self, values: np.ndarray[Any, Any]) -> Array:
        return values

    def host(self, array: Array) -> np.ndarray[Any, Any]:
        return np.asarray(array)

    def matmul(self, a: Array, b: Array, out: Array) -> None:
        # For two dimensions the faster call; both end in the same products, to the bit.
        (np.dot if a.ndim == 2 else np.matmul)(a, b, out=out)

    def one_hot(self, labels: Array, on: float, off: float, out: Array) -> None:
        if out.ndim == 2:
            fit.check_labels(labels, out)
        else:
            fit.check_classes(labels, out.shape[-1])
        out.fill(off)
        np.put_along_axis(out, labels[..., None], on, axis=-1)

    def warp(self, pool: Array, rows: Array, shape: tuple[int, int, int], source: Array, out: Array) -> None:
        height, width, channels = shape
        fit.check_warp(pool, rows, shape, source, out)
        fit.check_rows(rows, pool)
        images = pool[rows].reshape(-1, height, width, channels)
        corner = np.floor(source).astype(np.int64)
        part = source - corner
        image = np.arange(len(rows))[:, None, None]
        result = np.zeros((len(rows), height, width, channels), self.dtype)
        for dy in (0, 1):
            for dx in (0, 1):
                y, x = corner[:, 0] + dy, corner[:, 1] + dx
                inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
                share = np.where(dy, part[:, 0], 1 - part[:, 0]) * np.where(dx, part[:, 1], 1 - part[:, 1])
                values = images[image, np.where(inside, y, 0), np.where(inside, x, 0)]
                result += (share * inside)[..., None] * values
        out[...] = result.reshape(out.shape)

    def argmax(self, matrix: Array) -> Array:
        return np.argmax(matrix, axis=1)

    def square_sum(self, array: Array, out: Array) -> None:
        fit.check_square_sum(array, out)
        with np.errstate(all="ignore"):
            for values, cell in ((array, out),) if array.ndim == 1 else zip(array, out, strict=True):
                cell[0] = np.sum(np.square(values, dtype=np.float64))

    def read(self, cell: Array) -> float:
        return float(cell[0])

    def moments(self, array: Array, bounds: Sequence[tuple[int, int]]) -> np.ndarray[Any, Any]:
        fit.check_parts(array, np.array(bounds))
        parts = [array[start:stop].astype(np.float64) for start, stop in bounds]
        with np.errstate(all="ignore"):
            return np.array([(part.sum(), np.square(part).sum(), np.abs(part).max(initial=0.0)) for part in parts])

    def quiet(self) -> AbstractContextManager[object]:
        return np.errstate(all="ignore")

    def _build(self, kind: str, formula: Formula) -> Kernel:
        if kind.startswith("stacked_"):
            return _for_each_member(self._kernel(kind.removeprefix("stacked_"), formula))
        kernel: Kernel = getattr(self, f"_{kind}")(formula)

        # NaN and Inf pass through formulas without a word, as they do in compiled loops.
        return np.errstate(all="ignore")(kernel)

    @staticmethod
    def _elementwise(formula: Formula, kind: str = "elementwise") -> Kernel:
        def kernel(outputs: tuple[Array, ...], inputs: tuple[Array, ...], constants: tuple[float, ...]) -> None:
            fit.check_kernel(kind, outputs, inputs, constants)
            read = (*outputs, *inputs) if kind == "update" else inputs
            for output, result in zip(outputs, _several(formula(*read, *_numbers(constants))), strict=True):
                output[...] = result

        return kernel

    def _update(self, formula: Formula) -> Kernel:
        return self._elementwise(formula, "update")

    @staticmethod
    def _columns(formula: Formula) -> Kernel:
        def kernel(outputs: tuple[Array, ...], inputs: tuple[Array, ...], constants: tuple[float, ...]) -> None:
            fit.check_kernel("columns", outputs, inputs, constants)
            for output, result in zip(outputs, _several(formula(*inputs, *_numbers(constants))), strict=True):
                if output.ndim == 1:
                    np.sum(result, axis=0, out=output)
                else:
                    output[...] = result

        return kernel

    @staticmethod
    def _rows(formula: Formula) -> Kernel:
        def kernel(outputs: tuple[Array, ...], inputs: tuple[Array, ...], constants: tuple[float, ...]) -> None:
            fit.check_kernel("rows", outputs, inputs, constants)
            rows = [value if value.ndim == 2 else value[:, None] for value in inputs]
            outputs[-1][0] = np.sum(formula(*rows, *outputs[:-1], *_numbers(constants)), dtype=np.float64)

        return kernel

    @staticmethod
    def _gather(formula: Formula) -> Kernel:
        def kernel(out: Array, pool: Array, indices: Array, inputs: tuple[Array, ...]) -> None:
            fit.check_gather(out, pool, indices, inputs)
            try:
                source = np.take(pool, indices, axis=0)
            except IndexError:
                fit.check_rows(indices, pool)
                raise
            out[...] = formula(source.astype(out.dtype), *inputs)

        return kernel


def _several(results: Any) -> tuple[Any, ...]:
    return results if isinstance(results, tuple) else (results,)


def _numbers(constants: tuple[Any, ...]) -> tuple[Any, ...]:
    """Constants with the values of cells, as Python's numbers, which leave float32 what it is."""
    return tuple(value.item() if isinstance(value, np.ndarray | np.generic) else value for value in constants)


def _for_each_member(kernel: Kernel) -> Kernel:
    """A kernel for a stack: that of one network, member by member."""

    def stacked(*arguments: Any) -> None:
        fit.check_members(arguments)
        first = arguments[0][0] if isinstance(arguments[0], tuple) else arguments[0]
        for number in range(len(first)):
            kernel(*(member(argument, number) for argument in arguments))

    return stacked


def member(argument: Any, number: int) -> Any:
    """What member `number` of a stack takes: its part of an array, or of each array of a tuple."""
    if isinstance(argument, tuple):
        return tuple(member(part, number) for part in argument)
    return argument[number if len(argument) > 1 else 0] if isinstance(argument, np.ndarray) else argument
