"""Experiments: one YAML file a question, run for every condition and seed, then compared.

A run is known by the hash of its config, so an interrupted experiment goes on where it stopped and
nothing is trained twice.
"""

import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ffnn.backend.threads import usable_cores
from ffnn.errors import FFNNError
from ffnn.lab.config import Config, Count, make_config, name_of
from ffnn.lab.run import Notify, train
from ffnn.lab.statistics import Mean, mean_of
from ffnn.lab.values import with_overrides
from ffnn.tracking import RunRecord, find_runs, load_yaml, read_run
from ffnn.training.callbacks import ProgressBar
from ffnn.training.trainer import Callback

TABLE = {
    "best/val/accuracy": ("val acc. %", 100.0, 2),
    "test/accuracy": ("test acc. %", 100.0, 2),
    "test/macro_f1": ("macro F1 %", 100.0, 2),
    "time/train_seconds": ("train s", 1.0, 2),
}
"""Columns of the comparison: summary key, heading, scale and digits."""


class Experiment(BaseModel):
    """What an experiment file says.

    Attributes
    ----------
    question : str
        What is asked.
    expected : str
        What one expects to find, written down before the runs.
    base : dict
        Settings of all runs.
    conditions : dict
        For each condition, by name, the settings that differ.
    seeds : int
        Every condition runs with seeds 0, 1, ..., seeds - 1.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: str
    expected: str
    base: dict[str, Any]
    conditions: dict[str, dict[str, Any]]
    seeds: Count = 3


@dataclass(frozen=True)
class Job:
    """One run of an experiment."""

    condition: str
    config: Config


class Once:
    """Passes a line on unless one with the same beginning, up to its first semicolon, was passed on before.

    Every run of an experiment has the same to say about W&B or the machine; what follows the
    semicolon is the run's own folder.
    """

    def __init__(self, notify: Notify) -> None:
        self._notify = notify
        self._said: set[str] = set()

    def __call__(self, line: str) -> None:
        beginning = line.partition(";")[0]
        if beginning not in self._said:
            self._said.add(beginning)
            self._notify(line)


def read_experiment(path: Path) -> Experiment:
    """The experiment in a file; FFNNError names what is wrong with it."""
    values = load_yaml(path)
    try:
        return Experiment.model_validate(values)
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        wanted = ", ".join(Experiment.model_fields)
        raise FFNNError(f"{path}: {place}: {first['msg'].lower()}; an experiment has {wanted}") from None


def plan_jobs(experiment: Experiment, name: str, overrides: Mapping[str, Any], seeds: int | None = None) -> list[Job]:
    """Every run of the experiment, seeds innermost; `overrides` win over both base and condition."""
    jobs = []
    for condition, differences in experiment.conditions.items():
        for seed in range(seeds or experiment.seeds):
            values = with_overrides(with_overrides(experiment.base, differences), overrides)
            dataset = name_of(values.get("dataset", Config.model_fields["dataset"].default))
            own = {
                "seed": seed,
                "name": f"{dataset}-{condition}",
                "group": f"{name}-{dataset}",
                "tags": [name, condition],
            }
            jobs.append(Job(condition, make_config({**own, **values, "seed": seed})))
    return jobs


def run_experiment(jobs: Sequence[Job], workers: int, notify: Notify) -> dict[str, list[RunRecord]]:
    """Run what has not been run yet, and give back all runs by condition.

    Parameters
    ----------
    jobs : sequence of Job
    workers : int >= 1
        Runs at a time, each in a process of its own with its share of the cores.
    notify : callable
        Takes lines for the user.
    """
    records: dict[int, RunRecord] = {}
    finished = _finished_runs(jobs)
    for number, job in enumerate(jobs):
        if job.config.digest() in finished:
            records[number] = finished[job.config.digest()]
    if records:
        notify(f"{len(records)} of {len(jobs)} runs are already there with the very same settings: not run again")
    waiting = [number for number in range(len(jobs)) if number not in records]
    once = Once(notify)
    for place, (number, record) in enumerate(_run_all(jobs, waiting, workers, once), start=1):
        records[number] = record
        notify(f"[{place}/{len(waiting)}] {jobs[number].condition}, seed {jobs[number].config.seed}: {_result(record)}")
    by_condition: dict[str, list[RunRecord]] = {job.condition: [] for job in jobs}
    for number, job in enumerate(jobs):
        if number in records:
            by_condition[job.condition].append(records[number])
    return by_condition


def _run_all(
    jobs: Sequence[Job], waiting: Sequence[int], workers: int, notify: Notify
) -> Iterator[tuple[int, RunRecord]]:
    if workers == 1:
        show = ProgressBar(transient=True) if sys.stderr.isatty() else Callback()
        for number in waiting:
            yield number, train(jobs[number].config, notify, show)
        return
    # Spawned, not forked: BLAS and W&B have threads, and those do not survive a fork.
    share = max(1, usable_cores() // workers)
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        futures = {pool.submit(_train_quietly, jobs[number], share): number for number in waiting}
        try:
            for future in as_completed(futures):
                record, lines = future.result()
                for line in lines:
                    notify(line)
                yield futures[future], record
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _result(record: RunRecord) -> str:
    """A run in a few words."""
    summary = record.summary
    if "test/accuracy" not in summary:
        return f"{summary['status']}: {summary.get('reason', '')}"
    ended = "" if summary["status"] == "finished" else f", {summary['status']}"
    return (
        f"test accuracy {100 * summary['test/accuracy']:.2f} %, best epoch {summary['best/epoch']}, "
        f"{summary['time/total_seconds']:.1f} s{ended}"
    )


def _train_quietly(job: Job, threads: int) -> tuple[RunRecord, list[str]]:
    """A run on its share of the cores that shows nothing, and the lines it had for the user."""
    lines: list[str] = []
    return train(job.config, lines.append, Callback(), max_threads=threads), lines


def _finished_runs(jobs: Sequence[Job]) -> dict[str, RunRecord]:
    """Finished runs of these jobs' groups by digest; a diverged run is finished too."""
    found = {}
    for folder in {Path(job.config.runs_dir) / job.config.group for job in jobs}:
        for path in find_runs(folder) if folder.is_dir() else []:
            record = read_run(path)
            if record.summary.get("status") in ("finished", "diverged"):
                found[str(record.summary.get("config_digest"))] = record
    return found


def compare(records: Mapping[str, Sequence[RunRecord]]) -> dict[str, dict[str, Mean]]:
    """For each condition, the mean of every column of `TABLE` over its runs."""
    return {
        condition: {key: mean_of([run.summary[key] for run in runs if key in run.summary]) for key in TABLE}
        for condition, runs in records.items()
    }


def write_csv(records: Mapping[str, Sequence[RunRecord]], path: Path) -> None:
    """One row a run: condition, seed, status, and every number of its summary."""
    rows = [
        {"condition": condition, "seed": run.config["seed"], "run": run.path.name, **_numbers(run.summary)}
        for condition, runs in records.items()
        for run in runs
    ]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def _numbers(summary: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in summary.items() if isinstance(value, int | float | str)}
