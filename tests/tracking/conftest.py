"""Fixtures of the tracking tests: a fresh W&B client for each, and one whole offline run to read back."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tracking import recorded_run
from tracking.leet import Recording
from wandb_server import KEY, Client, WandbServer

from ffnn.tracking import RunDirectory


@pytest.fixture(autouse=True)
def _fresh_client(_isolated: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The client reads the environment once and hooks into the interpreter: undo both."""
    monkeypatch.delenv("WANDB_CACHE_DIR", raising=False)
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    monkeypatch.setattr(sys, "exit", sys.exit)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(sys, "stdin", None)  # whoever asks a question fails
    yield
    if client := sys.modules.get("wandb"):
        client.teardown()


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    """A new run directory with a config."""
    directory = RunDirectory.create(tmp_path / "runs", "group", "run")
    directory.write_config({"seed": 0})
    return directory


@pytest.fixture
def server() -> Iterator[WandbServer]:
    """A W&B server on the loopback interface."""
    with WandbServer() as server:
        yield server


@pytest.fixture
def user(tmp_path_factory: pytest.TempPathFactory, server: WandbServer) -> Client:
    """Somebody with a key for the server, at a machine of their own."""
    return Client(tmp_path_factory.mktemp("user"), server.url, KEY)


@pytest.fixture
def environ() -> dict[str, str]:
    """The environment of a child process: isolated, warnings as errors, this checkout importable."""
    root = str(Path(__file__).parents[2])
    return {**os.environ, "PYTHONPATH": os.pathsep.join((root, f"{root}/tests")), "PYTHONWARNINGS": "error"}


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """`recorded_run.py` run once, as a process of its own, with keys planted where the client looks."""
    home, work = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("work")
    (home / ".netrc").write_text(f"machine api.wandb.ai\n  login user\n  password {recorded_run.NETRC_KEY}\n")
    root = str(Path(__file__).parents[2])
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB_", "XDG_"))}
    environ = {
        **kept,
        "HOME": str(home),
        "NETRC": str(home / ".netrc"),
        "WANDB_API_KEY": recorded_run.KEY,
        "PYTHONPATH": os.pathsep.join((root, f"{root}/tests")),
    }
    command = [sys.executable, "-X", "dev", "-W", "error", recorded_run.__file__]
    done = subprocess.run(command, cwd=work, env=environ, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return Recording(home, work / "runs/digits/adam seed 0", done.stdout, done.stderr)
