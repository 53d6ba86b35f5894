"""A series of experiments: checked files in; runs, tables and verdicts out.

Several files end in one table that says of each what was expected, what was found and how certain it is, also when
one of them fails or the user stops the series.
"""

import shlex
from collections.abc import Mapping, Sequence

from ffnn.errors import FFNNError
from ffnn.lab.build import check_fits
from ffnn.lab.config import name_of
from ffnn.lab.experiment.check import Checked
from ffnn.lab.experiment.comparison import Comparison, compare
from ffnn.lab.experiment.present import leave_files, present_comparison, present_summary
from ffnn.lab.experiment.words import plan_in_words, replaced_in_words
from ffnn.lab.jobs import Job, Once, company_of, data_digests, finished_runs, run_jobs
from ffnn.lab.run import Notify
from ffnn.terminal import to_stderr
from ffnn.tracking import Delivery, RunRecord


class Stopped(KeyboardInterrupt):
    """Ctrl-C, with what was finished before it.

    Parameters
    ----------
    records : mapping from condition to its runs
    """

    def __init__(self, records: Mapping[str, Sequence[RunRecord]]) -> None:
        super().__init__()
        self.records = records


def run_series(checked: Sequence[Checked], workers: int, fresh: bool, stack: int = 1) -> bool:
    """Run experiments one after the other and present each, and several in a table at the end.

    Parameters
    ----------
    checked : sequence of Checked
    workers : int >= 1
    fresh : bool
    stack : int >= 1
        As for `run_jobs`.

    Returns
    -------
    bool
        Whether every run of every experiment is there.

    Raises
    ------
    FFNNError
        If a single experiment could not be run; of several, that costs its row.
    KeyboardInterrupt
        After Ctrl-C, when what there is has been presented.
    """
    outcomes: dict[str, Comparison | str] = dict.fromkeys((str(one.path.stem) for one in checked), "not begun")
    complete = True
    try:
        for place, one in enumerate(checked):
            name = one.path.stem
            to_stderr(("\n" if place else "") + plan_in_words(one))
            for line in replaced_in_words(one):
                to_stderr(line)
            # What it becomes if anything unforeseen ends the series here.
            outcomes[name] = "broke off"
            try:
                outcomes[name] = comparison = _run_and_present(one, workers, fresh, stack)
                complete = complete and comparison.runs == len(one.jobs)
            except FFNNError as problem:
                if len(checked) == 1:
                    raise
                outcomes[name], complete = f"not run: {problem}", False
                to_stderr(f"{one.path}: {problem}")
            except Stopped as stopped:
                outcomes[name] = _present_stopped(one, stopped)
                raise
    finally:
        if len(checked) > 1:
            datasets = dict.fromkeys(name_of(one.jobs[0].config.dataset) for one in checked)
            present_summary(f"{len(checked)} experiments on {', '.join(datasets)}", outcomes)
    return complete


def _run_and_present(one: Checked, workers: int, fresh: bool, stack: int) -> Comparison:
    records = _run(one, workers, fresh, stack)
    comparison = compare(one.experiment, records, one.seeds)
    present_comparison(comparison, one.jobs[0].config.group)
    leave_files(comparison, one.jobs[0].config, records, _command(one))
    return comparison


def _present_stopped(one: Checked, stopped: Stopped) -> Comparison | str:
    """Show what was finished before Ctrl-C; files are left to the command that goes on."""
    if not any(stopped.records.values()):
        return "stopped before the first run was finished"
    comparison = compare(one.experiment, stopped.records, one.seeds)
    if stopped.records.get(comparison.reference):
        present_comparison(comparison, one.jobs[0].config.group)
    else:
        to_stderr(f"none of the finished runs is of {comparison.reference}, to which the others are to be compared")
    return comparison


def _command(one: Checked) -> str:
    """The command line that runs a file with these settings."""
    options = {**one.settings, "seeds": one.seeds}
    return shlex.join(["ffnn", "run", str(one.path), *(f"--{name}={value}" for name, value in options.items())])


def _run(one: Checked, workers: int, fresh: bool, stack: int) -> dict[str, list[RunRecord]]:
    if one.experiment.search is None:
        return run_experiment(one.jobs, workers, to_stderr, fresh, stack)
    # Searches need Optuna, which takes its time to load.
    from ffnn.lab.experiment.search import run_searches

    return run_searches(one.experiment, one.path.absolute().parent.parent, one.jobs, workers, to_stderr, fresh, stack)


def run_experiment(
    jobs: Sequence[Job], workers: int, notify: Notify, fresh: bool = False, stack: int = 1
) -> dict[str, list[RunRecord]]:
    """Run what has not been run yet, and give back all runs by condition.

    Parameters
    ----------
    jobs : sequence of Job
    workers, stack : int >= 1
        As for `run_jobs`.
    notify : callable
        Takes lines for the user. A run that fails costs one line and its place in the result.
    fresh : bool, default False
        Run everything, whatever is there.

    Raises
    ------
    FFNNError
        If the data cannot be had, there is no memory for a run, or every run failed.
    Stopped
        After Ctrl-C.
    """
    digests = data_digests(jobs)
    there = {} if fresh else finished_runs(jobs, digests)
    # Conditions that come to the same settings share their runs, which carry the name of the first.
    distinct: dict[str, Job] = {}
    for job in jobs:
        distinct.setdefault(job.config.digest(), job)
    waiting = [job for digest, job in distinct.items() if digest not in there]
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
    records = dict(there)
    try:
        company = None if fresh else company_of(jobs, digests, there)
        made = run_jobs(waiting, workers, Once(notify), stack, company)
        for place, (job, outcome) in enumerate(made, start=done + 1):
            if isinstance(outcome, RunRecord):
                records[job.config.digest()] = outcome
            notify(f"[{place}/{len(distinct)}] {job.condition}, seed {job.config.seed}: {_in_words(outcome)}")
    except KeyboardInterrupt:
        raise Stopped(_by_condition(jobs, records)) from None
    if not records:
        raise FFNNError(f"all {len(distinct)} runs failed; there is nothing to compare")
    return _by_condition(jobs, records)


def _by_condition(jobs: Sequence[Job], records: Mapping[str, RunRecord]) -> dict[str, list[RunRecord]]:
    found: dict[str, list[RunRecord]] = {job.condition: [] for job in jobs}
    for job in jobs:
        if job.config.digest() in records:
            found[job.condition].append(records[job.config.digest()])
    return found


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
