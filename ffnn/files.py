"""Files that are never half-written: a reader finds the old one or the new one.

A run may be killed, or the disk be full, at any moment.
"""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from ffnn.errors import FFNNError


class StorageError(FFNNError, OSError):
    """The disk does not take what is to be written; the message names the file and the reason."""


@contextmanager
def replacing(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a file beside `path`; when the block ends well it is flushed to disk and takes the place of `path`.

    When the block fails, `path` stays as it was and nothing is left beside it. Afterwards the folder is flushed, too:
    what was written later is not on the disk without it. The mode is "w", for text in UTF-8, or "wb". StorageError if
    the disk does not take it.
    """
    temporary = _beside(path)
    try:
        with storing(path):
            with temporary.open(mode, encoding=None if "b" in mode else "utf-8") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            flush_folder(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn the system's refusal to write `path` into a StorageError."""
    try:
        yield
    except StorageError:
        raise
    except OSError as problem:
        raise StorageError(f"{path}: cannot be written: {problem.strerror or problem}") from problem


def same_file(source: Path, target: Path) -> None:
    """Make `target` another name of the file `source`, in the place of what it was; no byte is written.

    Neither may be changed in place afterwards, only replaced. Where the file system has no second names,
    `target` becomes a copy.
    """
    temporary = _beside(target)
    with storing(target):
        temporary.unlink(missing_ok=True)
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)
        temporary.replace(target)
        temporary.unlink(missing_ok=True)  # still there if both were names of one file: then POSIX renames nothing


def is_file(path: Path) -> bool:
    """Whether there is such a file; a path that no file can have, as one that is too long, is none's."""
    try:
        return path.is_file()
    except OSError:
        return False


def flush_folder(folder: Path) -> None:
    """Have the names in a folder on the disk before this returns, where the system knows such a thing."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def flush_file(path: Path) -> None:
    """Have what was appended to a file on the disk before this returns."""
    with storing(path), path.open("rb+") as file:  # Windows flushes only what may be written
        os.fsync(file.fileno())


def cut_unfinished_line(file: IO[bytes]) -> None:
    """Take away what a writer that was killed left of a last line; the file is open for reading and appending."""
    size = file.seek(0, os.SEEK_END)
    if not size:
        return
    file.seek(size - 1)
    if file.read(1) != b"\n":
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)


def _beside(path: Path) -> Path:
    # Containers that share a folder may give their processes the same number.
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
