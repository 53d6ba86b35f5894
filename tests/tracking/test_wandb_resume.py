"""A run that several processes work on, one after the other, is one run of W&B, with every epoch once."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from wandb_server import Client, WandbServer

from ffnn.tracking import RunDirectory, read_run

SCRIPT = str(Path(__file__).with_name("resumed_run.py"))


def work(user: Client, directory: RunDirectory, mode: str, first: int, last: int, how: str) -> None:
    command = [sys.executable, SCRIPT, str(directory.path), mode, str(first), str(last), how]
    done = subprocess.run(command, env=user.environ, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == (-9 if how.startswith("killed") else 0), done.stderr
    assert "W&B is off" not in done.stdout


def check(server: WandbServer, directory: RunDirectory, last: int) -> None:
    assert server.check() == []
    assert [row["epoch"] for row in server.run.own_rows("val/loss")] == list(range(1, last + 1))
    assert server.run.own_rows("val/loss") == read_run(directory.path).history
    assert server.run.summary["status"] == "finished"


@pytest.mark.parametrize(
    ("how", "mode"),
    [
        pytest.param("stopped", "offline", marks=pytest.mark.slow),
        pytest.param("killed_after", "online", marks=pytest.mark.slow),
        pytest.param("stopped", "online", marks=pytest.mark.slow),
        pytest.param("killed_after", "offline", marks=pytest.mark.slow),
        pytest.param("killed_within", "offline", marks=pytest.mark.slow),
        pytest.param("killed_within", "online", marks=pytest.mark.slow),
    ],
)
def test_it_goes_on_as_the_same_run(
    how: str, mode: str, user: Client, server: WandbServer, directory: RunDirectory
) -> None:
    """What was killed goes on from an earlier epoch, as from its last checkpoint."""
    work(user, directory, mode, 1, 3, how)
    again = 4 if how == "stopped" else 3
    work(user, directory, mode, again, 6, "stopped")
    work(user, directory, mode, 7, 8, "finished")
    if mode == "offline":
        assert server.requests == []
        user.wandb("sync", str(directory.path / "wandb"))
    check(server, directory, 8)
    histograms = [row["epoch"] for row in server.run.own_rows("weights/linear1.weight")]
    assert len(set(histograms)) == len(histograms)
    assert set(range(again, 9)) <= set(histograms)
    assert server.artifact("model").committed  # the one of the finished run: a stopped one has none yet


@pytest.mark.slow
def test_a_run_that_was_recorded_offline_stays_so(user: Client, server: WandbServer, directory: RunDirectory) -> None:
    """Two records of which one is sent at once and one later would arrive in the wrong order."""
    work(user, directory, "offline", 1, 2, "stopped")
    work(user, directory, "online", 3, 4, "finished")
    assert [request for request in server.requests if request == "UpsertBucket"] == []
    user.wandb("sync", str(directory.path / "wandb"))
    check(server, directory, 4)


@pytest.mark.slow
def test_a_model_that_is_replaced_before_it_is_sent_arrives_as_it_was(
    user: Client, server: WandbServer, directory: RunDirectory
) -> None:
    work(user, directory, "offline", 1, 2, "finished")
    before = (directory.checkpoints / "last.npz").read_bytes()
    (directory.checkpoints / "last.npz").unlink()
    (directory.checkpoints / "last.npz").write_bytes(b"of a longer run")
    user.wandb("sync", str(directory.path / "wandb"))
    assert server.artifact("model").files["model.npz"] == before
    check(server, directory, 2)


@pytest.mark.slow
def test_a_damaged_note_of_earlier_processes_costs_no_training(
    user: Client, server: WandbServer, directory: RunDirectory
) -> None:
    work(user, directory, "online", 1, 2, "stopped")
    (directory.path / "wandb/sessions.json").write_text("{")
    work(user, directory, "online", 3, 4, "finished")
    assert len(server.runs) == 2  # the id is lost; the new run has everything
    newest = list(server.runs.values())[-1]
    assert [row["epoch"] for row in newest.own_rows("val/loss")] == [1, 2, 3, 4]
    assert json.loads((directory.path / "wandb/sessions.json").read_text())["id"] == newest.name


@pytest.mark.posix
@pytest.mark.slow
def test_who_is_told_to_end_does_not_wait_for_a_server_that_does_not_answer(user: Client, server: WandbServer) -> None:
    command = [sys.executable, "-m", "ffnn", "train", "--epochs=100000", "--wandb=online", "--runs_dir=runs"]
    process = subprocess.Popen(command, cwd=user.home, env=user.environ, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("epoch") and server.runs:
            break
    server.stall = 60.0
    begun = time.monotonic()
    process.terminate()
    process.communicate(timeout=300)
    assert time.monotonic() - begun < 5
    assert process.returncode == -signal.SIGTERM
    (path,) = user.home.glob("runs/*/*")
    assert read_run(path).summary["status"] == "stopped"
