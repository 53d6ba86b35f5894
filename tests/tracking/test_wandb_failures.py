"""W&B broken, slow or gone: training neither notices nor waits, and one line says so."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tracking import recorded_run
from tracking.leet import history, of_type, records, summary

from ffnn.tracking import Delivery, EvaluationReport, RunDirectory, WandbSettings, WandbTracker

OFFLINE = WandbSettings("offline")
QUICK = 1.0  # seconds: what training calls takes microseconds, and would wait for ever if it waited for the client
PATIENT = 10.0  # seconds: finish may wait 0.3 and one to part with the client; a busy machine takes its time


class FakeRun:
    """What the client's init returns, as far as the tracker uses it."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.summary: dict[str, Any] = {}
        self.id, self.offline, self.exit_code = "id", True, None
        self._interface = SimpleNamespace(publish_python_packages=lambda packages: None)
        self.project, self.entity, self.dir, self.resumed = "ffnn", "", "wandb/offline-run-1-id/files", False

    def define_metric(self, *_: Any, **__: Any) -> None: ...

    def log_artifact(self, *_: Any, **__: Any) -> None: ...

    def log(self, row: dict[str, Any]) -> None:
        self.rows.append(row)

    def finish(self, exit_code: int) -> None:
        self.exit_code = exit_code


@pytest.fixture
def client() -> ModuleType:
    return pytest.importorskip("wandb")


