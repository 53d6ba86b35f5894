"""How threads share the large products of a program: each is cut into pieces of its output, for whoever is free.

No sum goes over a border, and a piece has the bits of that part of the whole. Threads wait by looking, as a product
takes microseconds; where the machine is busy, the first thread takes most pieces itself.
"""

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise, product
from threading import Thread
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from ffnn.backend.formula import complete
from ffnn.backend.numba_blocks import INT64, WORD, call
from ffnn.backend.numba_cache import kept, kept_callback
from ffnn.backend.numba_math import word
from ffnn.backend.threads import SMALL_SHARE

UNITS = (64, 48, 24, 12)
"""Rows or columns of which pieces are made of, whole blocks of BLAS's kernels on one processor or another."""

MANY = 16384
"""Values of a kernel's output from which it is shared."""

LINE = 64
"""Bytes between words that different threads write."""
TICKET, FINISHED, STOP, FUNCTIONS, BLOCKS = 0, LINE, 2 * LINE, 2 * LINE + WORD, 2 * LINE + 2 * WORD
"""A team's memory: the next piece and the end of its job, how many of its pieces are done, the end of all work, and
where the functions and blocks of pieces are."""
CONTROL = 3 * LINE // WORD
"""Its words."""

PATIENCE = 2000
"""Looks before a waiting thread makes room for others."""

HALF, LOW = 32, 0xFFFFFFFF


@intrinsic
def read(typing: Any, address: Any) -> Any:
    """The word at an address, as the thread that wrote it last left it."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load_atomic(builder.inttoptr(values[0], INT64.as_pointer()), "seq_cst", 8)

    return types.int64(types.int64), code


@intrinsic
def write(typing: Any, address: Any, value: Any) -> Any:
    """Write a word, and all before it, where other threads see it."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        builder.store_atomic(values[1], builder.inttoptr(values[0], INT64.as_pointer()), "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), code


