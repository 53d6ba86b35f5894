"""The doors of the mathematics: what an array must be before compiled code computes with it.

A right array passes in a fraction of a microsecond; a wrong one is refused with what was expected and what to do.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffnn.backend.engine import Array, Engine
from ffnn.backend.fit import described
from ffnn.errors import FFNNError


def check_matrix(name: str, array: Array, engine: Engine, columns: int, rows: int | None = None) -> None:
    """FFNNError unless it is a matrix of the engine's floats of so many columns, and rows (at least one)."""
    try:
        height, width = array.shape
        fits = width == columns and height and (rows is None or height == rows) and array.dtype == engine.dtype
        if fits and (type(array) is engine.array_type or _is_plain(array, engine)):
            return
    except (AttributeError, TypeError, ValueError):
        pass
    expected = f"{engine.dtype.name} of shape ({'rows' if rows is None else rows}, {columns})"
    raise FFNNError(f"{name}: expected {expected}; received {described(array)}{_advice(array, engine, columns)}")


def check_labels(labels: Array, engine: Engine, rows: int, columns: int) -> None:
    """FFNNError unless there is a class number for each row, or a target for each value of a matrix of this size.

    Whether class numbers lie in [0, columns) is seen where they are used.
    """
    try:
        shape, kind = labels.shape, labels.dtype
        classes = shape == (rows,) and kind.kind in "iu" and kind.isnative
        fits = classes or (shape == (rows, columns) and kind == engine.dtype)
        if fits and (type(labels) is engine.array_type or _is_plain(labels, engine)):
            return
    except AttributeError:
        pass
    expected = f"whole numbers of shape ({rows},), or {engine.dtype.name} targets of shape ({rows}, {columns})"
    advice = _label_advice(labels, engine, rows, columns)
    raise FFNNError(f"labels: expected {expected}; received {described(labels)}{advice}")


def as_array(name: str, values: Any) -> Any:
    """Values with a shape and a type of NumPy's, as they are or made an array of; FFNNError where that cannot be."""
    if hasattr(values, "__array__") and hasattr(getattr(values, "dtype", None), "kind"):
        return values
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as problem:  # a ragged list, a tensor of a device or with a gradient
        reason = str(problem).splitlines()[0]
        raise FFNNError(f"{name}: expected an array; received {described(values)}: {reason}") from None
    if array.dtype.kind not in "biuf":
        raise FFNNError(f"{name}: expected numbers; received {described(array)}, from {type(values).__name__}")
    return array


def saved_values(name: str, saved: Any, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """What a saved state holds under a name, as an array of this type; FFNNError for another shape, or no numbers.

    A `dtype` of whole numbers takes no others.
    """
    values = as_array(name, saved)
    whole = np.dtype(dtype).kind in "iu"
    if values.dtype.kind not in ("iu" if whole else "biuf") or values.shape != tuple(shape):
        numbers = "whole numbers" if whole else "numbers"
        raise FFNNError(f"{name}: expected {numbers} of shape {tuple(shape)}; the saved state has {described(values)}")
    return np.asarray(values, dtype)


def _is_plain(array: Array, engine: Engine) -> bool:
    """Whether an array, or one of a derived class, is what its memory holds: masked arrays and np.matrix are not."""
    return isinstance(array, engine.array_type) and not isinstance(array, np.ma.MaskedArray | np.matrix)


def _advice(array: Any, engine: Engine, columns: int) -> str:
    shape, dtype = getattr(array, "shape", None), getattr(array, "dtype", None)
    if shape is None or dtype is None:
        return ": engine.array(values) makes an array of them"
    if shape == (columns,):
        return ": a single row is array[None]"
    if len(shape) == 2 and shape[1] == columns and shape[0]:
        if isinstance(array, engine.array_type) and dtype == engine.dtype:
            return "" if _is_plain(array, engine) else f" as {type(array).__name__}: take a plain array"
        return ": engine.array(values) converts them"
    return ": leave an empty batch out" if len(shape) == 2 and shape[1] == columns else ""


def _label_advice(labels: Any, engine: Engine, rows: int, columns: int) -> str:
    shape = getattr(labels, "shape", None)
    if shape is None or not hasattr(labels, "dtype"):
        return ": class numbers are engine.array(labels, np.int64)"
    if shape == (rows, 1) and columns != 1:
        return ": labels[:, 0] has one dimension"
    if shape == (rows, columns):
        return ": labels.argmax(axis=1) gives class numbers, engine.array(labels) targets"
    if shape == (rows,):
        return ": class numbers are engine.array(labels, np.int64)"
    return ""
