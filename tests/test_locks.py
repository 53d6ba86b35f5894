"""Locks end with their holder: real processes are killed while they hold one, and nobody waits for them."""

import errno
import io
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import pytest

from ffnn import processes
from ffnn.errors import FFNNError
from ffnn.locks import SILENT_SECONDS, HolderFile, exclusive
from ffnn.processes import lives, started
from ffnn.tracking import RunDirectory

fcntl = pytest.importorskip("fcntl", reason="needs a POSIX system")

HOLD = """
import os, sys, time
from pathlib import Path
import ffnn.locks as locks
{before}
with {lock}:
    print("held", flush=True)
    time.sleep(600)
"""
WITHOUT_FLOCK = """
import fcntl
def refuse(*_):
    raise OSError({number}, "no locks")
fcntl.flock = refuse
"""
ELSEWHERE = 'locks.here = lambda: "another-machine"'


def holding(lock: str, folder: Path, before: str = "") -> "subprocess.Popen[str]":
    """A process in a folder that holds a lock."""
    code = HOLD.format(lock=lock, before=before)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=folder)
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def kill(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


def hide(pid: int, patch: pytest.MonkeyPatch) -> None:
    """Have a process be another user's, of whom /proc shows nothing."""

    def refuse(number: int, _: int) -> None:
        raise PermissionError(number)

    patch.setattr(processes, "Path", lambda place: Path(place.replace(f"/proc/{pid}/", "/proc/hidden/")))
    patch.setattr(os, "kill", refuse)


class Clock:
    """Seconds that a test moves on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.posix
@pytest.mark.parametrize("links", [True, False], ids=["link", "file"])
@pytest.mark.parametrize("relative", [True, False], ids=["relative", "absolute"])
def test_a_killed_holder_on_this_machine_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, relative: bool, links: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("x.lock") if relative else tmp_path / "x.lock"
    without = 'import os\nlocks.Path.symlink_to = lambda *_: (_ for _ in ()).throw(OSError(1, "no links"))'
    holder = holding(f"locks.HolderFile(Path({str(path)!r})).held()", tmp_path, "" if links else without)
    lock = HolderFile(path)
    assert not lock.try_acquire()
    assert lock.holder() == f"process {holder.pid} on {os.uname().nodename}"
    kill(holder)
    assert lock.try_acquire()
    lock.release()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.posix
def test_a_holder_on_another_machine_is_given_its_time_and_no_more(tmp_path: Path) -> None:
    holder = holding(f"locks.HolderFile(Path({str(tmp_path / 'x.lock')!r})).held()", tmp_path, ELSEWHERE)
    kill(holder)
    clock = Clock()
    lock = HolderFile(tmp_path / "x.lock", clock=clock)
    assert not lock.try_acquire()
    clock.now = SILENT_SECONDS - 1
    assert not lock.try_acquire()
    clock.now = 45
    assert lock.try_acquire()


@pytest.mark.posix
def test_a_holder_whom_the_system_hides_is_given_its_time_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/proc mounted with hidepid shows nobody another user's processes."""
    holder = holding(f"locks.HolderFile(Path({str(tmp_path / 'x.lock')!r})).held()", tmp_path)
    clock = Clock()
    lock = HolderFile(tmp_path / "x.lock", clock=clock)
    with monkeypatch.context() as hiding:
        hide(holder.pid, hiding)
        assert not lock.try_acquire()
        clock.now = SILENT_SECONDS - 1
        assert not lock.try_acquire()
        clock.now = 45
        assert lock.try_acquire()
    kill(holder)


@pytest.mark.posix
def test_a_process_may_have_any_bytes_for_a_name() -> None:
    naming = "import sys; open('/proc/self/comm', 'wb').write(b'\\xff) R 1'); print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", naming], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        assert lives(process.pid, started(process.pid))
        process.kill()
    assert lives(process.pid, "1") is False


@pytest.mark.posix
def test_a_lock_that_changes_hands_is_not_silent(tmp_path: Path) -> None:
    clock = Clock()
    lock = HolderFile(tmp_path / "x.lock", clock=clock)
    for number in range(5):
        lock.path.unlink(missing_ok=True)
        lock.path.symlink_to(f"another-machine host 1 2 {number}")
        assert not lock.try_acquire()
        clock.now += SILENT_SECONDS - 1


@pytest.mark.posix
def test_what_optunas_own_lock_left_behind_is_freed(tmp_path: Path) -> None:
    """Its link leads nowhere, so that it could not be told from one that is being taken: waited for for ever."""
    (tmp_path / "x.lock").symlink_to("runs/journal.log.claim")
    clock = Clock()
    lock = HolderFile(tmp_path / "x.lock", clock=clock)
    assert not lock.try_acquire()
    clock.now = 45
    assert lock.try_acquire()


@pytest.mark.posix
def test_who_was_robbed_does_not_let_go_anothers_lock(tmp_path: Path) -> None:
    one = HolderFile(tmp_path / "x.lock")
    assert one.acquire()
    one.path.unlink()
    other = HolderFile(tmp_path / "x.lock")
    assert other.acquire()
    one.release()
    assert not HolderFile(tmp_path / "x.lock").try_acquire()


@pytest.mark.posix
def test_a_lock_left_by_an_interrupt_is_its_owners_still(tmp_path: Path) -> None:
    lock = HolderFile(tmp_path / "x.lock")
    lock.acquire()  # and Ctrl-C before the block began
    with lock.held():
        pass
    assert list(tmp_path.iterdir()) == []


