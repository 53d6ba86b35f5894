"""Launching generated kernels: which source, which grid and which arguments a call needs.

All that depends on shapes and types alone is worked out once, at the first call with them; a later
call looks the plan up, fills in addresses and goes. It allocates nothing, so it can be recorded.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from ffnn.backend import cuda_fixed
from ffnn.backend.cuda_source import C_TYPES, SOURCES, Operand, Source, gather
from ffnn.backend.engine import Array
from ffnn.backend.formula import Formula

Launch = Callable[[tuple[int, int, int], tuple[int, int, int], bytes], None]
"""A compiled kernel: call it with the grid, the block and the bytes of its one parameter."""

MOST_BLOCKS = 4096
"""Along x: enough to fill any GPU; threads of a smaller grid take several values."""

MOST_ALONG_Y = 65535
"""CUDA's limit of a grid along y and z; kernels loop over what lies beyond."""


class Device(Protocol):
    """What launching needs from an engine.

    Attributes
    ----------
    array_type : type
        Of its arrays, by which a cell is told from a number.
    """

    array_type: type

    def address(self, array: Array) -> int:
        """Where the first value lies."""

    def scratch(self, size: int) -> Array:
        """So many bytes of zeros, which live as long as the array."""

    def compile(self, source: Source) -> Launch:
        """The kernel of this source."""


class Plan(NamedTuple):
    """A launch, but for addresses and numbers."""

    launch: Launch
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    pack: Callable[..., bytes]
    sizes: bytes
    scratch: tuple[int, ...] = ()
    keeps: tuple[Array, ...] = ()


class Shape(NamedTuple):
    """An array as a kernel sees it; strides count values, and that of an axis of length 1 is 0."""

    kind: str
    members: int
    rows: int
    columns: int
    member_stride: int
    row_stride: int
    rank: int
    itemsize: int

    @property
    def operand(self) -> Operand:
        """What the source has to know of it."""
        return Operand(self.kind, self.rank)


def shape_of(array: Array, stacked: bool) -> Shape:
    """The shape of an array with at most two axes besides that of the members; a vector is a single row."""
    size = array.dtype.itemsize
    shape, strides = tuple(array.shape), tuple(stride // size for stride in array.strides)
    if not stacked:
        shape, strides = (1, *shape), (0, *strides)
    members, *axes = shape
    member_stride, *steps = strides
    if len(axes) > 2:
        axes, steps = [int(np.prod(axes))], [1]
        if not array.flags.c_contiguous:
            raise ValueError(f"a kernel takes matrices, or whole arrays; received strides {array.strides}")
    axes, steps = [1] * (2 - len(axes)) + axes, [0] * (2 - len(steps)) + steps
    if axes[1] > 1 and steps[1] != 1 and array.size:
        raise ValueError(f"a kernel needs the values of a row side by side; received strides {array.strides}")
    return Shape(
        C_TYPES[array.dtype.name],
        members,
        axes[0],
        axes[1],
        member_stride if members > 1 else 0,
        steps[0] if axes[0] > 1 else 0,
        max(1, min(2, len(shape) - 1)),
        size,
    )


def common_members(outputs: Sequence[Shape], others: Sequence[Shape]) -> int:
    """How many members a launch has: all of the outputs, and all or one of everything else."""
    members = outputs[0].members
    if any(shape.members != members for shape in outputs) or any(s.members not in (1, members) for s in others):
        found = [shape.members for shape in (*outputs, *others)]
        raise ValueError(f"every output needs all members of the stack, every input all or one; received {found}")
    return members


def ceil(a: int, b: int) -> int:
    """a / b, rounded up."""
    return -(-a // b)


def grid_of_values(members: int, rows: int, columns: int) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Grid and block of a thread for each value; the block is as wide as a short row."""
    width = min(256, 1 << max(0, columns - 1).bit_length())
    height = 256 // width
    across = min(ceil(columns, width), MOST_BLOCKS)
    return (across, min(ceil(rows, height), MOST_ALONG_Y), min(members, MOST_ALONG_Y)), (width, height, 1)


class Launcher:
    """Calls of one kind of kernel: finds or makes the plan for the arrays' shapes, and launches.

    Parameters
    ----------
    device : Device
    stacked : bool
        Whether arrays have the members' axis; without it they are seen as a stack of one.
    """

    def __init__(self, device: Device, stacked: bool) -> None:
        self._device, self._stacked = device, stacked
        self._plans: dict[Any, Plan | None] = {}

    def _call(self, arrays: tuple[Array, ...], constants: Sequence[Any], extra: Any) -> None:
        """Launch; `extra` is whatever else the plan depends on."""
        cells: Any = self._device.array_type
        key = (
            extra,
            *[(array.shape, array.strides, array.dtype.char) for array in arrays],
            *[
                (value.shape, value.dtype.char) if isinstance(value, cells) else isinstance(value, (int, np.integer))
                for value in constants
            ],
        )
        try:
            plan = self._plans[key]
        except KeyError:
            plan = self._plans[key] = self._plan(arrays, constants, extra)
        if plan is None:
            return
        address = self._device.address
        numbers: list[Any] = [address(array) for array in arrays]
        numbers += plan.scratch
        for value in constants:
            numbers += (address(value), 0.0) if isinstance(value, cells) else (0, value)
        plan.launch(plan.grid, plan.block, plan.pack(*numbers) + plan.sizes)

    def _plan(self, arrays: tuple[Array, ...], constants: Sequence[Any], extra: Any) -> Plan | None:
        raise NotImplementedError

    def _shapes(self, arrays: Sequence[Array]) -> list[Shape]:
        return [shape_of(array, self._stacked) for array in arrays]

    def _cells(self, constants: Sequence[Any], members: int) -> tuple[list[str], list[int]]:
        """C types and member strides of the constants' cells; a number is like a cell of float64, a key of uint32."""
        array_type: Any = self._device.array_type
        kinds, strides = [], []
        for value in constants:
            if not isinstance(value, array_type):
                kinds.append("unsigned" if isinstance(value, (int, np.integer)) else "double")
                strides.append(0)
                continue
            if value.size not in (1, members):
                raise ValueError(f"a cell holds one value for each of {members} members; received shape {value.shape}")
            kinds.append(C_TYPES[value.dtype.name])
            strides.append(value.strides[0] // value.dtype.itemsize if value.size > 1 else 0)
        return kinds, strides

    def _ready(
        self,
        source: Source,
        shapes: Sequence[Shape],
        sizes: Sequence[int],
        grid_and_block: tuple[tuple[int, int, int], tuple[int, int, int]],
        cell_strides: Sequence[int] = (),
        scratch: Sequence[int] = (),
    ) -> Plan:
        """The plan of a source; `scratch` says how many bytes each of its own arrays has."""
        strides = [stride for shape in shapes for stride in (shape.member_stride, shape.row_stride)]
        cold = struct.pack(f"<{source.cold}", *sizes, *strides, *cell_strides)
        keeps = tuple(self._device.scratch(size) for size in scratch)
        pack = struct.Struct(f"<{source.hot}").pack
        addresses = tuple(map(self._device.address, keeps))
        return Plan(self._device.compile(source), *grid_and_block, pack, cold, addresses, keeps)


class FormulaKernel(Launcher):
    """`kernel(outputs, inputs, constants)` of the kinds elementwise, update, columns and rows.

    Parameters
    ----------
    device, stacked
        See `Launcher`.
    kind : str
    formula : formula
    number : str
        The engine's floating type in C, for kernels whose arrays do not say it.
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
