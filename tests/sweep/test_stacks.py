"""Sweeps whose trials are trained as stacks: the same trials with the same values, and each with its own end."""

import json
import os
import select
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sweep_files import rows, run_sweep, start_sweep, write_sweep
from test_processes import FOREVER, check_complete, trials_of, until, writers

from ffnn.sweep.engine import Engine, Wish, pause
from ffnn.sweep.process import TrialProcess
from ffnn.sweep.stacks import Request, StackedTrial
from ffnn.sweep.stacks import main as run_stack
from ffnn.sweep.trials import INTERRUPTED, PRUNED, Outcome
from ffnn.sweep.worker import Worker
from ffnn.tracking import find_runs, read_run

pytestmark = pytest.mark.posix


def sweep_in(folder: Path, parameters: dict[str, Any], *options: str, **keys: Any) -> Path:
    """A sweep in a folder of its own, run to its end."""
    folder.mkdir()
    file = write_sweep(folder / "s.yaml", parameters, **keys)
    result = run_sweep(file, *options)
    assert result.returncode == 0, result.stderr
    return file


def results(file: Path) -> dict[str, tuple[str, str]]:
    """How each trial ended, and its best value."""
    return {row["trial"]: (row["status"], row["best/val/accuracy"]) for row in rows(file)}


def stacks(file: Path) -> list[int | None]:
    """Of how many each run was one, in the order of the table."""
    return [read_run(row["run"]).summary.get("stack") for row in rows(file)]


def requests_in(folder: Path, settings: list[dict[str, Any]]) -> list[Request]:
    """What a sweep would ask for members with these settings."""
    small = {"hidden_layers": [4], "batch_size": 1000, "wandb": "disabled", "runs_dir": str(folder / "runs")}
    commands = [
        [sys.executable, "-m", "ffnn", "train", *(f"--{name}={value}" for name, value in {**small, **own}.items())]
        for own in settings
    ]
    return [Request.beside(folder / f"{number}.json", command) for number, command in enumerate(commands)]


def test_each_member_ends_by_itself_with_a_log_and_a_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One finishes, one is asked to end, and one cannot be prepared."""
    requests = requests_in(tmp_path, [{"epochs": 2}, {"epochs": FOREVER}, {"class_weights": "[1.0]"}])
    Path(requests[1].stop).touch()
    file = tmp_path / "stack.json"
    file.write_text(json.dumps([asdict(request) for request in requests]))
    monkeypatch.setattr(sys, "argv", ["stack", str(file)])
    run_stack()
    assert [Path(request.code).read_text() for request in requests] == ["0", "130", "2"]
    logs = [Path(request.log).read_text().splitlines() for request in requests]
    assert "resume with: ffnn train --resume" in logs[1][-1]
    assert logs[2][-1].startswith("ffnn: class_weights needs")
    runs = {run.config["epochs"]: run for run in map(read_run, find_runs(tmp_path / "runs"))}
    assert {epochs: run.summary["status"] for epochs, run in runs.items()} == {2: "finished", FOREVER: "stopped"}
    assert len(runs[2].history) == 2
    words = runs[2].environment["command"].split()
    assert (words[3], words[-1]) == ("train", "--epochs=2")
    # What is left of this attempt does not end the next one.
    again = requests_in(tmp_path, [{}, {}, {}])
    assert not any(Path(path).exists() for request in again for path in (request.stop, request.code))


def test_members_of_a_process_that_ended_are_not_waited_for(tmp_path: Path) -> None:
    """The end is found by one member's look; the other, not looked at since, must not be listened to any more."""
    requests = requests_in(tmp_path, [{}, {}, {}])
    process = TrialProcess([sys.executable, "-c", "pass"], os.environ, tmp_path / "log")
    members = [StackedTrial(request, process) for request in requests]
    Path(requests[2].code).write_text("130")
    select.select([process], [], [], 60)
    codes = [member.poll() for member in members]
    assert codes == [1, 1, 130]  # a member whose process ended without a word of it has failed
    pause(members)
    process.close()