COUNT = """
import os, random, sys
from pathlib import Path
from ffnn.locks import HolderFile
lock, number, rng = HolderFile(Path("x.lock")), Path("number"), random.Random(int(sys.argv[1]))
for _ in range(60):
    with lock.held():
        now = int(number.read_text())
        if rng.random() < 0.05:
            os.kill(os.getpid(), 9)
        Path("next" + sys.argv[1]).write_text(str(now + 1))
        os.replace("next" + sys.argv[1], number)
        os.write(1, b".")
"""


@pytest.mark.posix
def test_processes_killed_with_the_lock_neither_block_nor_meet_the_others(tmp_path: Path) -> None:
    """A counter that everybody reads and writes under the lock ends at as many steps as were made."""
    (tmp_path / "number").write_text("0")
    workers = [
        subprocess.Popen([sys.executable, "-c", COUNT, str(seed)], stdout=subprocess.PIPE, cwd=tmp_path)
        for seed in range(5)
    ]
    steps = sum(len(worker.communicate(timeout=300)[0]) for worker in workers)
    codes = [worker.returncode for worker in workers]
    assert set(codes) <= {0, -signal.SIGKILL}
    assert codes.count(-signal.SIGKILL) >= 3
    assert int((tmp_path / "number").read_text()) == steps


NUMBERS = [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS]


@pytest.mark.posix
@pytest.mark.parametrize("number", NUMBERS, ids=errno.errorcode.get)
def test_without_locks_of_the_file_system_a_run_is_locked_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, "no locks")

    monkeypatch.setattr(fcntl, "flock", refuse)
    without = WITHOUT_FLOCK.format(number=number) + "from ffnn.tracking import RunDirectory"
    holder = holding("RunDirectory('.').lock()", tmp_path, without)
    with (
        pytest.raises(FFNNError, match=f"process {holder.pid} on .* is training in this run"),
        RunDirectory(tmp_path).lock(),
    ):
        pass
    kill(holder)
    with RunDirectory(tmp_path).lock():
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.posix
def test_a_run_of_another_machine_is_not_robbed_but_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may take hours, and be alive: whoever knows that it is not removes the file that the line names."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", refuse)
    without = WITHOUT_FLOCK.format(number=errno.ENOLCK) + "from ffnn.tracking import RunDirectory\n" + ELSEWHERE
    kill(holding("RunDirectory('.').lock()", tmp_path, without))
    for _ in range(2):
        with (
            pytest.raises(FFNNError, match=r"if it has ended, remove .*/\.lock\.holder\)"),
            RunDirectory(tmp_path).lock(),
        ):
            pass
    (tmp_path / ".lock.holder").unlink()
    with RunDirectory(tmp_path).lock():
        pass


@pytest.mark.posix
def test_who_waits_gets_the_lock_of_the_killed(tmp_path: Path) -> None:
    holder = holding("locks.exclusive(Path('x.lock'), print)", tmp_path)
    told: list[str] = []

    def taken(who: str) -> None:
        told.append(who)
        kill(holder)

    with exclusive(tmp_path / "x.lock", taken):
        assert told == ["another process"]


WRITE = """
import sys
from pathlib import Path
import ffnn.locks as locks
locks.TELL_SECONDS = 0.1
{before}
with locks.one_writer(Path(".")):
    print("written")
"""


@pytest.mark.posix
@pytest.mark.parametrize("before", ["", WITHOUT_FLOCK.format(number=errno.ENOLCK)], ids=["flock", "none"])
def test_who_waits_for_a_suspended_writer_says_so_once(tmp_path: Path, before: str) -> None:
    holder = holding("locks.one_writer(Path('.'))", tmp_path, before)
    os.kill(holder.pid, signal.SIGSTOP)
    waiting = subprocess.Popen(
        [sys.executable, "-c", WRITE.format(before=before)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    assert waiting.stderr
    assert select.select([waiting.stderr], [], [], 60)[0], "not a word in a minute"
    line = waiting.stderr.readline()
    assert line.startswith("waiting for ")
    assert line.endswith(", which writes .\n")
    kill(holder)
    assert waiting.communicate(timeout=60) == ("written\n", "")


@pytest.mark.posix
def test_a_file_that_may_be_held_outlives_an_attempt_that_was_not_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock server was away for this process only: another one may have the kernel's lock of that very file."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", refuse)
    (tmp_path / "x.lock").touch()
    with exclusive(tmp_path / "x.lock", print):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["x.lock"]


def test_who_never_held_a_lock_does_not_remove_one_that_is_being_made(tmp_path: Path) -> None:
    (tmp_path / "x.lock").touch()  # its maker has not yet written its name
    lock = HolderFile(tmp_path / "x.lock")
    assert not lock.try_acquire()
    lock.release()
    assert (tmp_path / "x.lock").exists()


def test_a_full_disk_is_one_line_and_leaves_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links")

    def full(path: Path, *arguments: Any, **options: Any) -> IO[Any]:
        if path.name != "x.lock":
            return opened(path, *arguments, **options)
        path.touch()
        return Full()

    opened = Path.open

    monkeypatch.setattr(Path, "symlink_to", refuse)
    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(FFNNError, match=r"x\.lock: cannot be written: No space left"):
        HolderFile(tmp_path / "x.lock").acquire()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FFNNError, match="cannot be written: "), exclusive(tmp_path / "file/x.lock", print):
        pass
    with pytest.raises(FFNNError, match="cannot be written: "), HolderFile(tmp_path / "file/x.lock").held():
        pass
