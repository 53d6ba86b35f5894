"""Launching kernels: one class for each kind of call, which knows its shapes and sizes.

What they have in common, plans and their lookup, is in `ffnn.backend.cuda_plan`.
"""

from collections.abc import Sequence
from typing import Any

from ffnn.backend import cuda_fixed
from ffnn.backend.cuda_plan import (
    MOST_ALONG_Y,
    MOST_BLOCKS,
    Device,
    Launcher,
    Plan,
    Shape,
    ceil,
    common_members,
    grid_of_values,
)  # fmt: skip
from ffnn.backend.cuda_source import SOURCES, Source, gather
from ffnn.backend.engine import Array
from ffnn.backend.formula import Formula


class FormulaKernel(Launcher):
    """`kernel(outputs, inputs, constants)` of the kinds elementwise, update, columns and rows.

    `device` and `stacked` are those of `Launcher`; `number` is the engine's floating type in C, for kernels whose
    arrays do not say it.
    """

    def __init__(self, device: Device, stacked: bool, kind: str, formula: Formula, number: str) -> None:
        super().__init__(device, stacked)
        self._kind, self._formula, self._number = kind, formula, number

    def __call__(self, outputs: tuple[Array, ...], inputs: tuple[Array, ...], constants: Sequence[Any]) -> None:
        self._call((*outputs, *inputs), constants, len(outputs))

    def _plan(self, arrays: tuple[Array, ...], constants: Sequence[Any], extra: Any) -> Plan | None:
        shapes, outputs = self._shapes(arrays), extra
        written, read = shapes[:outputs], shapes[outputs:]
        members = common_members(written, read)
        cells, strides = self._cells(constants, members)
        make = SOURCES[self._kind]
        source = make(self._formula, self._number, [s.operand for s in written], [s.operand for s in read], cells)
        plan = getattr(self, f"_{self._kind}")(source, shapes, outputs, members, strides)
        return plan if members else None

    def _elementwise(
        self, source: Source, shapes: list[Shape], outputs: int, members: int, strides: list[int]
    ) -> Plan | None:
        rows, columns = shapes[0].rows, shapes[0].columns
        self._check(shapes, rows, columns)
        if rows * columns * members == 0:
            return None
        if rows > 1 and all(s.rows == rows and s.row_stride == columns for s in shapes):
            # Values side by side from first to last: one long row, without a remainder at the end of each.
            rows, columns = 1, rows * columns
        sizes = (members, rows, columns)
        return self._ready(source, shapes, sizes, grid_of_values(*sizes), strides)

    _update = _elementwise

    def _columns(self, source: Source, shapes: list[Shape], outputs: int, members: int, strides: list[int]) -> Plan:
        rows, columns = shapes[outputs].rows, shapes[outputs].columns
        self._check(shapes, rows, columns)
        # A part has at least 8 rows for each of its 8 threads. Their number must not depend on that of the members,
        # or a network in a stack would not equal the one trained alone.
        tiles, parts = max(1, ceil(columns, 32)), max(1, min(32, ceil(rows, 64)))
        scratch = [members * parts * columns * s.itemsize for s in shapes[:outputs] if s.rank == 1]
        grid = (tiles, parts, min(members, MOST_ALONG_Y))
        scratch.append(4 * members * tiles)
        return self._ready(source, shapes, (members, rows, columns), (grid, (32, 8, 1)), strides, scratch)

    def _rows(self, source: Source, shapes: list[Shape], outputs: int, members: int, strides: list[int]) -> Plan:
        matrices = [s for n, s in enumerate(shapes) if s.rank == 2 and n != outputs - 1]
        rows, columns = matrices[0].rows, matrices[0].columns
        self._check(matrices, rows, columns)
        vectors = {n for n in range(outputs, len(shapes)) if shapes[n].rank == 1}
        if any(shapes[n].columns != rows for n in vectors):
            raise ValueError(f"a row kernel takes vectors of one value for each of {rows} rows")
        blocks = max(1, min(ceil(rows, 4), 1024))
        grid = (blocks, min(members, MOST_ALONG_Y), 1)
        scratch = (8 * members * blocks, 4 * members)
        return self._ready(source, shapes, (members, rows, columns), (grid, (32, 4, 1)), strides, scratch)

    @staticmethod
    def _check(shapes: Sequence[Shape], rows: int, columns: int) -> None:
        for shape in shapes:
            if shape.columns != columns or (shape.rank == 2 and shape.rows != rows):
                expected = f"({rows}, {columns}), or one value for each column"
                raise ValueError(f"a kernel needs arrays {expected}; received ({shape.rows}, {shape.columns})")