def stand_in(monkeypatch: pytest.MonkeyPatch, client: ModuleType, init: Callable[..., Any]) -> None:
    """Have runs begun by `init`, which needs no service."""
    monkeypatch.setattr(client, "init", init)
    monkeypatch.setattr(client, "setup", lambda: None)


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def tracker(directory: RunDirectory, lines: list[str]) -> WandbTracker:
    return WandbTracker(directory, {}, WandbSettings("offline", finish_timeout=0.3), notify=lines.append)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Something to be stuck at; opened at the end, so that no thread outlives its test."""
    gate = threading.Event()
    yield gate
    gate.set()
    for thread in threading.enumerate():
        if thread.name.startswith("wandb"):
            thread.join(20)


def train(tracker: WandbTracker, epochs: int = 3) -> float:
    """Everything that training calls, but finish; how long the slowest call took, in seconds."""
    slowest, arrays = 0.0, {"w": np.ones((10, 10))}
    calls = [tracker.start]
    for epoch in range(1, epochs + 1):
        calls.append(lambda epoch=epoch: tracker.log_epoch({"epoch": epoch, "val/loss": 1.0}))
        calls.append(lambda epoch=epoch: tracker.log_histograms(epoch, arrays, arrays))
    for call in calls:
        start = time.perf_counter()
        call()
        slowest = max(slowest, time.perf_counter() - start)
    return slowest


def finish(tracker: WandbTracker) -> float:
    start = time.perf_counter()
    tracker.finish({"best/epoch": 1}, "finished")
    return time.perf_counter() - start


def test_init_that_raises(
    tracker: WandbTracker, lines: list[str], client: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def init(**_: Any) -> None:
        raise RuntimeError(f"out of\norder, key {recorded_run.KEY}")

    stand_in(monkeypatch, client, init)
    assert train(tracker) < QUICK
    assert finish(tracker) < PATIENT
    assert len(lines) == 2
    assert "recording offline" in lines[0]
    assert lines[1] == f"W&B is off for this run (out of order, key ***); {tracker.directory.path} has everything"
    assert tracker.delivery == Delivery("lost", "out of order, key ***")


def test_no_client_at_all(tracker: WandbTracker, lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert train(tracker) < QUICK
    assert finish(tracker) < PATIENT
    assert "W&B is off for this run (import of wandb halted" in lines[-1]


def test_init_that_never_returns(
    tracker: WandbTracker,
    lines: list[str],
    client: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    gate: threading.Event,
) -> None:
    stand_in(monkeypatch, client, lambda **_: gate.wait() and FakeRun())
    assert train(tracker, epochs=100) < QUICK
    assert 0.3 <= finish(tracker) < PATIENT
    assert "W&B is not done after 0.3 s: going on without it" in lines[1]
    assert "96 sets of histograms" in lines[2]
    gate.set()
    assert len(lines) == 3
    assert tracker.delivery == Delivery("lost", "not done after 0.3 s")


def test_finish_that_never_returns(
    tracker: WandbTracker,
    lines: list[str],
    client: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    gate: threading.Event,
) -> None:
    run = FakeRun()
    monkeypatch.setattr(run, "finish", lambda exit_code: gate.wait())
    stand_in(monkeypatch, client, lambda **_: run)
    assert train(tracker) < QUICK
    assert 0.3 <= finish(tracker) < PATIENT
    assert "going on without it" in lines[-1]
    assert [row["epoch"] for row in run.rows if "val/loss" in row] == [1, 2, 3]


def test_slow_client_loses_histograms_but_no_record(
    directory: RunDirectory,
    lines: list[str],
    client: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    gate: threading.Event,
) -> None:
    run = FakeRun()
    stand_in(monkeypatch, client, lambda **_: gate.wait() and run)
    tracker = WandbTracker(directory, {}, OFFLINE, notify=lines.append)
    train(tracker, epochs=50)
    gate.set()
    finish(tracker)
    assert [row["epoch"] for row in run.rows if "val/loss" in row] == list(range(1, 51))
    assert [row["epoch"] for row in run.rows if "weights/w" in row] == [1, 2, 3, 4]
    assert lines[-1] == "W&B was slow: 46 sets of histograms were left out"
    assert tracker.delivery == Delivery("incomplete", "46 sets of histograms were left out")
    assert run.exit_code == 0
    assert run.summary == {"best/epoch": 1, "status": "finished"}


@pytest.mark.parametrize(("status", "exit_code"), [("finished", 0), ("stopped", 0), ("diverged", 1), ("failed", 1)])
def test_status_decides_how_the_run_ends(
    tracker: WandbTracker, client: ModuleType, monkeypatch: pytest.MonkeyPatch, status: str, exit_code: int
) -> None:
    run = FakeRun()
    stand_in(monkeypatch, client, lambda **_: run)
    tracker.start()
    tracker.finish({}, status)
    assert (run.exit_code, run.summary["status"]) == (exit_code, status)


def test_log_that_raises_ends_the_real_run_as_failed(
    directory: RunDirectory, lines: list[str], client: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = client.init

    def init(**arguments: Any) -> Any:
        run = real(**arguments)
        log = run.log

        def third_time_unlucky(row: dict[str, Any]) -> None:
            if row["epoch"] == 3:
                raise OSError("disk full")
            log(row)

        monkeypatch.setattr(run, "log", third_time_unlucky)
        return run

    monkeypatch.setattr(client, "init", init)
    tracker = WandbTracker(directory, {}, OFFLINE, notify=lines.append)
    assert train(tracker, epochs=4) < QUICK
    finish(tracker)
    assert lines[1:] == [f"W&B is off for this run (disk full); {directory.path} has everything"]
    assert tracker.delivery == Delivery("lost", "disk full")
    found = records(directory.path / "wandb")
    assert [row["epoch"] for row in history(found) if "val/loss" in row] == [1, 2]
    assert of_type(found, "exit")[0]["exit_code"] == 1


def test_artifacts_that_fail_leave_the_run_a_good_one(
    directory: RunDirectory, lines: list[str], client: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = FakeRun()
    stand_in(monkeypatch, client, lambda **_: run)
    code = {"network.py": Path("removed.py")}
    tracker = WandbTracker(directory, {}, OFFLINE, notify=lines.append, code=code)
    tracker.start()
    tracker.finish({}, "finished")
    assert "did not take all artifacts" in lines[1]
    problem = "[Errno 2] No such file or directory: 'removed.py'"
    assert tracker.delivery == Delivery("incomplete", f"it did not take all artifacts ({problem})")
    assert run.exit_code == 0


def test_an_evaluation_that_fails_costs_itself(
    directory: RunDirectory, lines: list[str], client: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes after it arrives, and the run ends well, but it does not count as whole."""
    monkeypatch.setattr(client, "Table", lambda *_: 1 / 0)
    tracker = WandbTracker(directory, {}, OFFLINE, notify=lines.append)
    tracker.start()
    tracker.log_evaluation(EvaluationReport(recorded_run.CONFUSION, recorded_run.NAMES))
    tracker.log_epoch({"epoch": 1, "val/loss": 0.5})
    assert tracker.delivery == Delivery("lost", "the process ended before W&B had everything")
    tracker.finish({"test/accuracy": 0.5}, "finished")
    assert lines[1:] == [f"W&B did not take the evaluation (division by zero); {directory.path} has everything"]
    assert tracker.delivery == Delivery("incomplete", "it did not take the evaluation (division by zero)")
    found = records(directory.path / "wandb")
    assert history(found) == [{"epoch": 1, "val/loss": 0.5}]
    assert summary(found)["test/accuracy"] == 0.5
    assert of_type(found, "exit")[0]["exit_code"] == 0


