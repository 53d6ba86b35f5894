"""PostgreSQL as a sweep's storage: its address without secrets, its lock, and the wait for it while it is away.

Passwords stay where libpq looks for them; an address with one would be read by everybody who lists processes. A
database that restarts must not end the sweeps on it: what is asked of it is asked again until too much time has passed.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode

from ffnn.errors import FFNNError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from sqlalchemy.engine import URL

Answer = TypeVar("Answer")
SCHEMES = ("postgresql://", "postgres://", "postgresql+psycopg://")
CONNECTION = {"connect_timeout": 10, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
"""So that a server whose machine is gone is missed within half a minute; the server is asked for the same."""
KEEPALIVES = """select set_config('tcp_keepalives_idle', '10', false),
    set_config('tcp_keepalives_interval', '5', false), set_config('tcp_keepalives_count', '3', false)"""

LIMIT_SECONDS = 300.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0
"""Seconds; each pause is twice as long as the one before."""


def public_url(url: str) -> str:
    """A URL without user and password, with the place that libpq's variables add where it names none.

    Examples
    --------
    >>> public_url("postgresql+psycopg://me:secret@db.local:5432/sweeps?password=secret&host=a")
    'postgresql://db.local/sweeps?host=a'
    >>> public_url("postgresql:///?service=sweeps")
    'postgresql:///?service=sweeps'
    """
    parts = _parsed(url)
    host = f"[{parts.host}]" if parts.host and ":" in parts.host else parts.host or ""
    place = f"{host}:{parts.port or ''}".removesuffix(":").removesuffix(":5432")
    # Sockets and ports may be given as options, and so may secrets.
    public = ("host", "port", "dbname", "service")
    options = {name: values for name, values in parts.normalized_query.items() if name in public}
    if not place and not options.keys() & {"host", "service"}:
        if service := os.environ.get("PGSERVICE"):
            options["service"] = [service]
        elif host := os.environ.get("PGHOST", ""):
            place = f"{host}:{os.environ.get('PGPORT', '')}".removesuffix(":").removesuffix(":5432")
    database = parts.database or ""
    if not database and not options.keys() & {"dbname", "service"}:
        database = os.environ.get("PGDATABASE", "")
    return f"postgresql://{place}/{quote(database)}{'?' if options else ''}{urlencode(options, True, safe='/')}"


def _parsed(url: str) -> "URL":
    """The parts of a URL as the driver will read them, so that what is checked and shown is what is used.

    FFNNError also if an "@" is left in what would be shown: a piece of a password may stand before it.
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parts = make_url(url)
    except (ValueError, ArgumentError):
        parts = None
    if parts is None or "@" in f"{parts.host}{parts.database}":
        raise FFNNError(
            "--storage: expected postgresql://USER@HOST:PORT/DATABASE, with a number for PORT, IPv6 in [brackets] and "
            "without a password; received a URL that does not fit (not shown here: a password may be in it)"
        )
    return parts


def open_database(url: str) -> tuple["BaseStorage", Any, Callable[[], None]]:
    """Optuna's storage in a database, SQLAlchemy's engine for locks, and what closes both.

    FFNNError if the URL cannot be read or has a password, or the database cannot be reached.
    """
    from optuna.storages import RDBStorage, get_storage

    parts = _parsed(url)
    if parts.password or {"password", "sslpassword"} & parts.query.keys():
        raise FFNNError(
            f"--storage: expected {public_url(url)} without a password, which everybody could read in the list of "
            "processes; set PGPASSWORD, or write it into ~/.pgpass or a service file (PGSERVICE), and leave it out"
        )
    address = "postgresql+psycopg://" + url.split("://", 1)[1]
    try:
        import sqlalchemy

        engine = sqlalchemy.create_engine(address, pool_pre_ping=True, connect_args=CONNECTION)
        with advisory_lock(engine):  # two processes that make Optuna's tables at once would trip over each other
            storage = RDBStorage(address, engine_kwargs={"pool_pre_ping": True, "connect_args": CONNECTION})
    except ImportError:
        raise FFNNError("--storage: PostgreSQL needs its driver: pip install 'ffnn[postgres]'") from None
    except sqlalchemy.exc.SQLAlchemyError as problem:
        raise FFNNError(f"--storage: {public_url(url)} cannot be used: {_reason(problem)}") from None

    def close() -> None:
        storage.remove_session()
        for pool in (engine, storage.engine):
            pool.dispose()

    # The storage around it reads finished trials once.
    return get_storage(storage), engine, close


@contextmanager
def advisory_lock(engine: Any) -> Iterator[None]:
    """A lock that the server frees when its holder's connection ends, however it ends."""
    from sqlalchemy import text

    number = {"number": int.from_bytes(hashlib.sha256(b"ffnn sweep").digest()[:8], signed=True)}
    with engine.connect() as connection:
        connection.execute(text(KEEPALIVES))
        connection.execute(text("select pg_advisory_lock(:number)"), number)
        try:
            yield
        finally:
            connection.execute(text("select pg_advisory_unlock(:number)"), number)


def away(problem: Exception) -> str:
    """Why the server could not be reached, if that is what an exception says; else ""."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

    cause = problem.__cause__ if isinstance(problem, StorageInternalError) else problem
    lost = isinstance(cause, OperationalError | InterfaceError) or getattr(cause, "connection_invalidated", False)
    return _reason(cause) if lost and isinstance(cause, DBAPIError) else ""


def _reason(problem: Exception) -> str:
    return str(getattr(problem, "orig", None) or problem).strip().splitlines()[0]


class StorageAwayError(FFNNError):
    """The storage did not come back in time; what is under way can be gone on with when it has."""


class Patience:
    """Asks again while the storage, whose name in messages is `shown`, is away.

    `away` says why an exception means that the storage could not be reached, "" for any other kind; `tell` takes lines
    for the user. `limit` seconds are waited in a row; none any more after it was exceeded once, or after Ctrl-C.
    """

    def __init__(
        self, shown: str, away: Callable[[Exception], str], tell: Callable[[str], None], limit: float = LIMIT_SECONDS
    ) -> None:
        self._shown, self._away, self._tell, self._limit = shown, away, tell, limit
        self._asking = False

    def __call__(self, action: Callable[[], Answer]) -> Answer:
        """Do something with the storage, and all of it again while that is away; StorageAwayError if it stays away."""
        if self._asking:  # part of an action that is repeated as a whole
            return action()
        began, pause = 0.0, FIRST_PAUSE
        while True:
            self._asking = True
            try:
                answer = action()
            except Exception as problem:
                reason = self._away(problem)
                if not reason:
                    raise
            else:
                if began:
                    self._tell(f"{self._shown} answers again, after {time.monotonic() - began:.0f} s")
                return answer
            finally:
                self._asking = False
            if not began:
                began = time.monotonic()
                self._tell(f"{self._shown} is away ({reason}); asking again for {self._limit / 60:.3g} min")
            remaining = began + self._limit - time.monotonic()
            if remaining <= 0:
                self._limit = 0.0
                raise StorageAwayError(f"{self._shown} has been away for {time.monotonic() - began:.0f} s: {reason}")
            self._wait(min(pause, remaining))
            pause = min(2 * pause, LONGEST_PAUSE)

    def _wait(self, seconds: float) -> None:
        try:
            time.sleep(seconds)
        except KeyboardInterrupt:
            self._limit = 0.0  # who wants to leave is not kept
            raise
