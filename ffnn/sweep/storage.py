"""Where a sweep is kept: a journal file, on a shared disk if several machines are to see it, or PostgreSQL.

Both come with a lock that serializes the one decision that must not be taken twice: who runs what next.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ffnn.errors import FFNNError
from ffnn.locks import HolderFile
from ffnn.sweep.journal import open_journal
from ffnn.sweep.postgres import SCHEMES, Answer, Patience, advisory_lock, away, open_database, public_url
from ffnn.terminal import to_stderr

if TYPE_CHECKING:
    from optuna.storages import BaseStorage


@dataclass(frozen=True)
class Storage:
    """An Optuna storage and its lock; `address` is a path or URL without a password, `close` lets go of connections."""

    optuna: "BaseStorage"
    address: str
    _lock: Any
    _patience: Patience | None = None
    close: Callable[[], object] = bool

    def patiently(self, action: Callable[[], Answer]) -> Answer:
        """Do something with it, and do the whole of it again while it is away; StorageAwayError if it stays away."""
        return self._patience(action) if self._patience else action()

    def locked(self) -> AbstractContextManager[None]:
        """Within it, no other process is in its own such block; what a dead one held is freed."""
        lock: AbstractContextManager[None] = self._lock()
        return lock


def open_storage(address: str | Path) -> Storage:
    """The storage at a path, where a new journal may be made, or a PostgreSQL URL; FFNNError if it is not to be had."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    text = str(address)
    if text.startswith(SCHEMES):
        return _open_postgres(text)
    if "://" in text:
        raise FFNNError(
            f"--storage: expected the path of a journal file, or postgresql://USER@HOST/DATABASE; received {text!r}"
        )
    return _open_journal(Path(text))


def public_address(address: str | Path) -> str:
    """A storage's name that may be written down: a journal's whole path, or a URL without user and password."""
    text = str(address)
    return public_url(text) if text.startswith(SCHEMES) else str(Path(text).resolve())


def _open_journal(path: Path) -> Storage:
    lock = HolderFile(path.with_name(f"{path.name}.claim.lock"), to_stderr)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return Storage(open_journal(path, to_stderr), str(path), lock.held)
    except OSError as problem:
        reason = problem if isinstance(problem, FFNNError) else f"{path}: {problem.strerror or problem}"
        raise FFNNError(f"--storage: expected a file that can be read and written; {reason}") from None


def _open_postgres(url: str) -> Storage:
    storage, engine, close = open_database(url)
    shown = public_url(url)
    return Storage(storage, shown, partial(advisory_lock, engine), Patience(shown, away, to_stderr), close)
