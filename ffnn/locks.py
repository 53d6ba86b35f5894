"""Locks that end with their holder: a process that was killed keeps nobody waiting.

The kernel's own where the file system has one, as many network disks do, for it frees what the dead held; elsewhere,
and for the storage of a sweep, a file that names its holder.
"""

import errno
import hashlib
import math
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ffnn.files import storing
from ffnn.processes import here, lives, started
from ffnn.terminal import say

SILENT_SECONDS = 30.0
"""A holder on another machine is dead when a lock that is held for moments has not changed hands for so long."""
PAUSE_SECONDS = 0.25
"""At most, between two looks at a lock that is taken."""
TELL_SECONDS = 10.0
"""After which who waits says so."""
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)
"""What a file system answers that has no locks, or whose lock server is away."""


@contextmanager
def exclusive(path: Path, taken: Callable[[str], None], after: float = 0.0) -> Iterator[None]:
    """Hold a lock that ends with its process, however that ends.

    `path` is that of a file that is there while the lock is held. Where another process has it, `taken` is called once,
    after some seconds (`after`), with who that is, as far as that is known; afterwards it is waited for, unless this
    raises. StorageError if the file cannot be made.
    """
    lock: _Native | HolderFile = _Native(path)

    def attempt() -> bool:
        with storing(path):
            return lock.try_acquire()

    with storing(path):
        before = path.exists()
        try:
            free = lock.try_acquire()
        except OSError as problem:
            if problem.errno not in NO_LOCKS:
                raise
            if not before:  # else it may be held, by a process whose attempt was answered
                path.unlink(missing_ok=True)
            lock = HolderFile(path.with_name(f"{path.name}.holder"), silent=math.inf)  # held for as long as a run takes
            free = lock.try_acquire()
    try:
        if not free:
            _wait(attempt, lambda: taken(lock.holder()), after)
        yield
    finally:
        lock.release()


@contextmanager
def one_writer(folder: Path) -> Iterator[None]:
    """Within it no other process writes the files of this folder, which is made; others wait, and say so.

    StorageError if the folder takes no file.
    """
    with storing(folder):
        folder.mkdir(parents=True, exist_ok=True)

    def taken(who: str) -> None:
        say(f"waiting for {who}, which writes {folder}", err=True)

    with exclusive(folder / ".writing.lock", taken, TELL_SECONDS):
        yield


def _wait(
    attempt: Callable[[], bool], tell: Callable[[], None], after: float, clock: Callable[[], float] = time.monotonic
) -> None:
    """Try until it comes off; tell once, when it has not for so many seconds."""
    pause, began, silent = 0.001, clock(), True
    while not attempt():
        if silent and clock() - began >= after:
            tell()
            silent = False
        time.sleep(pause)
        pause = min(2 * pause, PAUSE_SECONDS)


class _Native:
    """The kernel's lock of a file."""

    def __init__(self, path: Path) -> None:
        import filelock

        self._lock = filelock.FileLock(path, fallback_to_soft=False)
        self._path, self._timeout = path, filelock.Timeout

    def try_acquire(self) -> bool:
        try:
            self._lock.acquire(timeout=0)
        except self._timeout:
            return False
        return True

    def holder(self) -> str:
        return "another process"

    def release(self) -> None:
        if self._lock.is_locked:
            # Those who wait notice that the file they opened is gone, and lock a new one. Windows refuses; filelock
            # removes the file there itself.
            with suppress(OSError):
                self._path.unlink()
            self._lock.release()


@dataclass(frozen=True)
class _Sight:
    """A lock as it was seen: the name of its holder, and which file it was."""

    name: str
    file: tuple[int, int]

    @property
    def process(self) -> tuple[str, str, int, str] | None:
        """Its machine, host, number and start; None where an older version, or nobody yet, wrote the name."""
        fields = self.name.split()
        if len(fields) != 5 or not fields[2].isdecimal():
            return None
        return fields[0], fields[1], int(fields[2]), fields[3]


