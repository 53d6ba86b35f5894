"""The runs of an experiment: those that are missing are trained, finished ones are kept.

Conditions that come to the same settings share their runs.
"""

from collections.abc import Iterable, Mapping, Sequence

from ffnn.catalogue import is_time
from ffnn.errors import FFNNError
from ffnn.lab.build import check_fits
from ffnn.lab.jobs import Job, Once, company_of, data_digests, finished_runs, run_jobs
from ffnn.lab.run import Notify
from ffnn.lab.workers import Workers, suitable_workers
from ffnn.terminal import to_stderr
from ffnn.tracking import Delivery, RunRecord


class Stopped(KeyboardInterrupt):
    """Ctrl-C, with the runs of each condition that were finished before it."""

    def __init__(self, records: Mapping[str, Sequence[RunRecord]]) -> None:
        super().__init__()
        self.records = records


def run_experiment(
    jobs: Sequence[Job], workers: Workers, notify: Notify, fresh: bool = False, stack: int = 1
) -> dict[str, list[RunRecord]]:
    """Run what has not been run yet, and give back all runs by condition.

    Workers and stack are those of `run_jobs`; `fresh` runs everything, whatever is there; `notify` takes lines for the
    user. A run that fails costs one line and its place in the result.

    Raises
    ------
    FFNNError
        If the data cannot be had, there is no memory for a run, or every run failed.
    Stopped
        After Ctrl-C.
    """
    digests = data_digests(jobs)
    finished = {} if fresh else finished_runs(jobs, digests)
    # Conditions that come to the same settings share their runs, which carry the name of the first.
    distinct: dict[str, Job] = {}
    for job in jobs:
        distinct.setdefault(job.config.digest(), job)
    waiting = [job for digest, job in distinct.items() if digest not in finished]
    done = len(distinct) - len(waiting)
    if done:
        notify(
            f"{done} of {len(distinct)} runs are already there, with the same settings, code and data: not run again"
        )
    for job in waiting:
        try:
            check_fits(job.config)
        except FFNNError as problem:
            raise FFNNError(f"condition {job.condition}: {problem}") from None
    records = dict(finished)
    try:
        company = None if fresh else company_of(jobs, digests, finished)
        if workers is None:
            workers = suitable_workers([job.config for job in waiting], stack=stack)
        if workers > 1 and waiting:
            notify(f"{workers} runs at a time")
        outcomes = run_jobs(waiting, workers, Once(notify), stack, company)
        for place, (job, outcome) in enumerate(outcomes, start=done + 1):
            if isinstance(outcome, RunRecord):
                records[job.config.digest()] = outcome
            notify(f"[{place}/{len(distinct)}] {job.condition}, seed {job.config.seed}: {_in_words(outcome)}")
    except KeyboardInterrupt:
        raise Stopped(_by_condition(jobs, records)) from None
    if not records:
        raise FFNNError(f"all {len(distinct)} runs failed; there is nothing to compare")
    return _by_condition(jobs, records)


def alone_if_timed(workers: Workers, measures: Iterable[str]) -> Workers:
    """One worker where it is left open and a measure is of time: what else runs beside a run makes it slower."""
    if workers is None and any(map(is_time, measures)):
        to_stderr("one run at a time, as times are compared")
        return 1
    return workers


def _by_condition(jobs: Sequence[Job], records: Mapping[str, RunRecord]) -> dict[str, list[RunRecord]]:
    runs: dict[str, list[RunRecord]] = {job.condition: [] for job in jobs}
    for job in jobs:
        if job.config.digest() in records:
            runs[job.condition].append(records[job.config.digest()])
    return runs


def _in_words(outcome: RunRecord | FFNNError) -> str:
    if isinstance(outcome, FFNNError):
        return f"failed: {outcome}"
    summary = outcome.summary
    delivery = Delivery.of(summary)
    remark = delivery.remark() if delivery else ""
    if "test/accuracy" not in summary:
        return f"{summary['status']}: {summary.get('reason', '')}{remark}"
    ended = "" if summary["status"] == "finished" else f", {summary['status']}"
    return (
        f"test accuracy {100 * summary['test/accuracy']:.2f} %, best epoch {summary['best/epoch']}, "
        f"{summary['time/total_seconds']:.1f} s{ended}{remark}"
    )