class GatherKernel(Launcher):
    """`kernel(out, pool, indices, inputs)`. Parameters: see `Launcher`."""

    def __init__(self, device: Device, stacked: bool, formula: Formula) -> None:
        super().__init__(device, stacked)
        self._formula = formula

    def __call__(self, out: Array, pool: Array, indices: Array, inputs: tuple[Array, ...]) -> None:
        self._call((out, pool, indices, *inputs), (), None)

    def _plan(self, arrays: tuple[Array, ...], constants: Sequence[Any], extra: Any) -> Plan | None:
        shapes = self._shapes(arrays)
        out, pool, indices, *inputs = shapes
        members = common_members(shapes[:1], shapes[1:])
        if pool.columns != out.columns or indices.columns != out.rows or any(s.columns != out.columns for s in inputs):
            raise ValueError(f"gathering cannot give ({out.rows}, {out.columns}) from arrays of other lengths")
        sizes = (members, out.rows, out.columns)
        if 0 in sizes:
            return None
        source = gather(self._formula, out.operand, pool.operand, indices.operand, [s.operand for s in inputs])
        return self._ready(source, shapes, sizes, grid_of_values(*sizes))


class OneHot(Launcher):
    """`kernel(labels, on, off, out)`; see `ffnn.backend.cuda_fixed.one_hot`."""

    def __call__(self, labels: Array, on: float, off: float, out: Array) -> None:
        self._call((out, labels), (float(on), float(off)), None)

    def _plan(self, arrays: tuple[Array, ...], constants: Sequence[Any], extra: Any) -> Plan | None:
        out, labels = shapes = self._shapes(arrays)
        sizes = (common_members([out], [labels]), out.rows, out.columns)
        if labels.columns != out.rows:
            raise ValueError(f"one_hot needs a label for each of {out.rows} rows; received {labels.columns}")
        if 0 in sizes:
            return None
        source = cuda_fixed.one_hot(out.operand, labels.operand)
        return self._ready(source, shapes, sizes, grid_of_values(*sizes), (0, 0))


class ArgMax(Launcher):
    """`kernel(out, matrix)`: the column of the largest value of each row."""

    def __call__(self, out: Array, matrix: Array) -> None:
        self._call((out, matrix), (), None)

    def _plan(self, arrays: tuple[Array, ...], constants: Sequence[Any], extra: Any) -> Plan | None:
        out, matrix = shapes = self._shapes(arrays)
        members = common_members([out], [matrix])
        if members * matrix.rows == 0:
            return None
        grid = (min(ceil(matrix.rows, 4), MOST_BLOCKS), min(members, MOST_ALONG_Y), 1)
        sizes = (members, matrix.rows, matrix.columns)
        return self._ready(cuda_fixed.argmax(out.operand, matrix.operand), shapes, sizes, (grid, (32, 4, 1)))


class SquareSum(Launcher):
    """`kernel(array, out)`: the sum of squares of all values of each member."""

    def __call__(self, array: Array, out: Array) -> None:
        self._call((out, array), (), None)

    def _plan(self, arrays: tuple[Array, ...], constants: Sequence[Any], extra: Any) -> Plan:
        out, values = shapes = self._shapes(arrays)
        if values.row_stride not in (0, values.columns):
            raise ValueError("square_sum needs values side by side; received a part of each row")
        members, columns = common_members([out], [values]), values.rows * values.columns
        blocks = max(1, min(ceil(columns, 1024), 512))
        grid_and_block = ((blocks, min(members, MOST_ALONG_Y), 1), (32, 8, 1))
        source = cuda_fixed.square_sum(out.operand, values.operand)
        scratch = (8 * members * blocks, 4 * members)
        return self._ready(source, shapes, (members, 1, columns), grid_and_block, (), scratch)


class Warp(Launcher):
    """`kernel(pool, rows, shape, source, out)`; see `Engine.warp`."""

    def __call__(self, pool: Array, rows: Array, shape: tuple[int, int, int], source: Array, out: Array) -> None:
        self._call((out, pool, rows, source.reshape(len(rows), -1)), (), shape)

    def _plan(self, arrays: tuple[Array, ...], constants: Sequence[Any], extra: Any) -> Plan | None:
        out, pool, rows, places = shapes = self._shapes(arrays)
        height, width, channels = extra
        pixels = height * width
        if not out.columns == pool.columns == pixels * channels or places.columns != 2 * pixels:
            raise ValueError(f"images of shape {extra} do not fit {pool.columns} values, {places.columns} places")
        if rows.columns * out.columns == 0:
            return None
        source = cuda_fixed.warp(*(shape.operand for shape in shapes))
        sizes = (1, rows.columns, height, width, channels)
        return self._ready(source, shapes, sizes, grid_of_values(1, rows.columns, pixels))
