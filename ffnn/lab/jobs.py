"""Running many runs: which are there already, several at a time, and what happens when one fails.

A run is known by the hash of its config and of the code, and by the data it used, so an interrupted
experiment goes on where it stopped and nothing is trained twice.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from ffnn.backend.threads import usable_cores
from ffnn.data import load
from ffnn.errors import FFNNError
from ffnn.lab.config import Config
from ffnn.lab.run import Notify, train
from ffnn.tracking import RunRecord, find_runs, read_run
from ffnn.training.callbacks import ProgressBar
from ffnn.training.trainer import Callback


@dataclass(frozen=True)
class Job:
    """One run to be made, under the condition of an experiment."""

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


def run_jobs(jobs: Sequence[Job], workers: int, notify: Notify) -> Iterator[tuple[Job, RunRecord | FFNNError]]:
    """Run the jobs, and give each back as it ends with its record, or with the error that it ended in.

    Parameters
    ----------
    jobs : sequence of Job
    workers : int >= 1
        Runs at a time; more than one run in processes of their own, with their share of the cores.
    notify : callable
        Takes lines for the user.

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C, when the runs under way have ended as "stopped"; no other is begun.
    """
    if workers == 1:
        show = ProgressBar(transient=True) if sys.stderr.isatty() else Callback()
        for job in jobs:
            yield job, _run(job, notify, show, None)
        return
    # Spawned, not forked: BLAS and W&B have threads, and those do not survive a fork.
    threads, rest = max(1, usable_cores() // workers), iter(jobs)
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        # No more are handed over than run: what waits in the pool could not be called back.
        under_way: dict[Future[Any], Job] = {}
        for job in islice(rest, workers):
            under_way[pool.submit(_run_quietly, job, threads)] = job
        while under_way:
            for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                job = under_way.pop(future)
                outcome, lines = future.result()
                for following in islice(rest, 1):
                    under_way[pool.submit(_run_quietly, following, threads)] = following
                for line in lines:
                    notify(line)
                yield job, outcome


def _run(job: Job, notify: Notify, progress: Callback, threads: int | None) -> RunRecord | FFNNError:
    try:
        record = train(job.config, notify, progress, max_threads=threads)
    except FFNNError as problem:
        return problem
    if record.summary["status"] == "stopped":
        raise KeyboardInterrupt
    return record


def _run_quietly(job: Job, threads: int) -> tuple[RunRecord | FFNNError, list[str]]:
    """A run that shows nothing, and the lines it had for the user."""
    lines: list[str] = []
    return _run(job, lines.append, Callback(), threads), lines


def data_digests(jobs: Sequence[Job]) -> dict[str, str]:
    """The digest of each data set that the jobs use, by `_data`.

    Loading them here, once, downloads what is absent before workers would each do it, and what
    cannot be had is said once and not by every run.
    """
    configs = {_data(job.config): job.config for job in jobs}
    return {data: load(config.dataset, config.data_dir).digest for data, config in configs.items()}


def _data(config: Config) -> str:
    return json.dumps([config.dataset, config.data_dir])


def finished_runs(jobs: Sequence[Job], digests: Mapping[str, str]) -> dict[str, RunRecord]:
    """Runs of these jobs that are there already, on the data as they are now, by the digest of their config.

    A diverged run is finished, too. `digests` is what `data_digests` gives.
    """
    found = {}
    for folder in {Path(job.config.runs_dir) / job.config.group for job in jobs}:
        for path in find_runs(folder) if folder.is_dir() else []:
            record = read_run(path)
            if record.summary.get("status") in ("finished", "diverged"):
                found[str(record.summary.get("config_digest"))] = record
    same = {}
    for job in jobs:
        record_there = found.get(job.config.digest())
        if record_there and record_there.environment.get("data", {}).get("digest") == digests[_data(job.config)]:
            same[job.config.digest()] = record_there
    return same