def test_a_member_that_does_not_end_takes_no_other_with_it(tmp_path: Path) -> None:
    """Its process is killed when all of its members are to end, and not before."""
    process = TrialProcess([sys.executable, "-c", "import time; time.sleep(600)"], os.environ, tmp_path / "log")
    watch: Any = SimpleNamespace(path=tmp_path, follow=list)
    trial: Any = None
    engine = Engine.__new__(Engine)
    engine.wish = Wish()
    engine._workers = [
        Worker(trial, StackedTrial(request, process), 0, watch, 1) for request in requests_in(tmp_path, [{}, {}])
    ]
    engine._finish = lambda worker, code: engine._workers.remove(worker)  # type: ignore[method-assign]
    first, second = engine._workers
    first.end(Outcome(PRUNED), grace=0)
    engine._attend(first)
    assert select.select([process], [], [], 0.5)[0] == []
    second.end(Outcome(INTERRUPTED), grace=0)
    engine._attend(first)
    select.select([process], [], [], 60)
    assert process.poll() == -signal.SIGKILL


@pytest.mark.slow
def test_a_grid_of_two_shapes_is_the_same_in_stacks(tmp_path: Path) -> None:
    """Shapes alternate in the grid's order; every trial is there once, with the values that it has alone."""
    parameters = {
        "learning_rate": {"values": [0.001, 0.01, 1e20]}, "hidden_layers": {"values": [[4], [8]]},
        "epochs": {"value": 2},
    }  # fmt: skip
    file = sweep_in(tmp_path / "stacked", parameters, "--stack=3")
    assert stacks(file) == [3] * 6
    single = sweep_in(tmp_path / "alone", parameters)
    assert results(file) == results(single)
    assert [row["status"] for row in rows(file)].count("diverged") == 2
    assert len(find_runs(file.parent / "runs")) == 6
    for row in rows(file):
        assert read_run(row["run"]).environment["command"].count("--learning_rate=") == 1
    assert trials_of(tmp_path) == writers(tmp_path) == []


@pytest.mark.slow
def test_a_random_search_tries_the_same_in_stacks(tmp_path: Path) -> None:
    """Shapes are drawn, too, so that what does not fit is left for later."""
    parameters = {
        "learning_rate": {"distribution": "log_uniform_values", "min": 1e-4, "max": 0.1},
        "hidden_layers": {"values": [[4], [8]]}, "l2": {"min": 0.0, "max": 1e-3},
    }  # fmt: skip
    options = ("--count=7", "--seed=5")
    file = sweep_in(tmp_path / "stacked", parameters, "--stack=3", *options, method="random")
    single = sweep_in(tmp_path / "alone", parameters, *options, method="random")
    assert results(file) == results(single)
    check_complete(file, 7)
    assert {size for size in stacks(file) if size} <= {2, 3}
    assert 3 in stacks(file)


@pytest.mark.slow
def test_what_cannot_be_stacked_or_run_costs_itself(tmp_path: Path) -> None:
    """Invalid settings, a failure within the stack, augmented images and one that diverges, among others."""
    parameters = {
        "class_weights": {"values": [None, [1.0], "unbalanced"]},
        "seed": {"values": [0, 1]},
        "augment": {"values": [[], ["shift"]]},
    }
    file = sweep_in(tmp_path / "stacked", parameters, "--stack=4")
    single = sweep_in(tmp_path / "alone", parameters)
    assert results(file) == results(single)
    assert [row["status"] for row in rows(file)] == (["finished"] * 4 + ["failed"] * 8)


@pytest.mark.slow
def test_two_processes_share_a_mixed_grid_without_a_duplicate(tmp_path: Path) -> None:
    parameters = {"hidden_layers": {"values": [[4], [8]]}, "learning_rate": {"values": [0.01, 0.02, 0.03, 0.04]}}
    file = write_sweep(tmp_path / "s.yaml", parameters)
    options = ("--count=7", f"--storage={tmp_path / 'shared.log'}", "--stack=2")
    both = [start_sweep(file, *options) for _ in range(2)]
    outputs = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    check_complete(file, 7)
    assert len(find_runs(tmp_path / "runs")) == 7


