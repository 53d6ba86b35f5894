"""The loops of the fused engine: one per kind of kernel, each around a formula given later.

`formula` is a name that `ffnn.backend.formula.complete` fills in before Numba compiles the loop.
The helpers above the loops are chosen by type, once, while compiling.
"""

import math
from typing import Any

import numpy as np
from numba.core import types
from numba.core.imputils import lower_constant
from numba.core.types.containers import BaseTuple
from numba.extending import models, overload, register_model, typeof_impl

from ffnn.backend.numba_math import FASTMATH, word
from ffnn.errors import FFNNError

formula: Any = None  # both are given a meaning for each kernel
kernel: Any = None

MISFIT = "expected arrays that fit each other; received some that do not fit"
"""What compiled code says, which knows no more; `ffnn.backend.fit` then finds better words."""


def chosen_by_type(choose: Any) -> Any:
    """A function for compiled code whose body `choose` returns when told the arguments' types."""

    def stub(*arguments: Any) -> Any: ...

    overload(stub, strict=False, jit_options={"error_model": "numpy", "fastmath": set(FASTMATH)})(choose)
    return stub


@chosen_by_type
def grid(a: Any) -> Any:
    """Rows and columns; an array of one dimension is a single row, and one of three does not compile."""
    if a.ndim not in (1, 2):
        return None
    return (lambda a: (1, a.size)) if a.ndim == 1 else (lambda a: (a.shape[0], a.shape[1]))


@chosen_by_type
def fits(a: Any, rows: Any, columns: Any, length: Any) -> Any:
    """Whether a matrix has so many rows and columns, a vector this length; plain numbers always fit."""
    if not isinstance(a, types.Array):
        return lambda a, rows, columns, length: True
    if a.ndim == 1:
        return lambda a, rows, columns, length: a.size == length
    return lambda a, rows, columns, length: a.shape[0] == rows and a.shape[1] == columns


@chosen_by_type
def all_fit(t: Any, rows: Any, columns: Any, length: Any) -> Any:
    """Whether each member of a tuple `fits`."""
    if not len(t):
        return lambda t, rows, columns, length: True
    return lambda t, rows, columns, length: fits(t[0], rows, columns, length) and all_fit(t[1:], rows, columns, length)


@chosen_by_type
def alike(t: Any, a: Any) -> Any:
    """Whether each member of a tuple has the shape of one array."""
    if not len(t):
        return lambda t, a: True
    if t[0].ndim != a.ndim:
        return lambda t, a: False
    return lambda t, a: t[0].shape == a.shape and alike(t[1:], a)


@chosen_by_type
def beside(t: Any, a: Any) -> Any:
    """Whether each array of a tuple has the shape of one array, or one value for each of its columns."""
    if not len(t):
        return lambda t, a: True
    if not isinstance(t[0], types.Array):
        return lambda t, a: beside(t[1:], a)
    if t[0].ndim == a.ndim:
        return lambda t, a: t[0].shape == a.shape and beside(t[1:], a)
    return (lambda t, a: t[0].size == a.shape[-1] and beside(t[1:], a)) if t[0].ndim == 1 else (lambda t, a: False)


@chosen_by_type
def vectors(t: Any, length: Any) -> Any:
    """Whether each array of a tuple is a vector of this length, as a cell is of length 1; plain numbers always are."""
    if not len(t):
        return lambda t, length: True
    if not isinstance(t[0], types.Array):
        return lambda t, length: vectors(t[1:], length)
    if t[0].ndim != 1:
        return lambda t, length: False
    return lambda t, length: t[0].size == length and vectors(t[1:], length)


@chosen_by_type
def pick(a: Any, i: Any, j: Any) -> Any:
    """The value at row i, column j; an array of one dimension has one value a column."""
    if not isinstance(a, types.Array):
        return lambda a, i, j: a
    return (lambda a, i, j: a[j]) if a.ndim == 1 else (lambda a, i, j: a[i, j])


@chosen_by_type
def take(t: Any, i: Any, j: Any) -> Any:
    """`pick` from each member of a tuple."""
    return (
        lambda t, i, j: (),
        lambda t, i, j: (pick(t[0], i, j),),
        lambda t, i, j: (pick(t[0], i, j), pick(t[1], i, j)),
        lambda t, i, j: (pick(t[0], i, j), pick(t[1], i, j), pick(t[2], i, j)),
        lambda t, i, j: (pick(t[0], i, j), pick(t[1], i, j), pick(t[2], i, j), pick(t[3], i, j)),
        lambda t, i, j: (pick(t[0], i, j), pick(t[1], i, j), pick(t[2], i, j), pick(t[3], i, j), pick(t[4], i, j)),
        lambda t, i, j: (*take(t[:3], i, j), *take(t[3:], i, j)),
        lambda t, i, j: (*take(t[:3], i, j), *take(t[3:], i, j)),
        lambda t, i, j: (*take(t[:4], i, j), *take(t[4:], i, j)),
    )[len(t)]


