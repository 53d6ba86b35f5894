"""What compiled loops do with tuples of arrays and numbers, chosen by the members' types, once, while compiling.

Numba's own loops over a tuple need members of one type; here each may be of another, and costs what it would alone.
"""

from typing import Any

from numba.core import types
from numba.core.types.containers import BaseTuple
from numba.extending import overload

from ffnn.backend.numba_math import FASTMATH


def chosen_by_type(choose):
    """A function for compiled code whose body `choose` returns when told the arguments' types."""

    def stub(*arguments): ...

    overload(stub, strict=False, jit_options={"error_model": "numpy", "fastmath": set(FASTMATH)})(choose)
    return stub


def of_each(function: Any) -> Any:
    """A function for compiled code: the tuple of `function(member, at)` for each member of a tuple."""

    @chosen_by_type
    def results(t, at):
        return (
            lambda t, at: (),
            lambda t, at: (function(t[0], at),),
            lambda t, at: (function(t[0], at), function(t[1], at)),
            lambda t, at: (function(t[0], at), function(t[1], at), function(t[2], at)),
            lambda t, at: (function(t[0], at), function(t[1], at), function(t[2], at), function(t[3], at)),
            lambda t, at: (*results(t[:3], at), *results(t[3:], at)),
        )[min(len(t), 5)]

    return results


def for_all(function: Any) -> Any:
    """A function for compiled code: whether `function(member, at)` is true for all members of a tuple."""

    @chosen_by_type
    def all_true(t, at):
        return (lambda t, at: function(t[0], at) and all_true(t[1:], at)) if len(t) else (lambda t, at: True)

    return all_true


def into_each(function: Any) -> Any:
    """A function for compiled code: a formula's result, one value or a tuple of them, goes into as many arrays."""

    @chosen_by_type
    def write(t, at, v):
        if not isinstance(v, BaseTuple):
            return (lambda t, at, v: function(t[0], at, v)) if len(t) == 1 else None
        return (
            lambda t, at, v: (function(t[0], at, v[0]),),
            lambda t, at, v: (function(t[0], at, v[0]), function(t[1], at, v[1])),
            lambda t, at, v: (function(t[0], at, v[0]), function(t[1], at, v[1]), function(t[2], at, v[2])),
            lambda t, at, v: (write(t[:2], at, v[:2]), write(t[2:], at, v[2:])),
        )[min(len(v), 4) - 1]

    return write


@chosen_by_type
def grid(a):
    """Rows and columns; an array of one dimension is a single row, and one of three does not compile."""
    if a.ndim not in (1, 2):
        return None
    return (lambda a: (1, a.size)) if a.ndim == 1 else (lambda a: (a.shape[0], a.shape[1]))


@chosen_by_type
def fits(a, sizes):
    """Whether a matrix has so many rows and columns, a vector the length, of `sizes`; plain numbers always fit."""
    if not isinstance(a, types.Array):
        return lambda a, sizes: True
    if a.ndim == 1:
        return lambda a, sizes: a.size == sizes[2]
    return lambda a, sizes: a.shape[0] == sizes[0] and a.shape[1] == sizes[1]


@chosen_by_type
def has_shape_of(a, b):
    """Whether two arrays have the same shape."""
    return (lambda a, b: a.shape == b.shape) if a.ndim == b.ndim else (lambda a, b: False)


@chosen_by_type
def fits_beside(a, b):
    """Whether an array has the shape of another, or one value for each of its columns; plain numbers always fit."""
    if not isinstance(a, types.Array):
        return lambda a, b: True
    if a.ndim == b.ndim:
        return lambda a, b: a.shape == b.shape
    return (lambda a, b: a.size == b.shape[-1]) if a.ndim == 1 else (lambda a, b: False)


@chosen_by_type
def has_length(a, length):
    """Whether an array is a vector of this length, as a cell is of length 1; plain numbers always are."""
    if not isinstance(a, types.Array):
        return lambda a, length: True
    return (lambda a, length: a.size == length) if a.ndim == 1 else (lambda a, length: False)


@chosen_by_type
def pick(a, at):
    """The value at a row and a column; an array of one dimension has one value a column."""
    if not isinstance(a, types.Array):
        return lambda a, at: a
    return (lambda a, at: a[at[1]]) if a.ndim == 1 else (lambda a, at: a[at[0], at[1]])


@chosen_by_type
def line(a, i):
    """Row i of a matrix, number i of a vector."""
    return lambda a, i: a[i]


@chosen_by_type
def put(a, at, v):
    """Write one value where `pick` finds it; returns nothing of use."""

    def into_vector(a, at, v):
        a[at[1]] = v

    def into_matrix(a, at, v):
        a[at[0], at[1]] = v

    return into_vector if a.ndim == 1 else into_matrix


@chosen_by_type
def clear(a, zero):
    """Set the sums that `collect` adds to to zero."""

    def sums(a, zero):
        a[:] = zero

    return sums if a.ndim == 1 else (lambda a, zero: None)


@chosen_by_type
def collect(a, at, v):
    """Write one value into a matrix, or add it to a column's sum in a vector."""

    def added(a, at, v):
        a[at[1]] += v

    return added if a.ndim == 1 else (lambda a, at, v: put(a, at, v))


@chosen_by_type
def narrow(c, number):
    """Numbers and cells in the engine's type, as one float64 would widen the whole loop; uint32 stays, for keys."""
    if isinstance(c, types.Array):
        # Of more axes it is refused when the loop runs, which must be compiled for that.
        return (lambda c, number: narrow(c[0], number)) if c.ndim == 1 else (lambda c, number: number(0))
    return (lambda c, number: c) if c == types.uint32 else (lambda c, number: number(c))


take, lines, narrowed, clear_all = map(of_each, (pick, line, narrow, clear))
put_all, collect_all = into_each(put), into_each(collect)
all_fit, alike, beside = for_all(fits), for_all(has_shape_of), for_all(fits_beside)
vectors = for_all(has_length)
