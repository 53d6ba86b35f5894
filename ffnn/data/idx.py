"""Reading IDX files, the format of MNIST and its relatives, plain or gzipped.

Values go straight into the caller's array; a file that is not exactly as expected is refused with one line.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ffnn.data.dataset import DataError

GZIP_MAGIC = b"\x1f\x8b"
UNSIGNED_BYTE = 0x08

PIECE = 1 << 20
"""Bytes read at a time: GzipFile.readinto makes a copy of all that it is asked for."""


def find_idx(folder: Path, name: str) -> Path | None:
    """The IDX file `name` in `folder`: plain if it is there (nothing to unpack), else with .gz, else None."""
    plain = folder / name
    return next((path for path in (plain, plain.with_name(f"{name}.gz")) if path.is_file()), None)


def count_idx(path: Path, shape: tuple[int, ...], at_most: int) -> int:
    """How many items of `shape` an IDX file says it holds; `read_idx` finds out whether that is so.

    DataError if the header is damaged, the items have another shape, or there are none or more than `at_most`.
    """
    with _reading(path) as stream:
        count, *item = _read_header(path, stream, 1 + len(shape))
    if tuple(item) != shape or not 0 < count <= at_most:
        raise _wrong(path, f"1 to {_times((at_most, *shape))}", _times((count, *item)))
    return count


def read_idx(path: Path, out: NDArray[np.uint8]) -> None:
    """Fill `out` with the unsigned bytes of an IDX file; nothing beyond what `out` holds is ever unpacked.

    A file may be plain or gzipped: its first bytes decide, as browsers unpack .gz files and keep their name. The shape
    of `out`, C-contiguous, is what it has to hold, for example (60000, 28, 28). DataError for another type of values,
    another shape, more or fewer values, a damaged gzip stream or an unreadable file; `out` then holds nothing of use.
    """
    with _reading(path) as stream:
        dimensions = _read_header(path, stream, out.ndim)
        if dimensions != out.shape:
            raise _wrong(path, _times(out.shape), _times(dimensions))
        missing = out.nbytes - _fill(stream, out.data.cast("B"))
        # Reading on at the end also makes gzip compare its checksum.
        surplus = len(stream.read(io.DEFAULT_BUFFER_SIZE))
    if missing:
        raise _wrong(path, f"{out.nbytes} bytes of values", f"only {out.nbytes - missing}")
    if surplus:
        raise _wrong(path, f"{out.nbytes} bytes of values", "more")


@contextmanager
def _reading(path: Path) -> Iterator[io.BufferedIOBase]:
    """The unpacked bytes of a file; what goes wrong while they are read is told in one line."""
    try:
        with path.open("rb") as raw:
            zipped = raw.peek(len(GZIP_MAGIC)).startswith(GZIP_MAGIC)
            yield gzip.GzipFile(fileobj=raw) if zipped else raw
    except EOFError:
        raise _wrong(path, "a whole file", "a gzip stream that breaks off") from None
    except (gzip.BadGzipFile, zlib.error) as problem:
        raise _wrong(path, "sound gzip data", f"damage ({problem})") from None
    except OSError as problem:
        raise DataError(f"{path}: cannot be read: {problem.strerror}") from problem


def _read_header(path: Path, stream: io.BufferedIOBase, dimensions: int) -> tuple[int, ...]:
    """A header is 0, 0, the type of values, the number of dimensions, then each dimension as big-endian int32."""
    magic = bytes((0, 0, UNSIGNED_BYTE, dimensions))
    beginning = stream.read(len(magic))
    if beginning != magic:
        raise _wrong(path, f"an IDX file that begins with {magic.hex(' ')}", beginning.hex(" ") or "an empty file")
    sizes = stream.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise _wrong(path, "a whole IDX header", f"{len(magic) + len(sizes)} bytes")
    return tuple(int(size) for size in np.frombuffer(sizes, ">i4"))


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _fill(stream: io.BufferedIOBase, target: memoryview) -> int:
    """Read into `target` until it is full or the stream ends; the number of bytes read."""
    filled = 0
    while filled < len(target):
        count = stream.readinto(target[filled : filled + PIECE])
        if not count:
            break
        filled += count
    return filled


def _wrong(path: Path, expected: str, found: str) -> DataError:
    return DataError(f"{path}: expected {expected}, found {found}; delete the file to have it downloaded again")