@chosen_by_type
def lines(t: Any, i: Any) -> Any:
    """Row i of each member of a tuple: a row of a matrix, a number of a vector."""
    return (
        lambda t, i: (),
        lambda t, i: (t[0][i],),
        lambda t, i: (t[0][i], t[1][i]),
        lambda t, i: (t[0][i], t[1][i], t[2][i]),
    )[len(t)]


@chosen_by_type
def put(a: Any, i: Any, j: Any, v: Any) -> Any:
    """Write one value at row i, column j; returns nothing of use."""
    if a.ndim == 1:

        def write(a: Any, i: Any, j: Any, v: Any) -> Any:
            a[j] = v
    else:

        def write(a: Any, i: Any, j: Any, v: Any) -> Any:
            a[i, j] = v

    return write


@chosen_by_type
def put_all(t: Any, i: Any, j: Any, v: Any) -> Any:
    """`put` a formula's result, one value or a tuple of them, into as many arrays."""
    if not isinstance(v, BaseTuple):
        return (lambda t, i, j, v: put(t[0], i, j, v)) if len(t) == 1 else None
    return (
        lambda t, i, j, v: (put(t[0], i, j, v[0]),),
        lambda t, i, j, v: (put(t[0], i, j, v[0]), put(t[1], i, j, v[1])),
        lambda t, i, j, v: (put(t[0], i, j, v[0]), put(t[1], i, j, v[1]), put(t[2], i, j, v[2])),
        lambda t, i, j, v: (put_all(t[:2], i, j, v[:2]), put_all(t[2:], i, j, v[2:])),
    )[len(v) - 1]


@chosen_by_type
def clear(a: Any) -> Any:
    """Set the sums that `collect` adds to to zero."""

    def zero(a: Any) -> Any:
        a[:] = 0

    return zero if a.ndim == 1 else (lambda a: None)


@chosen_by_type
def clear_all(t: Any) -> Any:
    """`clear` each member of a tuple."""
    return (
        lambda t: (clear(t[0]),),
        lambda t: (clear(t[0]), clear(t[1])),
        lambda t: (clear(t[0]), clear(t[1]), clear(t[2])),
    )[len(t) - 1]


@chosen_by_type
def collect(a: Any, i: Any, j: Any, v: Any) -> Any:
    """Write one value into a matrix, or add it to a column's sum in a vector."""
    if a.ndim == 1:

        def take_in(a: Any, i: Any, j: Any, v: Any) -> Any:
            a[j] += v
    else:

        def take_in(a: Any, i: Any, j: Any, v: Any) -> Any:
            a[i, j] = v

    return take_in


@chosen_by_type
def collect_all(t: Any, i: Any, j: Any, v: Any) -> Any:
    """`collect` a formula's result, one value or a tuple of them, in as many arrays."""
    if not isinstance(v, BaseTuple):
        return (lambda t, i, j, v: collect(t[0], i, j, v)) if len(t) == 1 else None
    return (
        lambda t, i, j, v: (collect(t[0], i, j, v[0]),),
        lambda t, i, j, v: (collect(t[0], i, j, v[0]), collect(t[1], i, j, v[1])),
        lambda t, i, j, v: (collect(t[0], i, j, v[0]), collect(t[1], i, j, v[1]), collect(t[2], i, j, v[2])),
    )[len(v) - 1]


@chosen_by_type
def narrow(c: Any, number: Any) -> Any:
    """Numbers and cells in the engine's type, as one float64 would widen the whole loop; uint32 stays, for keys."""
    if isinstance(c, types.Array):
        # Of more axes it is refused when the loop runs, which must be compiled for that.
        return (lambda c, number: narrow(c[0], number)) if c.ndim == 1 else (lambda c, number: number(0))
    return (lambda c, number: c) if c == types.uint32 else (lambda c, number: number(c))


@chosen_by_type
def narrowed(t: Any, number: Any) -> Any:
    """`narrow` each member of a tuple."""
    return (
        lambda t, number: (),
        lambda t, number: (narrow(t[0], number),),
        lambda t, number: (narrow(t[0], number), narrow(t[1], number)),
        lambda t, number: (narrow(t[0], number), narrow(t[1], number), narrow(t[2], number)),
        lambda t, number: (*narrowed(t[:2], number), *narrowed(t[2:], number)),
        lambda t, number: (*narrowed(t[:2], number), *narrowed(t[2:], number)),
        lambda t, number: (*narrowed(t[:3], number), *narrowed(t[3:], number)),
        lambda t, number: (*narrowed(t[:4], number), *narrowed(t[4:], number)),
        lambda t, number: (*narrowed(t[:4], number), *narrowed(t[4:], number)),
    )[len(t)]


