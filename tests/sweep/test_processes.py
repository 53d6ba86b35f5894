"""Sweeps as real processes: crashes, hangs, kills and company cost what they must and nothing more."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from sweep_files import METRIC, rows, run_sweep, start_sweep, write_sweep

from ffnn.tracking import find_runs, load_yaml, read_run

pytestmark = pytest.mark.posix

FOREVER = 10**6
"""Epochs that no trial reaches."""


def trials_of(folder: Path) -> list[int]:
    """Process numbers of the trials whose output goes to a folder, without their guards, which lead their groups."""
    return [pid for pid in writers(folder) if os.getpgid(pid) != pid]


def writers(folder: Path) -> list[int]:
    """Process numbers of all whose output goes to a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):  # it is gone, or another user's
            if entry.name.isdigit() and (entry / "fd/1").readlink().is_relative_to(folder):
                found.append(int(entry.name))
    return found


def until(condition: Callable[[], bool], what: str, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.05)


def over(file: Path) -> int:
    """Runs that have ended well."""
    folder = file.parent / "runs"
    runs = find_runs(folder) if folder.is_dir() else []
    return sum(read_run(path).summary.get("status") == "finished" for path in runs)


def check_complete(file: Path, count: int) -> None:
    """So many trials, each finished, each once."""
    table = rows(file)
    assert [row["status"] for row in table] == ["finished"] * count
    assert len({row["trial"] for row in table}) == count
    finished = [path for path in find_runs(file.parent / "runs") if read_run(path).summary["status"] == "finished"]
    assert sorted(str(path) for path in finished) == sorted(row["run"] for row in table)
    assert trials_of(file.parent) == []


def test_a_sweep_from_its_file_to_the_best_config(tmp_path: Path) -> None:
    file = write_sweep(tmp_path / "rates.yaml", {"learning_rate": {"values": [0.00001, 0.01]}, "epochs": {"value": 3}})
    result = run_sweep(file, "--optimizer=momentum")
    assert result.returncode == 0, result.stderr
    assert "[2/2]" in result.stderr or "[2]" in result.stderr
    check_complete(file, 2)
    bad, good = rows(file)
    assert (bad["learning_rate"], good["learning_rate"]) == ("1e-05", "0.01")
    assert float(good["best/val/accuracy"]) > float(bad["best/val/accuracy"])
    record = read_run(good["run"])
    assert (record.config["group"], record.config["job_type"], record.config["tags"]) == ("rates", "sweep", ["rates"])
    assert float(good["best/val/accuracy"]) == record.summary["best/val/accuracy"]
    folder = tmp_path / "runs/rates/sweep"
    settings = load_yaml(folder / "best.yaml")
    assert (settings["learning_rate"], settings["optimizer"]) == (0.01, "momentum")
    assert not {"runs_dir", "group", "wandb"} & set(settings)
    handed = load_yaml(folder / "trials" / f"{good['trial']}.yaml")
    assert handed["learning_rate"] == {"value": 0.01}
    assert not [*folder.glob("*.png"), *folder.glob("*.svg")], "drawn by `ffnn report`, when somebody looks"
    about = json.loads((folder / "sweep.json").read_text())
    assert (about["metric"], about["maximize"]) == ("best/val/accuracy", True)
    assert about["logarithmic"] == {"learning_rate": False}
    assert about["command"].endswith("rates.yaml --count=2 --seed=0 --optimizer=momentum")
    again = run_sweep(file)
    assert again.returncode == 2
    assert "a sweep is there already; --resume goes on" in again.stderr


def test_nothing_to_resume_and_no_end_are_one_line_and_leave_nothing(tmp_path: Path) -> None:
    file = write_sweep(tmp_path / "s.yaml", {"l2": {"min": 0.0, "max": 1.0}}, method="random")
    for options, expected in ([], "random search has no end"), (["--resume", "--count=2"], "there is none"):
        result = run_sweep(file, *options)
        assert (result.returncode, result.stderr.count("\n")) == (2, 1)
        assert expected in result.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_a_crash_and_a_hang_cost_one_trial_each(tmp_path: Path) -> None:
    parameters = {"class_weights": {"values": [[1.0], None]}, "epochs": {"values": [1, FOREVER]}}
    file = write_sweep(tmp_path / "s.yaml", parameters)
    result = run_sweep(file, "--timeout=12", "--workers=2")
    assert result.returncode == 0, result.stderr
    assert [row["status"] for row in rows(file)] == ["failed", "finished", "failed", "timed out"]
    assert "class_weights needs" in result.stderr
    hung = read_run(rows(file)[3]["run"])
    assert (hung.summary["status"], hung.summary["reason"]) == ("failed", "after 12 s")
    again = run_sweep(file, "--resume")
    assert again.returncode == 0
    assert [row["status"] for row in rows(file)] == ["failed", "finished", "failed", "timed out"]
    assert len(find_runs(tmp_path / "runs")) == 2
    run_sweep(file, "--retry-failed", "--timeout=12")
    assert len(find_runs(tmp_path / "runs")) == 3
    assert len(rows(file)) == 4


