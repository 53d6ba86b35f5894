"""Whether arrays fit a kernel: compiled code reads whatever lies behind an array, so none may be too short for it.

Compiled loops compare shapes themselves, which costs nothing there; what is wrong is said here, in words.
"""

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from ffnn.backend.engine import Array
from ffnn.errors import FFNNError


def described(array: Any) -> str:
    """Type and shape of an array; of anything else its type alone.

    Examples
    --------
    >>> described(np.zeros((2, 3), np.float32)), described([1, 2])
    ('float32 of shape (2, 3)', 'list')
    """
    if not hasattr(array, "shape") or not hasattr(array, "dtype"):
        return type(array).__name__
    return f"{array.dtype} of shape {tuple(array.shape)}"


def check_kernel(kind: str, outputs: Sequence[Array], inputs: Sequence[Array], constants: Sequence[Any] = ()) -> None:
    """FFNNError unless a kernel of this kind (elementwise, update, columns or rows) can run over these arrays."""
    sums = kind in ("columns", "rows")
    written = outputs[:-1] if kind == "rows" else outputs
    try:
        shape = inputs[0].shape if sums else outputs[0].shape
        ends = shape[:1] if kind == "rows" else shape[-1:]
        for array in inputs:
            if (size := array.shape) != shape and size != ends:
                _refuse_kernel(kind, outputs, inputs)
        for array in written:
            if (size := array.shape) != shape and not (kind == "columns" and size == ends):
                _refuse_kernel(kind, outputs, inputs)
        if kind == "rows" and (outputs[-1].shape != (1,) or not shape[-1]):
            _refuse_kernel(kind, outputs, inputs)
        axes = len(shape)
    except (AttributeError, IndexError):
        axes = 0
    if axes != 2 and (axes != 1 or sums):
        _refuse_kernel(kind, outputs, inputs)
    for value in constants:
        if isinstance(value, np.ndarray) and value.shape != (1,):
            expected = "as constants numbers, or cells of shape (1,)"
            raise FFNNError(f"kernel {kind}: expected {expected}; received {described(value)}")


def check_square_sum(values: Array, out: Array) -> None:
    """FFNNError unless there is a cell for the values, or one for those of each member of a stack."""
    members = values.shape[:-1]
    if len(members) > 1 or out.shape != (*members, 1):
        expected = "values (n,) and a cell (1,), or (members, n) and (members, 1)"
        _refuse("square_sum", expected, [out], [values])


def check_parts(values: Array, bounds: Any) -> None:
    """FFNNError unless each pair of bounds is a part [start, stop) of a one-dimensional array."""
    if values.ndim != 1 or bounds.ndim != 2 or bounds.shape[1] != 2 or bounds.dtype.kind not in "iu":
        expected = "one dimension, and pairs (start, stop) of whole numbers"
        raise FFNNError(f"moments: expected {expected}; received {described(values)}, and {bounds.tolist()}")
    for start, stop in bounds.tolist():
        if not 0 <= start <= stop <= len(values):
            expected = f"0 <= start <= stop <= {len(values)}, as so many values there are"
            raise FFNNError(f"moments: expected parts with {expected}; received ({start}, {stop})")


def check_gather(out: Array, pool: Array, indices: Array, inputs: Sequence[Array]) -> None:
    """FFNNError unless the shapes of gathering fit; which rows the pool has is for `check_rows`."""
    try:
        rows, columns = out.shape
        fit = pool.shape[1:] == (columns,) and indices.shape == (rows,)
        for vector in inputs:
            fit = fit and vector.shape == (columns,)
    except (AttributeError, ValueError):
        fit = False
    if not fit:
        expected = "out (n, columns), then pool (rows, columns), n numbers of rows, vectors (columns,)"
        _refuse("kernel gather", expected, [out], [pool, indices, *inputs])


