"""Files that are never half-written: a reader finds the old one or the new one.

A run may be killed, or the disk be full, at any moment.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def replacing(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a file beside `path`; when the block ends well it is flushed to disk and takes the place of `path`.

    When the block fails, `path` stays as it was and nothing is left beside it.

    Parameters
    ----------
    path : Path
    mode : "w" or "wb", default "w"
        Text is UTF-8.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open(mode, encoding=None if "b" in mode else "utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
