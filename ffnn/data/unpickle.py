"""Reading pickles as data: of all that a pickle can ask for, only what CIFAR-10's files contain is admitted.

Even that is not run: NumPy's names stand for holders that keep what they are given, so nothing of the
interpreter or of NumPy is called with values from the file.
"""

import io
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffnn.data.dataset import DataError

LARGEST_MEMO = 1 << 20
"""Numbers under which a pickle may keep objects: an unpickler makes room for all up to the highest."""

# fmt: off
OPCODES = frozenset((
    "PROTO", "FRAME", "STOP", "MARK", "POP", "EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE", "DICT", "LIST", "TUPLE",
    "TUPLE1", "TUPLE2", "TUPLE3", "SETITEM", "SETITEMS", "APPEND", "APPENDS", "NONE", "NEWTRUE", "NEWFALSE", "INT",
    "BININT", "BININT1", "BININT2", "LONG1", "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES",
    "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "GET", "BINGET",
    "LONG_BINGET", "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD",
))
# fmt: on
"""What builds plain values and arrays; none of these makes an object of a class by itself."""


class _Holder:
    """What a pickled object is made of: how it was made, then its state."""

    def __init__(self, *made_of: Any) -> None:
        self.made_of = made_of
        self.state: Any = ()

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Array(_Holder):
    """Stands for numpy.ndarray and for the function that makes an empty one."""


class _Dtype(_Holder):
    """Stands for numpy.dtype."""


class _Encoded(_Holder):
    """Stands for bytes that Python 3 pickled as text for Python 2 to read."""


ADMITTED = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _Encoded,
}
"""The names that a file may contain, and what stands for each."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ADMITTED:
            raise pickle.UnpicklingError(f"the name {module}.{name}, which has no place there")
        return ADMITTED[module, name]


def unpickle(path: Path, largest: int) -> dict[bytes, Any]:
    """The mapping that a pickle of at most `largest` bytes holds, with keys as bytes; arrays in it are for `array_of`.

    DataError if the file is larger, damaged, asks for anything beyond plain values and arrays, or is no mapping.
    Nothing that it asks for is run.
    """
    try:
        size = path.stat().st_size
        if size > largest:
            raise _wrong(path, f"at most {largest:,} bytes", f"{size:,}")
        content = path.read_bytes()
    except OSError as problem:
        raise DataError(f"{path}: cannot be read: {problem.strerror}") from problem
    try:
        for opcode, argument, _ in pickletools.genops(content):
            if opcode.name not in OPCODES:
                raise pickle.UnpicklingError(f"the instruction {opcode.name}, which has no place there")
            if opcode.name.endswith("PUT") and not 0 <= int(argument or 0) < LARGEST_MEMO:
                raise pickle.UnpicklingError(f"an object numbered {argument}")
        found = _Unpickler(io.BytesIO(content), encoding="bytes").load()
    except Exception as problem:
        # A damaged pickle can end in nearly any exception, as the documentation of pickle says.
        raise _wrong(path, "a pickle of plain values and arrays", str(problem) or type(problem).__name__) from None
    if not isinstance(found, dict):
        raise _wrong(path, "a pickled mapping", type(found).__name__)
    return {_as_bytes(key): value for key, value in found.items()}


def array_of(path: Path, value: Any, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The uint8 array of `shape` that `value` of an unpickled mapping stands for; it shares the file's bytes."""
    state = value.state if isinstance(value, _Array) else ()
    if not isinstance(state, tuple) or len(state) != 5 or not isinstance(state[2], _Dtype):
        raise _wrong(path, "an array of images", type(value).__name__.strip("_").lower())
    _, sizes, dtype, by_columns, content = state
    kind = _as_bytes(dtype.made_of[0]) if dtype.made_of else b""
    content = _as_bytes(content)
    if kind not in (b"u1", b"|u1") or by_columns:
        raise _wrong(path, "images of type u1 by rows", f"{kind.decode('latin1')!r}{' by columns' * bool(by_columns)}")
    if sizes != shape:
        raise _wrong(path, f"images of shape {shape}", str(sizes))
    if not isinstance(content, bytes) or len(content) != int(np.prod(shape)):
        raise _wrong(path, f"{int(np.prod(shape))} bytes of images", str(len(content)))
    return np.frombuffer(content, np.uint8).reshape(shape)


def _as_bytes(value: Any) -> Any:
    """Text as bytes, whichever Python pickled it; anything else as it is."""
    if isinstance(value, _Encoded) and value.made_of:
        value = value.made_of[0]
    return value.encode("latin1", "replace") if isinstance(value, str) else value


def _wrong(path: Path, expected: str, found: str) -> DataError:
    return DataError(f"{path}: expected {expected}, found {' '.join(found.split())}; delete it to have it downloaded")