def check_rows(rows: Any, pool: Any) -> None:
    """FFNNError unless these are numbers of rows of the pool."""
    if rows.dtype.kind not in "iu":
        raise FFNNError(f"row numbers: expected whole numbers; received {described(rows)}")
    if rows.size and not 0 <= (low := int(rows.min())) <= (high := int(rows.max())) < len(pool):
        worst = low if low < 0 else high
        reason = f"as the pool has {len(pool)} row{'' if len(pool) == 1 else 's'}"
        raise FFNNError(f"row numbers: expected 0 to {len(pool) - 1}, {reason}; received {worst}")


def check_labels(labels: Any, out: Array) -> None:
    """FFNNError unless each row of `out` has a whole number that is one of its columns."""
    expected = tuple(out.shape[:-1])
    if not hasattr(labels, "shape") or tuple(labels.shape) != expected or labels.dtype.kind not in "iu":
        raise FFNNError(f"labels: expected whole numbers of shape {expected}; received {described(labels)}")
    check_classes(labels, out.shape[-1])


def check_classes(labels: Any, count: int) -> None:
    """FFNNError for a label that is no number of one of so many outputs.

    Examples
    --------
    >>> check_classes(np.array([0, 7]), 2)
    Traceback (most recent call last):
    ffnn.errors.FFNNError: Label 7 found, but the network has 2 outputs: expected labels from 0 to 1
    """
    if labels.size and not (labels.min() >= 0 and labels.max() < count):
        label = labels[(labels < 0) | (labels >= count)].flat[0]
        outputs = f"{count} output{'' if count == 1 else 's'}"
        raise FFNNError(f"Label {label} found, but the network has {outputs}: expected labels from 0 to {count - 1}")


def check_warp(pool: Array, rows: Array, shape: tuple[int, int, int], source: Array, out: Array) -> None:
    """FFNNError unless images of this shape can be moved from the pool to `out`."""
    height, width, channels = shape
    values = height * width * channels
    if (tuple(pool.shape[1:]), tuple(out.shape), tuple(source.shape)) != (
        (values,), (len(rows), values), (len(rows), 2, height, width)
    ):  # fmt: skip
        expected = f"pool (images, {values}), rows (n,), places (n, 2, {height}, {width}), then out (n, {values})"
        _refuse("warp", expected, [out], [pool, rows, source])


def check_types(kind: str, outputs: Sequence[Array], inputs: Sequence[Array]) -> None:
    """FFNNError for an output that cannot be written, and for values that compiled code cannot compute with."""
    for array in outputs:
        if not array.flags.writeable:
            raise FFNNError(f"{kind}: expected outputs that can be written; received read-only {described(array)}")
    for array in (*outputs, *inputs):
        check_type(kind, array)


def check_type(name: str, array: Array) -> None:
    """FFNNError for values that compiled code cannot compute with."""
    kind = array.dtype
    if not kind.isnative or not (kind.kind in "biu" or kind in (np.float32, np.float64)):
        raise FFNNError(f"{name}: expected float32, float64 or whole numbers; received {described(array)}")


def check_members(arguments: Sequence[Any]) -> None:
    """FFNNError unless each array of a stack has as many members as the first, or one that they share."""
    parts = [part for argument in arguments for part in (argument if isinstance(argument, tuple) else (argument,))]
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    members = len(arrays[0])
    if any(len(array) not in (1, members) for array in arrays):
        _refuse("stack", f"{members} members, or one for all", arrays[:1], arrays[1:])


def _refuse_kernel(kind: str, outputs: Sequence[Array], inputs: Sequence[Array]) -> NoReturn:
    ends = "row, and a last output of shape (1,)" if kind == "rows" else "column"
    matrices = "matrices of one shape that have columns" if kind == "rows" else "matrices of one shape"
    _refuse(f"kernel {kind}", f"{matrices}, and vectors of one value for each {ends}", outputs, inputs)


def _refuse(kind: str, expected: str, outputs: Sequence[Array], inputs: Sequence[Array]) -> NoReturn:
    received = "; ".join(", ".join(map(described, arrays)) for arrays in (outputs, inputs) if len(arrays))
    raise FFNNError(f"{kind}: expected {expected}; received {received}")
