"""Plans of launches: which source, which grid and which arguments a call of a kernel needs.

All that depends on shapes and types alone is worked out once, at the first call with them; a later
call looks the plan up, fills in addresses and goes. It allocates nothing, so it can be recorded.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from ffnn.backend.cuda_source import C_TYPES, Operand, Source
from ffnn.backend.engine import Array

Launch = Callable[[tuple[int, int, int], tuple[int, int, int], bytes], None]
"""A compiled kernel: call it with the grid, the block and the bytes of its one parameter."""

MOST_BLOCKS = 4096
"""Along x: enough to fill any GPU; threads of a smaller grid take several values."""

MOST_ALONG_Y = 65535
"""CUDA's limit of a grid along y and z; kernels loop over what lies beyond."""


class Device(Protocol):
    """What launching needs from an engine; by `array_type`, that of its arrays, a cell is told from a number."""

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
        counts = [shape.members for shape in (*outputs, *others)]
        raise ValueError(f"every output needs all members of the stack, every input all or one; received {counts}")
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

    If `stacked`, arrays have the members' axis; without it they are seen as a stack of one.
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
                (value.shape, value.dtype.char) if isinstance(value, cells) else isinstance(value, np.uint32)
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
                kinds.append("unsigned" if isinstance(value, np.uint32) else "double")
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
