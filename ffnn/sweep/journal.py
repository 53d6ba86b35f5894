"""A sweep's journal: Optuna's, made to survive writers that are killed in the midst of a line or with its lock.

What a killed writer left of its last line is cut off; every other damage is told with file and line, for a record in
the middle cannot be left out without renumbering the trials after it.
"""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ffnn.errors import FFNNError
from ffnn.files import cut_unfinished_line, storing
from ffnn.locks import HolderFile

if TYPE_CHECKING:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import BaseJournalBackend


def open_journal(path: Path, tell: Callable[[str], None]) -> "JournalStorage":
    """The journal at a path, read to its end; a new one is made where there is none.

    FFNNError if a line of it is damaged; OSError if it cannot be read or made.
    """
    from optuna.storages import JournalStorage

    journal = Journal(path, tell)
    try:
        return JournalStorage(cast("BaseJournalBackend", journal))
    except (FFNNError, OSError):
        raise
    except Exception as problem:  # Optuna replays whatever the lines say, and has no name for what does not fit
        raise _damaged(path, journal.line, problem) from None


class Journal:
    """The file, as Optuna's storage wants it; `line` is where its reader is.

    `tell` takes a line when somebody has waited for long for the lock.
    """

    def __init__(self, path: Path, tell: Callable[[str], None]) -> None:
        from optuna.storages.journal import JournalFileBackend

        self.path, self.line = path, 0
        self._lock = HolderFile(path.with_name(f"{path.name}.lock"), tell)
        with self._lock.held(), path.open("ab+") as file:
            cut_unfinished_line(file)
            _cut_blank_line(file)
            _check_last_line(path, file)
        self._reader = JournalFileBackend(str(path))

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """The records from one on, without a last line that is being written; FFNNError at one that cannot be read."""
        self.line = log_number_from
        try:
            for log in self._reader.read_logs(log_number_from):
                self.line += 1
                yield log
        except (ValueError, RecursionError) as problem:
            raise _damaged(self.path, self.line + 1, problem) from None
        except OSError as problem:
            raise FFNNError(f"{self.path}: cannot be read: {problem.strerror or problem}") from None

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Have records on the disk before this returns."""
        with self._lock.held(), storing(self.path), self.path.open("ab+") as file:
            cut_unfinished_line(file)
            file.write("".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs).encode())
            file.flush()
            os.fsync(file.fileno())


def _cut_blank_line(file: Any) -> None:
    """Take away an empty last line: no record is lost with it, and no trial renumbered."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 2))
    if file.read() == b"\n\n":
        file.truncate(size - 1)


def _check_last_line(path: Path, file: Any) -> None:
    """FFNNError if the last line is damaged: Optuna would take it for one that is being written."""
    file.seek(0)
    number, last = 0, b"{}"
    for number, last in enumerate(file, start=1):  # noqa: B007 - the last ones are wanted
        pass
    try:
        json.loads(last)
    except (ValueError, RecursionError) as problem:
        raise _damaged(path, number, problem) from None


def _damaged(path: Path, line: int, problem: Exception) -> FFNNError:
    reason = str(problem).partition("\n")[0][:80] or type(problem).__name__
    return FFNNError(
        f"{path}:{line}: expected a record of a sweep's journal; it is damaged ({reason}): bring the file back from a "
        "copy, remove the line if it is blank, or begin another sweep with --group=NAME; finished runs stay"
    )