@chosen_by_type
def member(a: Any, n: Any) -> Any:
    """Member n of a stacked array, the only one of a shared array; of a plain number itself."""
    if not isinstance(a, types.Array):
        return lambda a, n: a
    return lambda a, n: a[n if a.shape[0] > 1 else 0]


@chosen_by_type
def has_members(a: Any, count: Any) -> Any:
    """Whether a stacked array has so many members, or one that all share; plain numbers always do."""
    if not isinstance(a, types.Array):
        return lambda a, count: True
    return lambda a, count: a.shape[0] == 1 or a.shape[0] == count


@chosen_by_type
def all_have_members(t: Any, count: Any) -> Any:
    """Whether each of a tuple `has_members`."""
    if not len(t):
        return lambda t, count: True
    return lambda t, count: has_members(t[0], count) and all_have_members(t[1:], count)


@chosen_by_type
def members(t: Any, n: Any) -> Any:
    """`member` of each of a tuple."""
    return (
        lambda t, n: (),
        lambda t, n: (member(t[0], n),),
        lambda t, n: (member(t[0], n), member(t[1], n)),
        lambda t, n: (member(t[0], n), member(t[1], n), member(t[2], n)),
        lambda t, n: (*members(t[:2], n), *members(t[2:], n)),
        lambda t, n: (*members(t[:2], n), *members(t[2:], n)),
        lambda t, n: (*members(t[:3], n), *members(t[3:], n)),
        lambda t, n: (*members(t[:4], n), *members(t[4:], n)),
        lambda t, n: (*members(t[:4], n), *members(t[4:], n)),
    )[len(t)]


def stacked(outputs: Any, inputs: Any, constants: Any) -> None:
    """See `Engine.stacked_kernel`."""
    count = len(outputs[0])
    if not (all_have_members(outputs + inputs, count) and all_have_members(constants, count)):
        raise FFNNError(MISFIT)
    for n in range(count):
        kernel(members(outputs, n), members(inputs, n), members(constants, n))


def stacked_gather(out: Any, pool: Any, indices: Any, inputs: Any) -> None:
    """See `Engine.stacked_kernel`, of gathering."""
    if not all_have_members((pool, indices) + inputs, len(out)):
        raise FFNNError(MISFIT)
    for n in range(len(out)):
        kernel(member(out, n), member(pool, n), member(indices, n), members(inputs, n))


def elementwise(outputs: Any, inputs: Any, constants: Any) -> None:
    """See `Engine.elementwise`."""
    rows, columns = grid(outputs[0])
    if not (alike(outputs, outputs[0]) and beside(inputs, outputs[0]) and vectors(constants, 1)):
        raise FFNNError(MISFIT)
    numbers = narrowed(constants, outputs[0].dtype.type)
    for i in range(rows):
        for j in range(columns):
            put_all(outputs, i, j, formula(*(take(inputs, i, j) + numbers)))


def update(targets: Any, inputs: Any, constants: Any) -> None:
    """See `Engine.update`."""
    # Targets are read and written through the same array: as separate arguments they would look
    # like overlapping memory, and the loop would not be vectorised.
    rows, columns = grid(targets[0])
    if not (alike(targets, targets[0]) and beside(inputs, targets[0]) and vectors(constants, 1)):
        raise FFNNError(MISFIT)
    numbers = narrowed(constants, targets[0].dtype.type)
    for i in range(rows):
        for j in range(columns):
            put_all(targets, i, j, formula(*(take(targets, i, j) + take(inputs, i, j) + numbers)))


def columns(outputs: Any, inputs: Any, constants: Any) -> None:
    """See `Engine.columns`."""
    height, width = inputs[0].shape
    fit = all_fit(outputs, height, width, width) and all_fit(inputs, height, width, width)
    if not (fit and vectors(constants, 1)):
        raise FFNNError(MISFIT)
    numbers = narrowed(constants, outputs[0].dtype.type)
    clear_all(outputs)
    for i in range(height):
        for j in range(width):
            collect_all(outputs, i, j, formula(*(take(inputs, i, j) + numbers)))


def rows(outputs: Any, inputs: Any, constants: Any) -> None:
    """See `Engine.rows`."""
    height, width = inputs[0].shape
    fit = width and all_fit(inputs, height, width, height) and alike(outputs[:-1], inputs[0])
    if not (fit and vectors(outputs[-1:], 1) and vectors(constants, 1)):
        raise FFNNError(MISFIT)
    numbers = narrowed(constants, inputs[0].dtype.type)
    total = 0.0
    for i in range(height):
        total += formula(*(lines(inputs, i) + lines(outputs[:-1], i) + numbers))
    outputs[-1][0] = total