@intrinsic
def add(typing: Any, address: Any) -> Any:
    """Add one to a word; what it was before."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        word = builder.inttoptr(values[0], INT64.as_pointer())
        return builder.atomic_rmw("add", word, ir.Constant(INT64, 1), "seq_cst")

    return types.int64(types.int64), code


make_room = types.ExternalFunction("sched_yield", types.intc())


@word
def take_piece(control):
    """Compute the next piece of the job under way, if one is left; whether there was one."""
    ticket = read(control + TICKET)
    if ticket & LOW >= ticket >> HALF:
        return False
    ticket = add(control + TICKET)  # another job may be under way by now: this word alone says which piece it is
    place = ticket & LOW
    if place >= ticket >> HALF:
        return False
    call(read(read(control + FUNCTIONS) + WORD * place), read(read(control + BLOCKS) + WORD * place))
    add(control + FINISHED)
    return True


def job(block):
    """For the first thread: offer the pieces that a block names, and go on when all are done."""
    control, first, last = read(block), read(block + 2 * WORD), read(block + 3 * WORD)
    write(control + FINISHED, 0)
    write(control + TICKET, (last << HALF) | first)
    while take_piece(control):
        pass
    looks = 0
    while read(control + FINISHED) < last - first:
        looks += 1
        if looks > PATIENCE:
            make_room()


def help_out(control):
    """For every other thread: take pieces until the end."""
    looks = 0
    while read(control + STOP) == 0:
        looks = 0 if take_piece(control) else looks + 1
        if looks > PATIENCE:
            make_room()


@functools.cache
def _job() -> Any:
    return kept_callback(complete(job, "job"))


@functools.cache
def _help() -> Any:
    return kept(complete(help_out, "help_out"), nogil=True)


Block = NDArray[np.int64]
Piece = tuple[Any, Block]
"""A compiled function and the block that it takes."""


def tables_of(pieces: Sequence[Piece]) -> tuple[Block, Block]:
    """Where the functions and the blocks are, for compiled code; the pieces must be kept as long."""
    return (
        np.array([function.address for function, _ in pieces], np.int64),
        np.array([block.ctypes.data for _, block in pieces], np.int64),
    )


class Team:
    """The threads of a program, which live while it runs.

    Parameters
    ----------
    threads : int >= 1
        With the one that runs the program.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._control: Block = np.zeros(CONTROL, np.int64)
        self._pieces: list[Piece] = []

    def offer(self, pieces: Sequence[Piece]) -> Piece:
        """The entry of a program that has these pieces done."""
        first = len(self._pieces)
        self._pieces += pieces
        return _job(), np.array([self._control.ctypes.data, 0, first, len(self._pieces)], np.int64)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Within it the other threads take pieces."""
        if not self._pieces:
            yield
            return
        tables, control = tables_of(self._pieces), self._control
        control[[TICKET // WORD, STOP // WORD]] = 0
        control[[FUNCTIONS // WORD, BLOCKS // WORD]] = [table.ctypes.data for table in tables]
        helpers = [Thread(target=self._help, daemon=True) for _ in range(self.threads - 1)]
        try:
            for helper in helpers:
                helper.start()
            yield
        finally:
            control[STOP // WORD] = 1
            for helper in helpers:
                if helper.ident is not None:
                    helper.join()

    def _help(self) -> None:
        _help()(self._control.ctypes.data)  # a method, so that the memory is there as long as the thread


def cut_kernel(arguments: tuple[Any, ...], threads: int) -> list[tuple[Any, ...]]:
    """The arguments of kernels that each fill a part of the outputs; the kernel's own where that would not save time.

    Parameters
    ----------
    arguments : tuple
        Of `Engine.elementwise` or `Engine.update`, whose outputs depend on their own places alone.
    """
    outputs, inputs, constants = arguments
    first = outputs[0]
    unit = max(UNITS) if first.ndim == 1 else 1
    arrays = [*outputs, *inputs]
    whole = all(array.flags.c_contiguous for array in arrays)
    fits = all(array.shape in (first.shape, first.shape[1:]) for array in arrays)  # else the kernel says what is wrong
    count = max(1, min(threads, len(first) // unit)) if first.size >= MANY and whole and fits else 1

    def part(array: Any, piece: slice) -> Any:
        return array[piece] if array.shape == first.shape else array  # else one row, beside all rows

    return [
        (*(tuple(part(array, piece) for array in group) for group in (outputs, inputs)), constants)
        for piece in _slices(_borders(len(first), count, unit))
    ]


def cut_product(a: Any, b: Any, out: Any, threads: int) -> list[tuple[Any, Any, Any]]:
    """A product as products that each find a part of its output; itself alone where threads would not save time."""
    (rows, inner), columns = a.shape, b.shape[1]
    if threads == 1 or 2 * rows * inner * columns < SMALL_SHARE:
        return [(a, b, out)]
    turned = a.strides[0] < a.strides[1], b.strides[0] < b.strides[1]
    by_rows, borders = _borders_of_product((rows, inner, columns), turned, out.dtype.name, threads)
    return _parts(a, b, out, by_rows, borders)


def _parts(a: Any, b: Any, out: Any, by_rows: bool, borders: Sequence[int]) -> list[tuple[Any, Any, Any]]:
    pieces = _slices(borders)
    return [(a[piece], b, out[piece]) if by_rows else (a, b[:, piece], out[:, piece]) for piece in pieces]


@functools.cache
def _borders_of_product(
    sizes: tuple[int, int, int], turned: tuple[bool, bool], dtype: str, threads: int
) -> tuple[bool, tuple[int, ...]]:
    """By rows or columns, and where to cut, so that pieces have the bits of the whole; that is tried out.

    BLAS adds in another order at some borders, which ones depends on the processor.
    """
    rows, inner, columns = sizes
    rng = np.random.default_rng(0)
    shapes = [(rows, inner), (inner, columns)]
    a, b = (
        rng.standard_normal(shape[::-1] if turn else shape).astype(dtype)
        for shape, turn in zip(shapes, turned, strict=True)
    )
    a, b = (array.T if turn else array for array, turn in zip((a, b), turned, strict=True))
    whole, out = np.empty((rows, columns), dtype), np.empty((rows, columns), dtype)
    np.matmul(a, b, whole)
    choices = []
    for by_rows, unit in product((True, False), UNITS):
        size = rows if by_rows else columns
        if (count := min(threads, size // unit)) > 1:
            borders = _borders(size, count, unit)
            choices.append((max(stop - start for start, stop in pairwise(borders)) / size, not by_rows, borders))
    for _, by_columns, borders in sorted(choices):
        for piece in _parts(a, b, out, not by_columns, borders):
            np.matmul(*piece)
        if np.array_equal(out, whole):
            return not by_columns, borders
    return True, (0, rows)


def _slices(borders: Sequence[int]) -> list[slice]:
    return [slice(*pair) for pair in pairwise(borders)]


def _borders(size: int, count: int, unit: int) -> tuple[int, ...]:
    """Where so many pieces begin, at multiples of a unit, and where the last one ends."""
    return (*(unit * round(size * number / count / unit) for number in range(count)), size)
