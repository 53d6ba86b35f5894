"""Experiments: one YAML file a question, run for every condition and seed, then compared.

How the runs are made, several at a time and none twice, is in `ffnn.lab.jobs`.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ffnn.errors import FFNNError, nearest
from ffnn.lab.config import Config, Count, make_config, name_of, override
from ffnn.lab.jobs import Job, Once, data_digests, finished_runs, run_jobs
from ffnn.lab.run import Notify
from ffnn.lab.statistics import Mean, mean_of
from ffnn.tracking import RunRecord, load_yaml

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
    conditions: Annotated[dict[str, dict[str, Any]], Field(min_length=1)]
    seeds: Count = 3


def read_experiment(path: Path) -> Experiment:
    """The experiment in a file; FFNNError names what is wrong with it."""
    values = load_yaml(path)
    try:
        return Experiment.model_validate(values)
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"] if part != "[key]") or "the file"
        hint = nearest(place, Experiment.model_fields) if first["type"] == "extra_forbidden" else ""
        expected = _EXPECTED.get(first["type"], first["msg"])
        received = "nothing" if first["type"] == "missing" else repr(first["input"])
        raise FFNNError(f"{path}: {place}: expected {expected}; received {received}{hint}") from None


_EXPECTED = {
    "string_type": "text (in quotes, if YAML takes it for something else)",
    "dict_type": "names and values",
    "model_type": f"names and values: {', '.join(Experiment.model_fields)}",
    "missing": "a value",
    "too_short": "at least one condition",
    "extra_forbidden": f"only {', '.join(Experiment.model_fields)}",
    "int_type": "a whole number",
    "greater_than_equal": "at least 1",
}


def plan_jobs(experiment: Experiment, name: str, overrides: Mapping[str, Any], seeds: int | None = None) -> list[Job]:
    """Every run of the experiment, seeds innermost; `overrides` win over both base and condition."""
    for place, settings in {"the command line": overrides, "base": experiment.base, **experiment.conditions}.items():
        if "seed" in settings:
            raise FFNNError(f"{place}: an experiment runs seeds 0, 1, ... itself; expected --seeds=N, received seed")
    jobs = []
    for condition, differences in experiment.conditions.items():
        for seed in range(seeds or experiment.seeds):
            values = override(override(experiment.base, differences), overrides)
            dataset = name_of(values.get("dataset", Config.model_fields["dataset"].default))
            own = {
                "seed": seed,
                "name": f"{dataset}-{condition}",
                "group": f"{name}-{dataset}",
                "tags": [name, condition],
            }
            jobs.append(Job(condition, make_config({**own, **values, "seed": seed})))
    return jobs


def run_experiment(
    jobs: Sequence[Job], workers: int, notify: Notify, fresh: bool = False
) -> dict[str, list[RunRecord]]:
    """Run what has not been run yet, and give back all runs by condition.

    Parameters
    ----------
    jobs : sequence of Job
    workers : int >= 1
        Runs at a time.
    notify : callable
        Takes lines for the user. A run that fails costs one line and its place in the result.
    fresh : bool, default False
        Run everything, whatever is there.

    Raises
    ------
    FFNNError
        If the data cannot be had, or if every run failed.
    """
    digests = data_digests(jobs)
    there = {} if fresh else finished_runs(jobs, digests)
    waiting = [job for job in jobs if job.config.digest() not in there]
    if there:
        count = len(jobs) - len(waiting)
        notify(f"{count} of {len(jobs)} runs are already there, with the same settings, code and data: not run again")
    records = {id(job): there[job.config.digest()] for job in jobs if job.config.digest() in there}
    by_digest = {job.config.digest(): job for job in waiting}
    for place, (job, outcome) in enumerate(run_jobs(waiting, workers, Once(notify)), start=1):
        if isinstance(outcome, RunRecord):
            records[id(by_digest[job.config.digest()])] = outcome
        notify(f"[{place}/{len(waiting)}] {job.condition}, seed {job.config.seed}: {_in_words(outcome)}")
    if not records:
        raise FFNNError(f"all {len(jobs)} runs failed; there is nothing to compare")
    by_condition: dict[str, list[RunRecord]] = {job.condition: [] for job in jobs}
    for job in jobs:
        if id(job) in records:
            by_condition[job.condition].append(records[id(job)])
    return by_condition


def _in_words(outcome: RunRecord | FFNNError) -> str:
    if isinstance(outcome, FFNNError):
        return f"failed: {outcome}"
    summary = outcome.summary
    if "test/accuracy" not in summary:
        return f"{summary['status']}: {summary.get('reason', '')}"
    ended = "" if summary["status"] == "finished" else f", {summary['status']}"
    return (
        f"test accuracy {100 * summary['test/accuracy']:.2f} %, best epoch {summary['best/epoch']}, "
        f"{summary['time/total_seconds']:.1f} s{ended}"
    )


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
