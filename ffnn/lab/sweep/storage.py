"""Where a sweep is kept: a journal file, on a shared disk if several machines are to see it, or PostgreSQL.

Both come with a lock that serializes the one decision that must not be taken twice: who runs what next.
"""

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from ffnn.errors import FFNNError
from ffnn.lab.sweep.journal import open_journal
from ffnn.locks import HolderFile
from ffnn.terminal import say

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

POSTGRES = ("postgresql://", "postgres://", "postgresql+psycopg://")


@dataclass(frozen=True)
class Storage:
    """An Optuna storage and its lock.

    Attributes
    ----------
    optuna : BaseStorage
    address : str
        Path or URL, without a password.
    """

    optuna: "BaseStorage"
    address: str
    _lock: Any

    def locked(self) -> AbstractContextManager[None]:
        """Within it, no other process is in its own such block; what a dead one held is freed."""
        lock: AbstractContextManager[None] = self._lock()
        return lock


def open_storage(address: str | Path) -> Storage:
    """The storage at a path or a PostgreSQL URL; a new journal is made where there is none.

    Raises
    ------
    FFNNError
        If the address is neither, or cannot be reached.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    text = str(address)
    if text.startswith(POSTGRES):
        return _open_postgres(text)
    if "://" in text:
        raise FFNNError(
            f"--storage: expected the path of a journal file, or postgresql://USER@HOST/DATABASE; received {text!r}"
        )
    return _open_journal(Path(text))


def public_address(address: str | Path) -> str:
    """A storage's name that may be written down: a journal's whole path, or a URL without user and password.

    Examples
    --------
    >>> public_address("postgresql+psycopg://me:secret@db.local:5432/sweeps?password=secret&host=a")
    'postgresql://db.local/sweeps?host=a'
    """
    text = str(address)
    if not text.startswith(POSTGRES):
        return str(Path(text).resolve())
    parts = urlsplit(text)
    place = parts.netloc.rpartition("@")[2].removesuffix(":5432")
    # Sockets and ports may be given as options, and so may secrets.
    options = [(name, value) for name, value in parse_qsl(parts.query) if name in ("host", "port", "dbname")]
    return f"postgresql://{place}{parts.path}{'?' if options else ''}{urlencode(options, safe='/')}"


def _open_journal(path: Path) -> Storage:
    lock = HolderFile(path.with_name(f"{path.name}.claim.lock"), _say)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return Storage(open_journal(path, _say), str(path), lock.held)
    except OSError as problem:
        raise FFNNError(f"--storage: expected a file that can be written; {path}: {problem.strerror}") from None


def _say(line: str) -> None:
    say(line, err=True)


def _open_postgres(url: str) -> Storage:
    from optuna.storages import RDBStorage, get_storage

    address = "postgresql+psycopg://" + url.split("://", 1)[1]
    shown = public_address(url)
    try:
        import sqlalchemy

        engine = sqlalchemy.create_engine(address, pool_pre_ping=True)
        with _advisory_lock(engine):  # two processes that make Optuna's tables at once would trip over each other
            storage = RDBStorage(address, engine_kwargs={"pool_pre_ping": True})
    except ImportError:
        raise FFNNError("--storage: PostgreSQL needs its driver: pip install 'ffnn[postgres]'") from None
    except sqlalchemy.exc.SQLAlchemyError as problem:
        reason = str(getattr(problem, "orig", None) or problem).strip().splitlines()[0]
        raise FFNNError(f"--storage: {shown} cannot be used: {reason}") from None
    # The storage around it reads finished trials once.
    return Storage(get_storage(storage), shown, partial(_advisory_lock, engine))


@contextmanager
def _advisory_lock(engine: Any) -> Iterator[None]:
    """A lock that the server frees when its holder's connection ends, however it ends."""
    from sqlalchemy import text

    number = {"number": int.from_bytes(hashlib.sha256(b"ffnn sweep").digest()[:8], signed=True)}
    with engine.connect() as connection:
        connection.execute(text("select pg_advisory_lock(:number)"), number)
        try:
            yield
        finally:
            connection.execute(text("select pg_advisory_unlock(:number)"), number)
