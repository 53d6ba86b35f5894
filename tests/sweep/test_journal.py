"""A sweep's journal survives writers that were killed, and says in a line where it is damaged."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sweep_files import rows, run_sweep, write_sweep
from test_home import opened
from test_ledger import ledger, proposal

from ffnn.errors import FFNNError
from ffnn.sweep.storage import open_storage
from ffnn.sweep.trials import FINISHED, Outcome

pytestmark = pytest.mark.posix
KILLED = """
import os, sys
from pathlib import Path
import ffnn.locks
from ffnn.sweep.ledger import Ledger
from ffnn.sweep.storage import open_storage
{before}
book = Ledger(open_storage({address!r}), "sweep", maximize=True)
{work}
"""
DIE = "os.kill(os.getpid(), 9)"
CLAIMING = f"with book.storage.locked(): {DIE}"
WRITING = f"os.fsync = lambda descriptor: {DIE}\nbook.owners.beat()"
ELSEWHERE = 'ffnn.locks.here = lambda: "another-machine"'


def killed(folder: Path, address: str, work: str, before: str = "") -> None:
    """A process that was killed while it held a lock of a journal."""
    code = KILLED.format(address=address, work=work, before=before)
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert process.returncode == -signal.SIGKILL, process.stderr


@pytest.mark.parametrize("work", [CLAIMING, WRITING], ids=["claim", "journal"])
@pytest.mark.parametrize("relative", [True, False], ids=["relative", "absolute"])
def test_what_a_killed_process_held_is_free_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, relative: bool, work: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    address = "runs/journal.log" if relative else str(tmp_path / "runs/journal.log")
    killed(tmp_path, address, work)
    assert len(list((tmp_path / "runs").iterdir())) == 2
    book = ledger(Path(address).parent)
    assert book.claim(proposal("a"), None)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["journal.log"]


@pytest.mark.slow
@pytest.mark.parametrize("work", [CLAIMING, WRITING], ids=["claim", "journal"])
def test_what_a_killed_process_of_another_machine_held_is_free_within_45_seconds(tmp_path: Path, work: str) -> None:
    killed(tmp_path, "journal.log", work, ELSEWHERE)
    began = time.monotonic()
    assert ledger(tmp_path).claim(proposal("a"), None)
    assert 25 < time.monotonic() - began < 45


@pytest.mark.slow
def test_resume_after_a_kill_with_the_lock(tmp_path: Path) -> None:
    file = write_sweep(tmp_path / "s.yaml", {"l2": {"values": [0, 0.1]}})
    assert run_sweep(file, "--count=1").returncode == 0
    killed(tmp_path, "runs/s/sweep/journal.log", CLAIMING)
    result = run_sweep(file, "--count=2", "--resume")
    assert result.returncode == 0, result.stderr
    assert [row["status"] for row in rows(file)] == ["finished"] * 2


def written(folder: Path) -> Path:
    """A journal with a trial that is over."""
    book = ledger(folder)
    trial = book.claim(proposal("a"), None)
    assert trial
    book.end(trial, Outcome(FINISHED, best=0.5, latest=0.5))
    return folder / "journal.log"


@pytest.mark.parametrize(
    "half", [b'{"op_code":8,"wor', b"\0" * 300, b"{", b"\xff"], ids=["half", "NULs", "brace", "byte"]
)
def test_an_unfinished_last_line_is_dropped(tmp_path: Path, half: bytes) -> None:
    path = written(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole + half)
    book = ledger(tmp_path)
    assert [trial.status for trial in book.attempts()] == [FINISHED]
    assert book.claim(proposal("b"), None)
    assert path.read_bytes().startswith(whole + b'{"op_code"')
    assert len(ledger(tmp_path).attempts()) == 2


def test_a_line_that_somebody_left_half_while_others_work_is_dropped(tmp_path: Path) -> None:
    path = written(tmp_path)
    one, other = ledger(tmp_path), ledger(tmp_path)
    with path.open("ab") as file:
        file.write(b'{"op_code":8,"wor')
    assert len(one.attempts()) == 1
    assert one.claim(proposal("b"), None)
    assert len(other.attempts()) == len(ledger(tmp_path).attempts()) == 2


@pytest.mark.parametrize("length", [0.5, 0.9, 0.99])
def test_a_journal_that_was_cut_short_is_read_as_far_as_it_goes(tmp_path: Path, length: float) -> None:
    path = written(tmp_path)
    os.truncate(path, int(length * path.stat().st_size))
    assert ledger(tmp_path).claim(proposal("b"), None)
    assert "b" in ledger(tmp_path).trials()


def test_an_empty_line_at_the_end_is_dropped(tmp_path: Path) -> None:
    path = written(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole + b"\n")
    assert len(ledger(tmp_path).attempts()) == 1
    assert path.read_bytes().startswith(whole)
    assert b"\n\n" not in path.read_bytes()


@pytest.mark.parametrize("place", [1, 2, -1])
@pytest.mark.parametrize(
    "line",
    [b"", b"\0" * 80, b'{"op_code":8,"wor', b"5", b"[" * 5000, b"{}", b'{"op_code":99}', b'{"op_code":4}'],
    ids=["blank", "NULs", "half", "number", "deep", "empty", "unknown", "lacking"],
)
def test_damage_is_one_line_with_file_and_number(tmp_path: Path, line: bytes, place: int) -> None:
    path = written(tmp_path)
    lines = path.read_bytes().splitlines()
    lines.insert(place if place > 0 else len(lines), line)
    path.write_bytes(b"\n".join(lines) + b"\n")
    number = lines.index(line) + 1
    if place < 0 and not line:
        open_storage(path)  # dropped, see above
        return
    with pytest.raises(FFNNError) as caught:
        open_storage(path)
    assert str(caught.value).startswith(f"{path}:{number}: expected a record")
    assert "\n" not in str(caught.value)


def test_resume_says_it_too_and_exits_with_2(tmp_path: Path) -> None:
    file = write_sweep(tmp_path / "s.yaml", {"l2": {"values": [0, 0.1]}})
    opened(file, None)
    journal = tmp_path / "runs/s/sweep/journal.log"
    first, *rest = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(first + b"\n" + b"".join(rest))
    result = run_sweep(file, "--count=2", "--resume")
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert "journal.log:2: expected a record" in result.stderr


def test_another_programs_study_of_the_same_name_is_one_line(tmp_path: Path) -> None:
    import optuna

    storage = open_storage(tmp_path / "journal.log").optuna
    optuna.create_study(storage=storage, study_name="sweep", direction="maximize").ask()
    with pytest.raises(FFNNError, match="expected trials of a sweep as ffnn writes it"):
        ledger(tmp_path).attempts()


def test_workers_killed_at_every_change_of_a_file_lose_and_repeat_nothing(tmp_path: Path) -> None:
    script = str(Path(__file__).with_name("killed_ledgers.py"))
    done = subprocess.run(
        [sys.executable, script, "3", "6"], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    codes = json.loads(done.stdout.splitlines()[-1])
    assert set(codes) == {0, -signal.SIGKILL}
    assert codes.count(-signal.SIGKILL) >= 15


@pytest.mark.parametrize("opened_before", [False, True], ids=["first look", "later"])
def test_a_refusal_of_the_system_is_told_as_such_and_not_as_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened_before: bool
) -> None:
    from optuna.storages.journal import JournalFileBackend

    book = ledger(tmp_path)
    book.claim(proposal("a"), None)

    def refuse(*_: object) -> None:
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(JournalFileBackend, "read_logs", refuse)
    with pytest.raises(FFNNError, match=r"journal\.log: cannot be read: Stale file handle$"):
        book.trials() if opened_before else open_storage(tmp_path / "journal.log")
