"""The door to the terminal: every line for a person leaves here or through `ffnn.console`.

A name from a file that somebody else wrote cannot move the cursor, recolour, or forge a line of ffnn's. A terminal that
knows few signs, and a reader that has seen enough, end no work.
"""

import errno
import io
import os
import sys
from typing import Any

from ffnn.files import StorageError
from ffnn.words import visible


def say(text: object = "", err: bool = False, nl: bool = True) -> None:
    """Print lines of text at once, to stderr with `err`, with what no one sees made visible; `nl` ends the line."""
    print(visible(text, keep="\n\t"), file=sys.stderr if err else sys.stdout, end="\n" if nl else "", flush=True)


def to_stderr(line: str) -> None:
    """Say a line on standard error: where lines for the user go unless somebody else takes them."""
    say(line, err=True)


NOBODY_READS = (errno.EPIPE, errno.EIO)
"""What the system says of a pipe or a terminal that nobody reads any more."""


class Outlet(io.FileIO):
    """A descriptor on which no work depends: once nobody reads it (`| head`, a lost terminal), it leads nowhere."""

    def write(self, data: Any) -> int:
        """Write what the system takes; all of it where nobody reads any more."""
        try:
            return super().write(data)
        except OSError as problem:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            windows_pipe = os.name == "nt" and problem.errno == errno.EINVAL  # what Windows says of a closed one
            if problem.errno not in NOBODY_READS and not windows_pipe:
                raise StorageError(f"what is printed cannot be written: {problem.strerror}") from problem
            return memoryview(data).nbytes


def open_outlets() -> None:
    """Let standard output and error take every sign, with "?" for what their encoding lacks, and outlive their reader.

    Streams that somebody has put in their place stay, and so do those of a console on Windows: they take every sign
    already, by a way that a descriptor does not have.
    """
    for name, errors in (("stdout", "replace"), ("stderr", "backslashreplace")):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started the process; the next file would get its number
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115  for the whole process
        elif os.name == "nt" and stream.isatty():
            continue
        elif stream is getattr(sys, f"__{name}__") and isinstance(stream, io.TextIOWrapper):
            outlet = io.BufferedWriter(Outlet(stream.fileno(), "w", closefd=False))
            wrapper = io.TextIOWrapper(outlet, stream.encoding, errors, line_buffering=stream.line_buffering)
            setattr(sys, name, wrapper)
