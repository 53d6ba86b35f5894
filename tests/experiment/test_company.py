"""Two processes at one experiment: every run is made once, and what a killed one held is made by the other."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pytest

from ffnn.experiment.runs import run_experiment
from ffnn.lab.company import Company, refuse
from ffnn.lab.config import make_config
from ffnn.lab.jobs import Job, company_of, data_digests, run_jobs
from ffnn.tracking import find_runs, read_run

TINY = {"dataset": "digits", "epochs": 1, "batch_size": 1000, "hidden_layers": [8], "wandb": "disabled"}
HOLD = """
import sys, time
from pathlib import Path
from ffnn.locks import exclusive
with exclusive(Path(sys.argv[1]), print):
    print("held", flush=True)
    time.sleep(600)
"""


def jobs_in(folder: Path, seeds: int = 3) -> list[Job]:
    settings = {**TINY, "runs_dir": str(folder), "group": "g"}
    return [Job("a", make_config({**settings, "seed": seed})) for seed in range(seeds)]


@pytest.mark.parametrize("stack", [1, 3])
def test_what_another_process_made_since_the_first_look_is_used(tmp_path: Path, stack: int) -> None:
    jobs = jobs_in(tmp_path)
    company = company_of(jobs, data_digests(jobs), {})
    (first,) = (record.path for _, record in run_jobs(jobs[1:2], 1, lambda line: None, company=company))
    said: list[str] = []
    made = dict(zip(range(3), (record for _, record in run_jobs(jobs, 1, said.append, stack, company)), strict=True))
    assert [line for line in said if "another process" in line] == [
        "a, seed 1: another process has made it; not run again"
    ]
    assert made[1].path == first
    assert len(find_runs(tmp_path)) == 3
    assert [path.name for path in (tmp_path / "g").iterdir() if path.name.startswith(".")] == []


def test_a_run_that_is_over_is_read_once_however_many_claims_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = jobs_in(tmp_path, seeds=1)
    folder, digest = tmp_path / "g", jobs[0].config.digest()
    for name, status in (("a", "finished"), ("b", "diverged"), ("c", "running")):
        (folder / name).mkdir(parents=True)
        (folder / name / "summary.json").write_text(json.dumps({"status": status, "config_digest": name}))
    (folder / "runs.csv").touch()
    reads: Counter[str] = Counter()
    read = Path.read_text

    def counted(path: Path, *arguments: Any, **options: Any) -> str:
        reads[path.parent.name] += path.name == "summary.json"
        return read(path, *arguments, **options)

    monkeypatch.setattr(Path, "read_text", counted)
    company = Company({digest: "of the data"}, frozenset())
    for _ in range(3):
        with company.claimed(jobs[0].config, refuse) as made:
            assert made is None
    assert (reads["a"], reads["b"], reads["c"]) == (1, 1, 3)
    (folder / "c" / "summary.json").write_text(json.dumps({"status": "finished", "config_digest": digest}))
    (folder / "c" / "config.yaml").write_text("seed: 0\n")
    (folder / "c" / "environment.json").write_text('{"data": {"digest": "of the data"}}')
    with company.claimed(jobs[0].config, refuse) as made:
        assert made
        assert made.path == folder / "c"


def test_a_pool_hears_of_the_others_once_and_not_with_every_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = jobs_in(tmp_path, seeds=1)
    company = company_of(jobs, data_digests(jobs), {})
    first = [record for _, record in run_jobs(jobs, 1, lambda line: None, company=company)]
    handed: list[tuple[Any, ...]] = []

    class Pool:
        def __init__(
            self, workers: int, context: object, initializer: Callable[..., None], initargs: tuple[Any, ...]
        ) -> None:
            initializer(*initargs)

        def submit(self, call: Callable[..., Any], *arguments: Any) -> "Future[Any]":
            handed.append(arguments)
            future: Future[Any] = Future()
            future.set_result(call(*arguments))
            return future

        def __enter__(self) -> "Pool":
            return self

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr("ffnn.lab.jobs.ProcessPoolExecutor", Pool)
    again = copy_context().run(lambda: [record for _, record in run_jobs(jobs, 2, print, company=company)])
    assert again == first
    assert len(handed) == 1
    assert company not in handed[0]


@pytest.mark.posix
def test_a_run_under_way_elsewhere_is_left_for_the_end_and_made_here_if_its_maker_dies(tmp_path: Path) -> None:
    jobs = jobs_in(tmp_path)
    lock = tmp_path / "g" / f".{jobs[0].config.digest()}.lock"
    lock.parent.mkdir()
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    said: list[str] = []

    def notify(line: str) -> None:
        said.append(line)
        if "another process is making" in line:
            holder.kill()
            holder.communicate()

    seeds = [job.config.seed for job, _ in run_jobs(jobs, 1, notify, company=company_of(jobs, data_digests(jobs), {}))]
    assert seeds == [1, 2, 0]
    assert len(find_runs(tmp_path)) == 3


def test_fresh_runs_are_made_whatever_others_do(tmp_path: Path) -> None:
    jobs = jobs_in(tmp_path, seeds=1)
    for _ in range(2):
        run_experiment(jobs, 1, lambda line: None, fresh=True)
    assert len(find_runs(tmp_path)) == 2


def until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.05)


def begin(folder: Path, *options: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "ffnn", "run", "e.yaml", "--dataset=digits", "--wandb=disabled", *options]
    with (folder / "output").open("a") as output:  # a pipe would be held by the workers that outlive a killed command
        return subprocess.Popen(command, cwd=folder, stdout=output, stderr=output, text=True)


def statuses(folder: Path) -> list[str]:
    runs = find_runs(folder / "runs") if (folder / "runs").is_dir() else []
    return [str(read_run(path).summary.get("status")) for path in runs]


@pytest.mark.slow
@pytest.mark.posix
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("kill", [False, True], ids=["both-live", "one-killed"])
def test_two_commands_at_once_make_every_run_once(tmp_path: Path, kill: bool, workers: int) -> None:
    base = "{epochs: 150, hidden_layers: [16], batch_size: 64, engine: numpy}"
    (tmp_path / "e.yaml").write_text(
        f"question: Is it so?\nexpected: It is.\nbase: {base}\nseeds: 3\n"
        "conditions: {a: {}, b: {optimizer: sgd}}\n"
    )
    first, second = (begin(tmp_path, f"--workers={workers}") for _ in range(2))
    if kill:
        until(lambda: "finished" in statuses(tmp_path) and "running" in statuses(tmp_path), "a run under way")
        os.kill(first.pid, 9)
    codes = [process.wait(timeout=300) for process in (first, second)]
    output = (tmp_path / "output").read_text()
    assert codes == [-9 if kill else 0, 0], output
    until(lambda: "running" not in statuses(tmp_path) or kill, "the last run")
    finished = [
        read_run(path) for path in find_runs(tmp_path / "runs") if read_run(path).summary["status"] == "finished"
    ]
    assert sorted(Counter(run.summary["config_digest"] for run in finished).values()) == [1] * 6
    assert kill or "another process has made it" in output
    assert len(statuses(tmp_path)) <= (6 if not kill else 6 + workers)