@pytest.mark.slow
@pytest.mark.parametrize("method", ["random", "bayes"])
def test_kills_of_a_trial_and_of_the_sweep_lose_and_repeat_nothing(tmp_path: Path, method: str) -> None:
    parameters = {"learning_rate": {"distribution": "log_uniform_values", "min": 1e-4, "max": 0.1}}
    file = write_sweep(tmp_path / "s.yaml", parameters, method=method)
    sweep = start_sweep(file, "--count=8", "--workers=2")
    until(lambda: over(file) >= 1 and bool(trials_of(tmp_path)), "a trial")
    os.kill(trials_of(tmp_path)[0], signal.SIGKILL)
    until(lambda: over(file) >= 3 and bool(trials_of(tmp_path)), "more trials")
    sweep.kill()
    sweep.communicate()
    until(lambda: not trials_of(tmp_path), "the trials to die with their sweep", 10)
    assert over(file) < 8
    result = run_sweep(file, "--resume", "--workers=2")
    assert result.returncode == 0, result.stderr
    check_complete(file, 8)


def results(folder: Path) -> set[str]:
    """Runs that count: those that came to their end, and those that hyperband ended."""
    runs = [read_run(path) for path in (find_runs(folder) if folder.is_dir() else [])]
    done = [
        run for run in runs if run.summary.get("status") == "finished" or "in the top" in str(run.summary.get("reason"))
    ]
    return {str(run.path) for run in done}