@pytest.mark.slow
def test_hyperband_stops_a_member_and_the_others_finish_as_alone(tmp_path: Path) -> None:
    """Three learn, and one cannot: it is cut at the first band that the others have reached."""
    parameters = {"learning_rate": {"values": [0.01, 0.011, 1e-9, 0.012]}, "epochs": {"value": 600}}
    rule = {"type": "hyperband", "min_iter": 100, "eta": 2}
    file = sweep_in(tmp_path / "stacked", parameters, "--stack=4", early_terminate=rule)
    table = rows(file)
    assert table[2]["status"] == "stopped by hyperband"
    cut = read_run(table[2]["run"])
    assert (cut.summary["status"], len(cut.history) < 600) == ("stopped", True)
    assert "not in the top 1/2" in cut.summary["reason"]
    finished = [row for row in table if row["status"] == "finished"]
    assert finished
    single = sweep_in(tmp_path / "alone", parameters)
    values = {row["trial"]: row["best/val/accuracy"] for row in rows(single)}
    assert all(row["best/val/accuracy"] == values[row["trial"]] for row in finished)


def begun(file: Path, count: int) -> bool:
    """Whether so many runs are under way, each with some epochs."""
    folder = file.parent / "runs"
    runs = [read_run(path) for path in (find_runs(folder) if folder.is_dir() else [])]
    return sum(run.summary.get("status") == "running" and len(run.history) > 3 for run in runs) == count


@pytest.mark.slow
def test_a_killed_stack_costs_its_members_and_resume_runs_them_again(tmp_path: Path) -> None:
    """Then Ctrl-C ends the sweep in order, and a killed sweep leaves nobody behind."""
    file = write_sweep(tmp_path / "s.yaml", {"seed": {"values": [0, 1, 2]}, "epochs": {"value": FOREVER}})
    sweep = start_sweep(file, "--stack=3")
    until(lambda: begun(file, 3), "the stack")
    (stack,) = trials_of(tmp_path)
    os.kill(stack, signal.SIGKILL)
    output, _ = sweep.communicate(timeout=300)
    assert "3 killed" in output
    assert [row["status"] for row in rows(file)] == ["killed"] * 3, output
    killed = find_runs(tmp_path / "runs")
    assert [read_run(path).summary["status"] for path in killed] == ["failed"] * 3

    resumed = start_sweep(file, "--stack=3", "--resume")
    until(lambda: begun(file, 3), "the stack again")
    resumed.send_signal(signal.SIGINT)
    output, _ = resumed.communicate(timeout=300)
    assert resumed.returncode == 130, output
    assert "--resume goes on from here" in output
    assert writers(tmp_path) == []
    stopped = set(find_runs(tmp_path / "runs")) - set(killed)
    assert [read_run(path).summary["status"] for path in stopped] == ["stopped"] * 3
    for path in stopped:
        assert read_run(path).summary["epochs"] > 3

    last = start_sweep(file, "--stack=2", "--resume")
    until(lambda: begun(file, 2), "a stack of two")
    last.kill()
    last.communicate()
    until(lambda: writers(tmp_path) == [], "the stack to die with its sweep", 10)


@pytest.mark.slow
def test_members_that_hang_are_ended_and_the_others_finish(tmp_path: Path) -> None:
    file = sweep_in(tmp_path / "s", {"epochs": {"values": [1, FOREVER, 2]}}, "--stack=3", "--timeout=10")
    assert [row["status"] for row in rows(file)] == ["finished", "timed out", "finished"]
    assert stacks(file) == [3] * 3
    hung = read_run(rows(file)[1]["run"])
    assert (hung.summary["status"], hung.summary["reason"]) == ("failed", "after 30 s")
