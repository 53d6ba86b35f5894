"""A step as a program: its kernels and products, written down once and run for many steps by compiled code.

Python needs a good part of a small network's step to ask for them one by one. A program is a table of addresses of
compiled functions and of blocks with their arguments; one loop, without the interpreter and its lock, calls them.
"""

import functools
import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numba import typeof, types

from ffnn.backend.blas import LETTERS, product
from ffnn.backend.engine import UnfitError
from ffnn.backend.formula import complete
from ffnn.backend.numba_blocks import FAILED, WORD, Kinds, call, call_kernel, product_caller
from ffnn.backend.numba_cache import kept, kept_callback
from ffnn.backend.numba_team import Block, Piece, Team, cut_kernel, cut_product, tables_of
from ffnn.backend.threads import TEAMS

PLAIN, TRANSPOSED = 111, 112
"""How BLAS is to take a matrix, in its own words."""


kinds: Any = None  # both are given a meaning for each entry
call_product: Any = None


def kernel_entry(block):
    """Run the kernel of a block."""
    call_kernel(kinds, block)


def product_entry(block):
    """Multiply the matrices of a block."""
    call_product(block)


def run(functions, blocks, steps):
    """Call each function with its block, as many times."""
    for _ in range(steps):
        for place in range(len(functions)):
            call(functions[place], blocks[place])


_run = kept(run, nogil=True)


@functools.cache
def _entry_of_kernel(signature: tuple[types.Type, ...]) -> Any:
    """One for all kernels that take arguments of these types."""
    name = f"entry_{hashlib.sha256(str(signature).encode()).hexdigest()[:24]}"
    return kept_callback(complete(kernel_entry, name, kinds=Kinds(signature)))


@functools.cache
def _entry_of_product(dtype: str, bits: int) -> Any:
    return kept_callback(complete(product_entry, f"product_{dtype}_{bits}", call_product=product_caller(dtype, bits)))


class Tape:
    """Writes down what a step asks for.

    Parameters
    ----------
    threads : int >= 1
        That share the large products when it is run.
    """

    def __init__(self, threads: int = 1) -> None:
        self._team = Team(threads if TEAMS else 1)
        self._entries: list[Piece] = []
        self._checks: list[tuple[Block, Callable[[], None]]] = []

    def add(self, kernel: Any, arguments: tuple[Any, ...], by_place: bool = False) -> None:
        """Write down that a compiled kernel is to run, of which each output may depend on its own place alone."""
        kernel.compile(signature := tuple(map(typeof, arguments)))
        compiled = kernel.overloads[signature]
        address = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
        entry, pieces = _entry_of_kernel(signature), [arguments]
        if by_place and self._team.threads > 1:
            pieces = cut_kernel(arguments, self._team.threads)
        self._write(entry, [([address, 0, *_words(piece)], partial(kernel, *piece)) for piece in pieces])

    def multiply(self, a: Any, b: Any, out: Any) -> None:
        """Write down a product of matrices, or one for every member of a stack."""
        if out.ndim == 3:
            for number in range(len(out)):
                self.multiply(*(array[number if len(array) > 1 else 0] for array in (a, b, out)))
            return
        (rows, inner), columns = a.shape, b.shape[1]
        if min(rows, inner, columns) < 2 or a.ctypes.data == b.ctypes.data:
            raise UnfitError  # NumPy asks BLAS for other things where there are vectors, or a matrix and its transpose
        fits = b.shape[0] == inner and out.shape == (rows, columns) and a.dtype == b.dtype == out.dtype
        gemm = product(out.dtype.name) if out.dtype.name in LETTERS else None
        if gemm is None or not fits or not out.flags.c_contiguous:
            raise UnfitError
        (how_a, a_line), (how_b, b_line) = _as_blas(a), _as_blas(b)
        entry, pieces = _entry_of_product(out.dtype.name, gemm.bits), []
        for left, right, part in cut_product(a, b, out, self._team.threads):
            places = [left.ctypes.data, a_line, right.ctypes.data, b_line, part.ctypes.data, columns]
            words = [gemm.address, 0, how_a, how_b, *part.shape, inner, *places]
            pieces.append((words, partial(np.matmul, left, right, part)))
        self._write(entry, pieces)

    def program(self) -> Callable[[int], None]:
        """What takes as many steps as it is told; what a kernel complained of meanwhile is raised after them."""
        functions, blocks = tables_of(self._entries)

        def take(steps: int, entries: Any = self._entries) -> None:
            with self._team.at_work():
                _run(functions, blocks, steps)
            for block, call_again in self._checks:
                if block[FAILED]:
                    block[FAILED] = 0
                    call_again()

        return take

    def _write(self, entry: Any, pieces: Sequence[tuple[list[int], Callable[[], None]]]) -> None:
        """An entry that does all of it at once, or one that has the team do the pieces."""
        done = [(entry, np.array(words, np.int64)) for words, _ in pieces]
        self._checks += [(block, again) for (_, block), (_, again) in zip(done, pieces, strict=True)]
        self._entries.append(done[0] if len(done) == 1 else self._team.offer(done))


def _words(value: Any) -> list[int]:
    """A block's words for an argument: of an array its address, shape and strides, of a number its bytes."""
    if isinstance(value, tuple):
        return [word for part in value for word in _words(part)]
    if isinstance(value, np.ndarray):
        return [value.ctypes.data, *value.shape, *value.strides]
    return [int.from_bytes(np.asarray(value).tobytes().ljust(WORD, b"\0"), "little", signed=True)]


def _as_blas(matrix: Any) -> tuple[int, int]:
    """How BLAS is to take a matrix, and how many values apart its lines are."""
    row, column = (stride // matrix.itemsize for stride in matrix.strides)
    if column == 1 and row >= matrix.shape[1]:
        return PLAIN, row
    if row == 1 and column >= matrix.shape[0]:
        return TRANSPOSED, column
    raise UnfitError