@pytest.mark.parametrize("mode", ["disabled", "auto"])
def test_who_is_told_nothing_loses_nothing(
    directory: RunDirectory, lines: list[str], monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    tracker = WandbTracker(directory, {}, WandbSettings(mode), notify=lines.append)
    tracker.start()
    tracker.finish({}, "finished")
    assert (tracker.delivery, lines) == (None, [])


def test_a_run_in_trouble_ends_no_other(
    directory: RunDirectory, lines: list[str], client: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Runs of a stack, and the user's own, share one client: who parts with it takes it from all."""
    healthy = WandbTracker(
        RunDirectory.create(tmp_path, "group", "healthy"), {}, WandbSettings("offline"), notify=lines.append
    )
    healthy.start()
    broken = WandbTracker(directory, {}, OFFLINE, notify=lines.append)
    monkeypatch.setattr(broken, "_log_epoch", lambda record: 1 / 0)
    with client.init(mode="offline", dir=str(tmp_path), settings=client.Settings(silent=True, console="off")) as own:
        broken.start()
        broken.log_epoch({"epoch": 1})
        broken.finish({}, "finished")
        assert broken.delivery == Delivery("lost", "division by zero")
        healthy.log_epoch({"epoch": 1, "val/loss": 0.5})
        healthy.finish({}, "finished")
        assert healthy.delivery == Delivery("recorded")
        own.log({"theirs": 1})
    assert history(records(healthy.directory.path / "wandb")) == [{"epoch": 1, "val/loss": 0.5}]
    assert history(records(tmp_path / "wandb")) == [{"theirs": 1}]


def test_the_last_run_parts_with_the_client_for_one_that_had_trouble(
    directory: RunDirectory, lines: list[str], client: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the process would wait for the service at its end."""
    broken = WandbTracker(directory, {}, OFFLINE, notify=lines.append)
    healthy = WandbTracker(RunDirectory.create(tmp_path, "group", "healthy"), {}, OFFLINE, notify=lines.append)
    monkeypatch.setattr(broken, "_log_epoch", lambda record: 1 / 0)
    for tracker in (broken, healthy):
        tracker.start()
        tracker.log_epoch({"epoch": 1})
    torn: list[bool] = []
    real = client.teardown
    monkeypatch.setattr(client, "teardown", lambda: (torn.append(True), real()))
    broken.finish({}, "finished")
    assert torn == []
    healthy.finish({}, "finished")
    assert torn == [True]


def test_a_client_that_runs_out_of_time_says_so_once(
    tracker: WandbTracker, lines: list[str], client: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def finish_late(exit_code: int) -> None:
        raise TimeoutError

    run = FakeRun()
    monkeypatch.setattr(run, "finish", finish_late)
    stand_in(monkeypatch, client, lambda **_: run)
    train(tracker)
    finish(tracker)
    assert len(lines) == 2
    assert lines[1].startswith("W&B could not send everything in time; to send it later: wandb sync --include-online")


def test_finishing_twice_or_unstarted_does_nothing(tracker: WandbTracker, lines: list[str]) -> None:
    tracker.finish({}, "finished")
    tracker.log_epoch({"epoch": 1})
    assert lines == []


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the service in /proc")
def test_service_killed_in_the_middle(directory: RunDirectory, environ: dict[str, str]) -> None:
    script = Path(__file__).with_name("killed_service.py")
    command = [sys.executable, str(script), str(directory.path)]
    start = time.perf_counter()
    environ |= {"PYTHONWARNINGS": "default::DeprecationWarning"}  # nobody waits for a process that was killed
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=30, check=False)
    assert time.perf_counter() - start < 20
    assert (done.returncode, done.stderr) == (0, "")
    assert "W&B is off for this run" in done.stdout
    assert done.stdout.endswith("training done\n")
