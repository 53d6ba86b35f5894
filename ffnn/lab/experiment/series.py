"""A series of experiments: files in; runs, tables and verdicts out.

Several files end in one table that says of each what was expected, what was found and how certain it is.
"""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from ffnn.errors import FFNNError
from ffnn.lab.config import name_of
from ffnn.lab.experiment.comparison import Comparison, compare
from ffnn.lab.experiment.file import Experiment, plan_jobs, read_experiment
from ffnn.lab.experiment.present import present_experiment, present_summary
from ffnn.lab.jobs import Job, Once, data_digests, finished_runs, run_jobs
from ffnn.lab.run import Notify
from ffnn.tracking import RunRecord


def run_files(files: Sequence[Path], settings: Mapping[str, Any], seeds: int | None, workers: int, fresh: bool) -> bool:
    """Run experiment files one after the other and present each, and several in a table at the end.

    Parameters
    ----------
    files : sequence of Path
        All are read before the first run, so a mistake in the last costs nothing.
    settings : mapping
        For all runs, over those of the files.
    seeds : int, optional
        Instead of the files' own.
    workers : int >= 1
    fresh : bool

    Returns
    -------
    bool
        Whether every run of every experiment is there.

    Raises
    ------
    FFNNError
        If a file is wrong. Of a single file, also if it could not be run; of several, that costs its row.
    """
    read = {path: read_experiment(path, settings) for path in files}
    planned = {path: plan_jobs(experiment, path.stem, settings, seeds) for path, experiment in read.items()}
    outcomes: dict[str, Comparison | FFNNError] = {}
    complete = True
    for path, experiment in read.items():
        jobs = planned[path]
        try:
            records = _run(experiment, path, jobs, workers, fresh)
        except FFNNError as problem:
            if len(files) == 1:
                raise
            outcomes[path.stem], complete = problem, False
            _say(f"{path}: {problem}")
            continue
        comparison = compare(experiment, records)
        present_experiment(comparison, jobs[0].config, records, _command(path, settings, seeds))
        outcomes[path.stem] = comparison
        complete = complete and sum(map(len, records.values())) == len(jobs)
    if len(files) > 1:
        datasets = dict.fromkeys(name_of(jobs[0].config.dataset) for jobs in planned.values())
        present_summary(f"{len(files)} experiments on {', '.join(datasets)}", outcomes)
    return complete


def _command(path: Path, settings: Mapping[str, Any], seeds: int | None) -> str:
    """The command line that runs a file with these settings."""
    options = {**settings, **({"seeds": seeds} if seeds else {})}
    return shlex.join(["ffnn", "run", str(path), *(f"--{name}={value}" for name, value in options.items())])


def _run(
    experiment: Experiment, path: Path, jobs: Sequence[Job], workers: int, fresh: bool
) -> dict[str, list[RunRecord]]:
    if experiment.search is None:
        return run_experiment(jobs, workers, _say, fresh)
    # Searches need Optuna, which takes its time to load.
    from ffnn.lab.experiment.search import run_searches

    return run_searches(experiment, path.absolute().parent.parent, jobs, workers, _say, fresh)


def _say(line: str) -> None:
    click.echo(line, err=True)


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
    # Conditions that come to the same settings share their runs.
    waiting = list({d: job for job in jobs if (d := job.config.digest()) not in there}.values())
    count = sum(job.config.digest() in there for job in jobs)
    if count:
        notify(f"{count} of {len(jobs)} runs are already there, with the same settings, code and data: not run again")
    records = dict(there)
    for place, (job, outcome) in enumerate(run_jobs(waiting, workers, Once(notify)), start=1):
        if isinstance(outcome, RunRecord):
            records[job.config.digest()] = outcome
        notify(f"[{place}/{len(waiting)}] {job.condition}, seed {job.config.seed}: {_in_words(outcome)}")
    if not records:
        raise FFNNError(f"all {len(jobs)} runs failed; there is nothing to compare")
    by_condition: dict[str, list[RunRecord]] = {job.condition: [] for job in jobs}
    for job in jobs:
        if job.config.digest() in records:
            by_condition[job.condition].append(records[job.config.digest()])
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
