"""Running many runs: which are there already, several at a time, and what happens when one fails.

A run is known by the hash of its config and of the code, and by the data it used, so an interrupted
experiment goes on where it stopped and nothing is trained twice.
"""

import json
import os
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor
from concurrent.futures import wait as wait_for
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

from ffnn.backend import engine_class
from ffnn.backend.threads import usable_cores
from ffnn.data import load
from ffnn.errors import FFNNError
from ffnn.lab.company import OVER, Company, TakenError, refuse
from ffnn.lab.config import Config
from ffnn.lab.run import Notify, train
from ffnn.lab.stacked import Member, stack_key, train_stacked
from ffnn.memory import RAN_OUT
from ffnn.processes import end_with_parent
from ffnn.tracking import RunRecord, find_runs, read_run
from ffnn.training.callbacks import ProgressBar
from ffnn.training.trainer import Callback
from ffnn.words import count_of

Outcome = RunRecord | FFNNError | TakenError
_COMPANY: ContextVar[Company | None] = ContextVar("_COMPANY", default=None)
"""In a process of a pool: what it knows of the others, which grows with every claim and is too much for each batch."""

KILLED = (
    "a process was killed, and what all of them were making is lost: run it again; "
    "if memory ran out, take fewer --workers"
)
"""Nobody can tell which of a pool's processes it was: Python ends them all."""


@dataclass(frozen=True)
class Job:
    """One run to be made, under the condition of an experiment."""

    condition: str
    config: Config


class Once:
    """Passes a line on unless an earlier one was the same up to its first semicolon; a run's folder comes after it."""

    def __init__(self, notify: Notify) -> None:
        self._notify = notify
        self._said: set[str] = set()

    def __call__(self, line: str) -> None:
        beginning = line.partition(";")[0]
        if beginning not in self._said:
            self._said.add(beginning)
            self._notify(line)