class HolderFile:
    """A lock between processes and machines: a file that is there while it is held, and names its holder.

    Nothing frees it when the holder dies, so those who wait do: at once if it ran on this machine and may be seen
    there, after `silent` seconds by their own clock if not. The living whom one sees are never robbed; another one that
    slept for so long is. `silent` is infinite for a lock that is held for long; `tell` takes a line when somebody has
    waited for long; `clock` only rises, in seconds.

    It is a symbolic link to its holder's name, where nothing is: such a link is made in one step with what it says, on
    NFS too. Where there are no links it is a file with that name in it.
    """

    def __init__(
        self,
        path: Path,
        tell: Callable[[str], None] | None = None,
        silent: float = SILENT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self._tell, self._silent, self._clock = tell, silent, clock
        self._name = ""
        self._seen: _Sight | None = None
        self._since = 0.0
        self._guard: HolderFile | None = None

    def acquire(self) -> bool:
        """Wait for it, and hold it; True, as Optuna wants it."""

        def tell() -> None:
            if self._tell:
                self._tell(f"waiting for {self.holder()}, which holds {self.path}")

        _wait(self.try_acquire, tell, TELL_SECONDS, self._clock)
        return True

    @contextmanager
    def held(self) -> Iterator[None]:
        """Within it, nobody else holds it."""
        self.acquire()
        try:
            yield
        finally:
            self.release()

    def try_acquire(self) -> bool:
        """Hold it if it is free, or if its holder is dead; whether that came off."""
        sight = self._look()
        if sight and self._name and sight.name == self._name:
            return True  # left by an interrupt between taking it and what it was taken for
        if sight and self._dead(sight):
            self._free(sight)
        elif sight:
            return False
        self._name = _name()
        try:
            return self._make(self._name)
        except BaseException:
            self.release()
            raise

    def holder(self) -> str:
        """Who has it, in words, with what to do if nobody can know whether it lives."""
        sight = self._look()
        process = sight.process if sight else None
        who = f"process {process[2]} on {process[1]}" if process else "another process"
        return f"{who} (if it has ended, remove {self.path})" if math.isinf(self._silent) else who

    def release(self) -> None:
        """Let it go, unless somebody has taken it away."""
        sight = self._look() if self._name else None  # another's file has no name until it is written
        if sight and sight.name == self._name:
            with storing(self.path):
                self.path.unlink(missing_ok=True)
        self._name = ""

    def _make(self, name: str) -> bool:
        with storing(self.path):
            try:
                self.path.symlink_to(name)
            except FileExistsError:
                return False
            except OSError:  # no links here, or no folder: which of them, the file will tell
                return self._write(name)
        return True

    def _write(self, name: str) -> bool:
        try:
            file = self.path.open("x", encoding="utf-8")
        except FileExistsError:
            return False
        try:
            with file:
                file.write(name)
        except BaseException:  # a full disk, Ctrl-C: without a name nobody would know it for this process's
            self.path.unlink(missing_ok=True)
            raise
        return True

    def _look(self) -> _Sight | None:
        try:
            status = self.path.lstat()
            try:
                name = str(self.path.readlink())
            except OSError:  # a file
                name = self.path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        return _Sight(name, (status.st_ino, status.st_mtime_ns))

    def _dead(self, sight: _Sight) -> bool:
        process = sight.process
        alive = lives(process[2], process[3]) if process and process[0] == here() else None
        if alive is not None:
            return not alive
        now = self._clock()
        if sight != self._seen:
            self._seen, self._since = sight, now
        return now - self._since > self._silent

    def _free(self, sight: _Sight) -> None:
        """Remove a dead holder's lock, and no other one: of all who saw it, one at a time may, and looks again."""
        guard = self.path.with_name(f"{self.path.name}.{hashlib.sha256(repr(sight).encode()).hexdigest()[:12]}")
        if self._guard is None or self._guard.path != guard:
            self._guard = HolderFile(guard, clock=self._clock)
        if self._guard.try_acquire():
            try:
                if self._look() == sight:
                    self.path.unlink(missing_ok=True)
            finally:
                self._guard.release()


def _name() -> str:
    """This process, and a mark of this one time that it holds a lock."""
    pid = os.getpid()
    return f"{here() or '-'} {socket.gethostname()} {pid} {started(pid) or '-'} {secrets.token_hex(8)}"
