"""The heading of a .npy file, read before its values: what it says may be damaged, or made to fill the memory.

NumPy itself makes an array of the shape that is written there, and sees only then that the values are missing.
"""

import math
import re
import tokenize
import zipfile
import zlib
from typing import IO, Any, NamedTuple

import numpy as np

# RuntimeError: encrypted, or packed in a way that this Python cannot unpack. TypeError and TokenError: a heading that
# is no Python dictionary of the usual names.
UNSOUND = (
    LookupError, ValueError, TypeError, ArithmeticError, EOFError, RuntimeError, MemoryError, zipfile.BadZipFile,
    zlib.error, tokenize.TokenError,
)  # fmt: skip
"""What reading an .npz file may end in that is damaged, or was made to do harm."""

_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class Heading(NamedTuple):
    """What a .npy file says it holds: the type, without objects, which are pickled; `bytes` of heading and values."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    bytes: int


def read_heading(file: IO[bytes]) -> Heading:
    """Read the heading at the beginning of a file, whose values come next.

    ValueError if it is damaged, or says that there are objects or impossible sizes. Others of `UNSOUND` may come, too.
    """
    version = np.lib.format.read_magic(file)
    if version not in _READERS:
        raise ValueError(f"version {version[0]}.{version[1]} of .npy instead of 1.0 or 2.0")
    try:
        shape, _, dtype = _READERS[version](file)
    except ValueError as problem:
        # Python tells where in its memory the part lies that it does not take.
        raise ValueError(re.sub(r":? <ast\.\w+ object at 0x\w+>", "", str(problem))) from None
    if dtype.hasobject:
        raise ValueError("pickled objects instead of numbers or text")
    if any(type(side) is not int or side < 0 for side in shape):
        raise ValueError(f"the shape {str(shape)[:60]}, which is not of whole numbers")
    return Heading(shape, dtype, file.tell() + math.prod(shape) * dtype.itemsize)


def read_headings(file: zipfile.ZipFile) -> dict[str, Heading]:
    """The headings of all arrays in an .npz file, by name; what is no array is passed over.

    ValueError if a member is not exactly as long as its heading says. Others of `UNSOUND` may come, too.
    """
    headings = {}
    for member in file.infolist():
        with file.open(member) as stream:
            if stream.read(len(np.lib.format.MAGIC_PREFIX)) != np.lib.format.MAGIC_PREFIX:
                continue
        with file.open(member) as stream:
            heading = read_heading(stream)
        name = member.filename.removesuffix(".npy")
        if heading.bytes != member.file_size:
            raise ValueError(f"{name} of {member.file_size} bytes, whose heading says {heading.bytes}")
        headings[name] = heading
    return headings
