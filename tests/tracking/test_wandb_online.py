"""Online runs of the real client against a server of our own: answering, refusing and falling silent."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tracking.fake_wandb_server import KEY, FakeServer
from tracking.leet import history, of_type, records

from ffnn.tracking import RunDirectory

SCRIPT = str(Path(__file__).with_name("online_run.py"))


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as server:
        yield server


@pytest.fixture
def online(environ: dict[str, str], server: FakeServer) -> dict[str, str]:
    return {**environ, "WANDB_BASE_URL": server.url, "WANDB_API_KEY": KEY}


def run(environ: dict[str, str], directory: RunDirectory, *arguments: str) -> list[str]:
    """The lines that a run prints; it must end by itself, well and without a word on standard error."""
    command = [sys.executable, SCRIPT, str(directory.path), *arguments]
    done = subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_records_and_summary_arrive(online: dict[str, str], server: FakeServer, directory: RunDirectory) -> None:
    lines = run(online, directory, "20", "20", "go")
    assert lines[0].startswith(f"W&B run: {server.url}/me/ffnn/runs/run-")
    assert lines[-1] == "training done"
    rows = [{name: value for name, value in row.items() if not name.startswith("_")} for row in server.rows]
    assert rows == [
        {"epoch": 1, "val/loss": 1.0, "val/accuracy": 0.5},
        {"epoch": 2, "val/accuracy": 0.5},
        {"epoch": 3, "val/loss": 1 / 3, "val/accuracy": 0.5},
    ]
    assert server.summary["best/val/accuracy"] == 0.5
    assert server.summary["status"] == "finished"


def test_artifacts_that_the_server_refuses_cost_one_line(
    online: dict[str, str], server: FakeServer, directory: RunDirectory
) -> None:
    lines = run(online, directory, "20", "20", "go")
    assert "CreateArtifact" in server.requests
    assert len(lines) <= 3
    assert len(server.rows) == 3


@pytest.mark.parametrize("trouble", ["refuses the key", "never answers", "is not there"])
def test_a_server_out_of_reach_makes_the_run_an_offline_one(
    online: dict[str, str], server: FakeServer, directory: RunDirectory, trouble: str
) -> None:
    if trouble == "refuses the key":
        server.refuse = True
    elif trouble == "never answers":
        server.silent.set()
    else:
        server.server_close()
    start = time.perf_counter()
    lines = run(online, directory, "1.5", "10", "go")
    assert time.perf_counter() - start < 20
    assert len(lines) == 2
    assert lines[0].startswith("W&B cannot be reached (")
    assert lines[0].endswith(f"recording offline; to send it later: wandb sync {directory.path}/wandb")
    found = records(directory.path / "wandb")
    assert [row["epoch"] for row in history(found)] == [1, 2, 3]
    assert of_type(found, "exit")[0]["exit_code"] == 0


def test_a_server_that_falls_silent_holds_nobody_up(
    online: dict[str, str], server: FakeServer, directory: RunDirectory
) -> None:
    command = [sys.executable, SCRIPT, str(directory.path), "20", "2", "pause"]
    with subprocess.Popen(
        command, env=online, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline().startswith("W&B run: ")
        server.silent.set()
        start = time.perf_counter()
        out, errors = process.communicate("\n", timeout=60)
        assert time.perf_counter() - start < 20
    assert (process.returncode, errors) == (0, "")
    *said, last = out.splitlines()
    assert last == "training done"
    assert len(said) == 1
    assert f"wandb sync --include-online {directory.path}/wandb" in said[0]


def test_an_offline_run_contacts_nobody(online: dict[str, str], server: FakeServer, directory: RunDirectory) -> None:
    del online["WANDB_ERROR_REPORTING"]
    run({**online, "WANDB_MODE": "offline"}, directory, "20", "20", "go")
    assert server.requests == []
    run(online, directory, "20", "20", "go")
    assert server.requests
    assert not [request for request in server.requests if "otel" in request]