@pytest.mark.slow
def test_forty_trials_of_search_bayes_survive_kills(repository: Path, tmp_path: Path) -> None:
    """A trial, the process that trials are forked from, and the sweep itself are killed on the way."""
    runs = tmp_path / "runs"
    command = [
        sys.executable, "-m", "ffnn", "sweep", str(repository / "sweeps/search_bayes.yaml"), "--count=40",
        "--workers=2", "--dataset=digits", "--epochs=5", "--wandb=disabled", f"--runs_dir={runs}",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as sweep:
        for seen in (2, 6):
            until(lambda seen=seen: len(results(runs)) >= seen and bool(trials_of(tmp_path)), "trials")  # type: ignore[misc]
            os.kill(trials_of(tmp_path)[0], signal.SIGKILL)
        until(lambda: len(results(runs)) >= 10, "more trials")
        (server,) = (pid for pid in children(sweep.pid) if "ffnn.sweep.warm" in command_of(pid))
        os.kill(server, signal.SIGKILL)
        until(lambda: len(results(runs)) >= 18 and bool(trials_of(tmp_path)), "still more trials")
        sweep.kill()
    until(lambda: writers(tmp_path) == [], "the trials to die with their sweep", 10)
    before = results(runs)
    assert 18 <= len(before) < 40
    resumed = subprocess.run([*command, "--resume"], capture_output=True, text=True, timeout=300, check=False)
    assert resumed.returncode == 0, resumed.stderr
    with (runs / "search_bayes/sweep/trials.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert len({row["trial"] for row in rows}) == len(rows) == 40
    assert {row["status"] for row in rows} <= {"finished", "stopped by hyperband", "diverged"}
    assert len({json.dumps(read_run(row["run"]).config, sort_keys=True) for row in rows}) == 40
    diverged = {row["run"] for row in rows if row["status"] == "diverged"}
    assert {row["run"] for row in rows} == results(runs) | diverged
    assert before <= results(runs)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


@pytest.mark.slow
def test_ctrl_c_ends_trials_in_order_and_resume_goes_on(tmp_path: Path) -> None:
    file = write_sweep(tmp_path / "s.yaml", {"epochs": {"values": [1, FOREVER]}})
    sweep = start_sweep(file)
    until(lambda: over(file) == 1 and bool(trials_of(tmp_path)), "the endless trial")
    until(lambda: any(len(read_run(path).history) > 3 for path in find_runs(tmp_path / "runs")), "its epochs")
    sweep.send_signal(signal.SIGINT)
    output, _ = sweep.communicate(timeout=300)
    assert sweep.returncode == 130, output
    assert "--resume goes on from here" in output
    assert trials_of(tmp_path) == []
    (stopped,) = (path for path in find_runs(tmp_path / "runs") if read_run(path).summary["status"] == "stopped")
    assert read_run(stopped).summary["epochs"] > 3
    resumed = start_sweep(file, "--resume")
    until(lambda: bool(trials_of(tmp_path)), "the endless trial again")
    os.kill(trials_of(tmp_path)[0], signal.SIGKILL)
    resumed.communicate(timeout=300)
    assert [row["status"] for row in rows(file)] == ["finished", "killed"]


@pytest.mark.slow
def test_the_list_of_trials_does_not_depend_on_the_workers(tmp_path: Path) -> None:
    lists = []
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        folder.mkdir()
        parameters = {"learning_rate": {"distribution": "log_uniform_values", "min": 1e-4, "max": 0.1}}
        file = write_sweep(folder / "s.yaml", parameters, method="random")
        assert run_sweep(file, "--count=4", f"--workers={workers}", "--seed=5").returncode == 0
        lists.append([row["trial"] for row in rows(file)])
    assert lists[0] == lists[1]


def share(file: Path, storage: str, count: int) -> None:
    """Two processes at work on one sweep."""
    options = ("--count", str(count), f"--storage={storage}")
    both = [start_sweep(file, *options) for _ in range(2)]
    outputs = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    told = [sum(line.startswith("[") for line in output.splitlines()) for output in outputs]
    assert sum(told) == count
    assert min(told) > 0, outputs
    check_complete(file, count)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["random", "bayes"])
def test_two_processes_share_a_journal_without_a_duplicate(tmp_path: Path, method: str) -> None:
    parameters = {"batch_size": {"values": [500, 1000]}, "learning_rate": {"min": 1, "max": 4}}
    file = write_sweep(tmp_path / "s.yaml", parameters, method=method)
    share(file, str(tmp_path / "shared.log"), 8)  # all eight points there are


@pytest.mark.slow
def test_hyperband_stops_what_falls_behind_and_says_so(tmp_path: Path) -> None:
    """A grid runs in order: the first trial learns, the second cannot, and is cut at the first band."""
    parameters = {"learning_rate": {"values": [0.01, 1e-9]}, "epochs": {"value": 2_000}}
    rule = {"type": "hyperband", "min_iter": 10}
    file = write_sweep(tmp_path / "s.yaml", parameters, early_terminate=rule, metric=METRIC)
    result = run_sweep(file)
    assert result.returncode == 0, result.stderr
    first, second = rows(file)
    assert (first["status"], second["status"]) == ("finished", "stopped by hyperband")
    summary = read_run(second["run"]).summary
    assert summary["status"] == "stopped"
    assert "not in the top 1/3" in summary["reason"]
    assert 10 <= len(read_run(second["run"]).history) < 2_000


@pytest.mark.slow
def test_a_target_ends_the_sweep(tmp_path: Path) -> None:
    parameters = {"learning_rate": {"values": [0.01, 0.02, 0.03]}, "epochs": {"value": 5}}
    file = write_sweep(tmp_path / "s.yaml", parameters, metric={**METRIC, "target": 0.2})
    assert run_sweep(file).returncode == 0
    assert len(rows(file)) == 1


@pytest.mark.slow
def test_another_sweep_under_the_same_name_is_refused(tmp_path: Path) -> None:
    file = write_sweep(tmp_path / "s.yaml", {"l2": {"values": [0, 0.1]}})
    assert run_sweep(file).returncode == 0
    for options in (["--epochs=7"], ["--seed=3"]):
        result = run_sweep(file, "--resume", *options)
        assert result.returncode == 2
        assert "differs from what the sweep 's' began with" in result.stderr


def test_threads_are_shared_out() -> None:
    from ffnn.sweep.process import environment

    code = "from ffnn.backend.threads import usable_cores; import numpy, threadpoolctl; " \
        "print(usable_cores(), *(pool['num_threads'] for pool in threadpoolctl.threadpool_info()))"  # fmt: skip
    printed = subprocess.run(
        [sys.executable, "-c", code], env=environment(1, Path("x")), capture_output=True, text=True, check=True
    ).stdout
    assert set(printed.split()) == {"1"}
