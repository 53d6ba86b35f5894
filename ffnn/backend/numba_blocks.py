"""How compiled code calls functions that it knows by address alone, with the arguments that a block of memory holds.

Addresses differ from process to process, so they stand in the blocks; the code around them is kept on disk.
"""

from collections.abc import Sequence
from itertools import count
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import lower_constant
from numba.extending import intrinsic, models, register_model, typeof_impl
from numba.np.arrayobj import make_array, populate_array

ROW_MAJOR = 101
"""BLAS's word for matrices whose rows lie one after the other."""

WORD = 8
"""Bytes of a number, an address or a size in a block."""

FAILED = 1
"""The word of a block, after the address, that counts how often the kernel complained."""

INT32, INT64, POINTER = ir.IntType(32), ir.IntType(64), ir.IntType(8).as_pointer()


class Kinds:
    """The types of a kernel's arguments; to compiled code it is all type and no value.

    Parameters
    ----------
    types : sequence of Numba's types
    """

    def __init__(self, types: Sequence[types.Type]) -> None:
        self.types = tuple(types)


class KindsType(types.Type):  # type: ignore[misc]
    """The type of one `Kinds`."""

    def __init__(self, types: tuple[types.Type, ...]) -> None:
        self.types = types
        super().__init__(f"Kinds{types}")


register_model(KindsType)(models.OpaqueModel)


@typeof_impl.register(Kinds)
def _type_of_kinds(value: Kinds, context: Any) -> KindsType:
    return KindsType(value.types)


@lower_constant(KindsType)
def _no_value(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    return context.get_dummy_value()


@intrinsic
def call(typing: Any, address: Any, block: Any) -> Any:
    """Call the function of one block at an address."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [INT64])
        builder.call(builder.inttoptr(values[0], kind.as_pointer()), [values[1]])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), code


@intrinsic
def call_kernel(typing: Any, kinds: Any, block: Any) -> Any:
    """Call the kernel whose address a block begins with, with the arguments that follow, and count its complaints."""

    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        slots = _slots(context, builder, values[1])
        function = context.call_conv.get_function_type(types.none, kinds.types).as_pointer()
        address = builder.inttoptr(builder.load(next(slots)), function)
        failed = next(slots)
        arguments = [_argument(context, builder, kind, slots) for kind in kinds.types]
        status, _ = context.call_conv.call_function(builder, address, types.none, kinds.types, arguments)
        builder.store(builder.add(builder.load(failed), builder.zext(status.is_error, INT64)), failed)
        return context.get_dummy_value()

    return types.void(kinds, types.int64), code


def product_caller(dtype: str, bits: int) -> Any:
    """What calls `cblas_?gemm` with a block's words: address, 0, how to take a and b, sizes, then a, its line, ...

    Parameters
    ----------
    dtype : "float32" or "float64"
    bits : 32 or 64
        Of BLAS's whole numbers.
    """
    real, whole = ir.FloatType() if dtype == "float32" else ir.DoubleType(), ir.IntType(bits)
    matrix = (POINTER, whole)
    words = [INT32, INT32, whole, whole, whole, *matrix, *matrix, *matrix]
    signature_of_gemm = [INT32, *words[:5], real, *matrix, *matrix, real, *matrix]

    @intrinsic
    def call_product(typing: Any, block: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            slots = _slots(context, builder, values[0])
            function = ir.FunctionType(ir.VoidType(), signature_of_gemm).as_pointer()
            address = builder.inttoptr(builder.load(next(slots)), function)
            next(slots)  # BLAS complains of nothing
            read = [_word(builder, kind, next(slots)) for kind in words]
            one, zero, order = ir.Constant(real, 1.0), ir.Constant(real, 0.0), ir.Constant(INT32, ROW_MAJOR)
            builder.call(address, [order, *read[:5], one, *read[5:9], zero, *read[9:]])
            return context.get_dummy_value()

        return types.void(types.int64), code

    return call_product


def _slots(context: Any, builder: Any, block: Any) -> Any:
    """Pointers to the words of a block, one after the other."""
    base = builder.inttoptr(block, INT64.as_pointer())
    return (builder.gep(base, [context.get_constant(types.intp, place)]) for place in count())


def _word(builder: Any, kind: Any, slot: Any) -> Any:
    value = builder.load(slot)
    if kind is POINTER:
        return builder.inttoptr(value, kind)
    return value if kind.width == INT64.width else builder.trunc(value, kind)


def _argument(context: Any, builder: Any, kind: Any, slots: Any) -> Any:
    """The value of a type that the next words say."""
    if isinstance(kind, types.BaseTuple):
        return context.make_tuple(builder, kind, [_argument(context, builder, part, slots) for part in kind])
    value_type = context.get_data_type(kind.dtype if isinstance(kind, types.Array) else kind)
    if not isinstance(kind, types.Array):
        return builder.load(builder.bitcast(next(slots), value_type.as_pointer()))
    array = make_array(kind)(context, builder)
    data = builder.inttoptr(builder.load(next(slots)), value_type.as_pointer())
    shape, strides = ([builder.load(next(slots)) for _ in range(kind.ndim)] for _ in range(2))
    populate_array(
        array, data, cgutils.pack_array(builder, shape), cgutils.pack_array(builder, strides),
        context.get_constant(types.intp, context.get_abi_sizeof(value_type)), None,
    )  # fmt: skip
    return array._getvalue()