def gather(out: Any, pool: Any, indices: Any, inputs: Any) -> None:
    """See `Engine.gather`."""
    rows, columns = out.shape
    if not (indices.size == rows and pool.shape[1] == columns and vectors(inputs, columns)):
        raise FFNNError(MISFIT)
    for i in range(rows):
        if not 0 <= indices[i] < pool.shape[0]:
            raise FFNNError(MISFIT)
        source = pool[indices[i]]
        for j in range(columns):
            out[i, j] = formula(*((out.dtype.type(source[j]),) + take(inputs, i, j)))


def square_sum(values: Any, out: Any) -> None:
    """See `Engine.square_sum`."""
    if out.size != 1:
        raise FFNNError(MISFIT)
    result = 0.0
    for value in values:
        result += np.float64(value) * np.float64(value)
    out[0] = result


def square_sums(values: Any, out: Any) -> None:
    """See `Engine.square_sum`, of a stack."""
    if len(values) != len(out):
        raise FFNNError(MISFIT)
    for n in range(len(out)):
        kernel(values[n], out[n])


def moments(values: Any, bounds: Any, out: Any) -> None:
    """See `Engine.moments`."""
    for part in range(len(bounds)):
        if not 0 <= bounds[part, 0] <= bounds[part, 1] <= len(values):
            raise FFNNError(MISFIT)
        total, squares, largest = 0.0, 0.0, 0.0
        for i in range(bounds[part, 0], bounds[part, 1]):
            value = np.float64(values[i])
            total += value
            squares += value * value
            size = abs(value)
            largest = size if size > largest or size != size else largest
        out[part] = total, squares, largest


def one_hot(labels: Any, on: Any, off: Any, out: Any) -> None:
    """See `Engine.one_hot`."""
    if len(labels) != out.shape[0]:
        raise FFNNError(MISFIT)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = off
        if not 0 <= labels[i] < out.shape[1]:  # compiled code would write beyond the array
            raise FFNNError(MISFIT)
        out[i, labels[i]] = on


def one_hots(labels: Any, on: Any, off: Any, out: Any) -> None:
    """See `Engine.one_hot`, of a stack."""
    if not has_members(labels, len(out)):
        raise FFNNError(MISFIT)
    for n in range(len(out)):
        kernel(member(labels, n), on, off, out[n])


def warp(pool: Any, rows: Any, channels: Any, source: Any, out: Any) -> None:
    """See `Engine.warp`."""
    _, _, height, width = source.shape
    for n in range(len(rows)):
        if not 0 <= rows[n] < len(pool):
            raise FFNNError(MISFIT)
        image = pool[rows[n]]
        for y in range(height):
            for x in range(width):
                v, u = source[n, 0, y, x], source[n, 1, y, x]
                top, left = math.floor(v), math.floor(u)
                low, right = v - top, u - left
                for channel in range(channels):
                    value = out.dtype.type(0)
                    for dy in range(2):
                        for dx in range(2):
                            i, j = int(top) + dy, int(left) + dx
                            if 0 <= i < height and 0 <= j < width:
                                share = (low if dy else 1 - low) * (right if dx else 1 - right)
                                value += share * image[(i * width + j) * channels + channel]
                    out[n, (y * width + x) * channels + channel] = value


class Helper:
    """A compiled formula that may be handed to `row_sum` and `row_map`.

    Numba writes the address of a function that is passed as a value into the machine code, which
    then cannot be kept on disk; a Helper is all type and no value.
    """

    def __init__(self, function: Any) -> None:
        self.dispatcher = word(function)


class HelperType(types.Dispatcher):
    """The type of one Helper: callable wherever the formula is."""


register_model(HelperType)(models.OpaqueModel)


@typeof_impl.register(Helper)
def _type_of_helper(value: Helper, context: Any) -> HelperType:
    return HelperType(value.dispatcher)


@lower_constant(HelperType)
def _no_value(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    return context.get_dummy_value()


def _row_size(values: Any) -> Any:
    return values.dtype.type(values.size)


def _row_max(values: Any) -> Any:
    largest = values[0]
    for value in values:
        largest = value if value > largest or value != value else largest
    return largest


def _row_argmax(values: Any) -> Any:
    best = 0
    for j in range(1, values.size):
        best = j if values[j] > values[best] else best
    return best


def _row_sum(function: Any, *values: Any) -> Any:
    total = function(*take(values, 0, 0))
    for j in range(1, values[0].size):
        total += function(*take(values, 0, j))
    return total


def _row_map(function: Any, out: Any, *values: Any) -> None:
    for j in range(out.size):
        out[j] = function(*take(values, 0, j))


ROW_WORDS: dict[str, Any] = {
    "row_size": word(_row_size),
    "row_max": word(_row_max),
    "row_argmax": word(_row_argmax),
    "row_sum": word(_row_sum, FASTMATH),
    "row_map": word(_row_map),
}
