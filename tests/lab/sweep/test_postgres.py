"""PostgreSQL as the storage: a server of its own for the test, where one is installed."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sweep_files import run_sweep, write_sweep
from test_processes import share

pwd = pytest.importorskip("pwd", reason="needs a POSIX system")


def binary(name: str) -> str:
    """A program of the server, also where Debian hides it."""
    hidden = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = shutil.which(name) or (str(hidden[-1]) if hidden else None)
    if found is None:
        pytest.skip("no PostgreSQL server is installed here: apt-get install postgresql")
    return found


def unprivileged() -> dict[str, Any]:
    """The server refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
    return {"user": "postgres"}


@pytest.fixture
def server() -> Iterator[str]:
    """The URL of an empty database."""
    pytest.importorskip("psycopg")
    initdb, postgres, who = binary("initdb"), binary("postgres"), unprivileged()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="ffnn-postgres-"))
    if who:
        shutil.chown(folder, who["user"])
    try:
        options = ["-D", str(folder / "data"), "-U", "ffnn", "--auth=trust", "--no-sync", "--no-locale", "-E", "UTF8"]
        subprocess.run([initdb, *options], check=True, capture_output=True, cwd=folder, **who)
        arguments = ["-D", str(folder / "data"), "-p", str(port), "-k", str(folder), "-c", "listen_addresses=127.0.0.1"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([postgres, *arguments], stdout=log, stderr=log, cwd=folder, **who)
        try:
            _wait_for(port, process, folder / "log")
            yield f"postgresql://ffnn@127.0.0.1:{port}/postgres"
        finally:
            process.terminate()
            process.wait(timeout=30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    import psycopg

    end = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end:
        try:
            psycopg.connect(f"host=127.0.0.1 port={port} user=ffnn dbname=postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(log.read_text())


@pytest.mark.slow
def test_two_processes_share_a_database_without_a_duplicate(tmp_path: Path, server: str) -> None:
    parameters = {"batch_size": {"values": [500, 1000]}, "learning_rate": {"values": [0.001, 0.01]}}
    file = write_sweep(tmp_path / "s.yaml", parameters, method="random")
    share(file, server, 4)
    result = run_sweep(file, f"--storage={server}", "--count=5", "--resume")
    assert result.returncode == 0, result.stderr  # all four points of the space were there


def test_a_database_that_cannot_be_reached_is_one_line_without_the_password(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    file = write_sweep(tmp_path / "s.yaml", {"l2": {"values": [0]}})
    result = run_sweep(file, "--storage=postgresql://me:secret@127.0.0.1:1/none")
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "127.0.0.1:1/none cannot be used" in result.stderr
    assert "secret" not in result.stderr