def run_jobs(
    jobs: Sequence[Job], workers: int, notify: Notify, stack: int = 1, company: Company | None = None
) -> Iterator[tuple[Job, RunRecord | FFNNError]]:
    """Run the jobs, and give each back as it ends with its record, or with the error that it ended in.

    Parameters
    ----------
    workers : int >= 1
        Processes at a time; more than one have their share of the cores.
    notify : callable
        Takes lines for the user.
    stack : int >= 1
        Networks that a process trains as one, where they have one shape (`ffnn.lab.stacked`).
    company : Company, optional
        Other processes that may make the same runs: what they are making is left for the end, and used.

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C, when the runs under way have ended as "stopped"; no other is begun.
    """
    share = -(-len(jobs) // workers)  # a larger stack would leave a process without work
    batches = in_stacks(jobs, min(stack, share))
    if stack > 1 and jobs:
        notify(_stacks_in_words(batches))
    later: list[Job] = []
    for job, outcome in _run_batches(batches, workers, notify, company, wait=False):
        if isinstance(outcome, TakenError):
            later.append(job)
        else:
            yield job, outcome
    if later:
        notify(f"another process is making what is left, {count_of(len(later), 'run')}; waiting for it")
    for job, outcome in _run_batches([[job] for job in later], workers, notify, company, wait=True):
        if not isinstance(outcome, TakenError):
            yield job, outcome


def _run_batches(
    batches: Sequence[list[Job]], workers: int, notify: Notify, company: Company | None, wait: bool
) -> Iterator[tuple[Job, Outcome]]:
    if workers == 1:
        for batch in batches:
            show = ProgressBar(transient=True) if sys.stderr.isatty() else Callback()
            yield from _until_stopped(batch, _run_claimed(batch, notify, show, None, company, wait))
        return
    waiting = deque(batches)
    while waiting:
        yield from _run_in_pool(waiting, workers, notify, company, wait)


def _run_in_pool(
    waiting: deque[list[Job]], workers: int, notify: Notify, company: Company | None, wait: bool
) -> Iterator[tuple[Job, Outcome]]:
    """Run batches until none is waiting or a process was killed, which no pool outlives."""
    threads = max(1, usable_cores() // workers)
    # Spawned, not forked: BLAS and W&B have threads, and those do not survive a fork.
    with ProcessPoolExecutor(workers, get_context("spawn"), _meet, (company, sys.orig_argv)) as pool:

        def begin() -> None:
            with suppress(BrokenProcessPool):  # then it is left for the next pool
                under_way[pool.submit(_run_quietly, waiting[0], threads, wait)] = waiting[0]
                waiting.popleft()

        # No more are handed over than run: what waits in the pool could not be called back.
        under_way: dict[Future[Any], list[Job]] = {}
        for _ in range(min(workers, len(waiting))):
            begin()
        while under_way:
            for future in wait_for(under_way, return_when=FIRST_COMPLETED).done:
                batch = under_way.pop(future)
                lines: list[str] = []
                try:
                    outcomes, lines = future.result()
                except BrokenProcessPool:
                    outcomes = [FFNNError(KILLED) for _ in batch]
                if waiting:
                    begin()
                for line in lines:
                    notify(line)
                yield from _until_stopped(batch, outcomes)


def _run_claimed(
    batch: Sequence[Job], notify: Notify, show: Callback, threads: int | None, company: Company | None, wait: bool
) -> list[Outcome]:
    """Run those of a batch that nobody else is making; for others what became of them, TakenError if that is open."""
    if company is None:
        return list(_run(batch, notify, show, threads))
    outcomes: dict[str, Outcome] = {}
    with ExitStack() as claims:
        mine: list[Job] = []
        for job in batch:
            try:
                taken = _wait if wait else refuse
                record = claims.enter_context(company.claimed(job.config, taken))
            except (TakenError, FFNNError) as problem:
                outcomes[job.config.digest()] = problem
                continue
            if record is None:
                mine.append(job)
            else:
                outcomes[job.config.digest()] = record
                notify(f"{job.condition}, seed {job.config.seed}: another process has made it; not run again")
        trained = _run(mine, notify, show, threads) if mine else []
        outcomes |= {job.config.digest(): outcome for job, outcome in zip(mine, trained, strict=True)}
    return [outcomes[job.config.digest()] for job in batch]


def _wait(who: str) -> None:
    """For `claimed`: wait until the other process has made the run, without a word."""


def _stacks_in_words(batches: Sequence[Sequence[Job]]) -> str:
    stacks, runs = [len(batch) for batch in batches if len(batch) > 1], sum(map(len, batches))
    if not stacks:
        return f"stacks: none, as no two of {count_of(runs, 'run')} can share their steps: see `ffnn run --help`"
    return f"stacks: {sum(stacks)} of {count_of(runs, 'run')} are trained in {count_of(len(stacks), 'stack')}"


def _until_stopped(jobs: Sequence[Job], outcomes: Sequence[Outcome]) -> Iterator[tuple[Job, Outcome]]:
    """Jobs with their outcomes; after them KeyboardInterrupt, if any run was stopped, which is then left out."""
    stopped = False
    for job, outcome in zip(jobs, outcomes, strict=True):
        if isinstance(outcome, RunRecord) and outcome.summary["status"] == "stopped":
            stopped = True
        else:
            yield job, outcome
    if stopped:
        raise KeyboardInterrupt


def in_stacks(jobs: Sequence[Job], size: int) -> list[list[Job]]:
    """The jobs in batches, of at most so many that can be trained as one stack, in the order of their first ones.

    Examples
    --------
    >>> from ffnn.lab.config import make_config
    >>> configs = [make_config({"seed": seed, "hidden_layers": [units]}) for seed in (0, 1, 2) for units in (8, 16)]
    >>> batches = in_stacks([Job("", config) for config in configs], 2)
    >>> [[(job.config.hidden_layers[0], job.config.seed) for job in batch] for batch in batches]
    [[(8, 0), (8, 1)], [(16, 0), (16, 1)], [(8, 2)], [(16, 2)]]
    """
    batches: list[list[Job]] = []
    open_ones: dict[str, list[Job]] = {}
    for job in jobs:
        key = stack_key(job.config) if size > 1 else None
        batch = open_ones.get(key) if key else None
        if batch is None or len(batch) == size:
            batch = []
            batches.append(batch)
            if key:
                open_ones[key] = batch
        batch.append(job)
    return batches


def _run(jobs: Sequence[Job], notify: Notify, progress: Callback, threads: int | None) -> list[RunRecord | FFNNError]:
    """Run one job, or several as a stack, of which the first one shows its progress."""
    if len(jobs) == 1:
        try:
            return [train(jobs[0].config, notify, progress, max_threads=threads)]
        except FFNNError as problem:
            return [problem]
        except MemoryError:
            return [FFNNError(RAN_OUT)]
    shows = [progress, *(Callback() for _ in jobs[1:])]
    members = [Member(job.config, notify, show) for job, show in zip(jobs, shows, strict=True)]
    try:
        train_stacked(members, threads)
    except FFNNError as problem:
        return [member.outcome or problem for member in members]
    except MemoryError:
        return [member.outcome or FFNNError(RAN_OUT) for member in members]
    return [member.outcome for member in members if member.outcome is not None]


def _meet(company: Company | None, command: list[str]) -> None:
    """Begin a process of a pool, which stops its run and ends when the command is killed that it works for."""
    _COMPANY.set(company)
    sys.orig_argv[:] = command  # what its runs record; multiprocessing does so with sys.argv
    end_with_parent()


def _run_quietly(jobs: Sequence[Job], threads: int, wait: bool) -> tuple[list[Outcome], list[str]]:
    """Runs that show nothing, and the lines they had for the user."""
    lines: list[str] = []
    outcomes = _run_claimed(jobs, lines.append, Callback(), threads, _COMPANY.get(), wait)
    parent = parent_process()
    if parent and not parent.is_alive():  # nobody takes the outcomes, and a pool's process would wait for ever
        os._exit(0)
    return outcomes, lines


def data_digests(jobs: Sequence[Job]) -> dict[str, str]:
    """The digest of each data set of the jobs, by `_data`, loaded here so that it is downloaded, or refused, once."""
    for engine in {job.config.engine for job in jobs}:
        engine_class(engine).check()
    configs = {_data(job.config): job.config for job in jobs}
    return {data: load(config.dataset, config.data_dir).digest for data, config in configs.items()}


def _data(config: Config) -> str:
    return json.dumps([config.dataset, config.data_dir])


def company_of(jobs: Sequence[Job], digests: Mapping[str, str], existing: Mapping[str, RunRecord]) -> Company:
    """What to know of other processes at these jobs, of which some are there already."""
    data = {job.config.digest(): digests[_data(job.config)] for job in jobs}
    return Company(data, frozenset(record.path for record in existing.values()))


def finished_runs(jobs: Sequence[Job], digests: Mapping[str, str]) -> dict[str, RunRecord]:
    """Runs, finished or diverged, of these jobs on the data as they are now, by the digest of their config."""
    folders = {Path(job.config.runs_dir) / job.config.group for job in jobs}
    runs = (read_run(path) for folder in folders if folder.is_dir() for path in find_runs(folder))
    finished = {str(run.summary.get("config_digest")): run for run in runs if run.summary.get("status") in OVER}
    same = {}
    for digest, job in {job.config.digest(): job for job in jobs}.items():
        earlier = finished.get(digest)
        if earlier and earlier.environment.get("data", {}).get("digest") == digests[_data(job.config)]:
            same[digest] = earlier
    return same
