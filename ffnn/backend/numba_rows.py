"""The words of row formulas, compiled: sums, largest values and maps along one row.

A formula hands other formulas to them, which compiled code must take without a trace of where they lie in memory.
"""

from typing import Any

from numba.core import types
from numba.core.imputils import lower_constant
from numba.extending import models, register_model, typeof_impl

from ffnn.backend.numba_math import FASTMATH, word
from ffnn.backend.numba_tuples import take


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
def _no_value(context, builder, kind, value):
    return context.get_dummy_value()


def _row_size(values):
    return values.dtype.type(values.size)


def _row_max(values):
    largest = values[0]
    for value in values:
        largest = value if value > largest or value != value else largest
    return largest


def _row_argmax(values):
    best = 0
    for j in range(1, values.size):
        best = j if values[j] > values[best] else best
    return best


def _row_sum(function, *values):
    total = function(*take(values, (0, 0)))
    for j in range(1, values[0].size):
        total += function(*take(values, (0, j)))
    return total


def _row_map(function, out, *values):
    for j in range(out.size):
        out[j] = function(*take(values, (0, j)))


ROW_WORDS: dict[str, Any] = {
    "row_size": word(_row_size),
    "row_max": word(_row_max),
    "row_argmax": word(_row_argmax),
    "row_sum": word(_row_sum, FASTMATH),
    "row_map": word(_row_map),
}
