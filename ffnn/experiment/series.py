"""A series of experiments: checked files in; runs, tables and verdicts out.

Several files end in one table that says of each what was expected, what was found and how certain it is, also when
one of them fails or the user stops the series.
"""

import shlex
from collections.abc import Sequence

from ffnn.errors import FFNNError
from ffnn.experiment.check import Checked
from ffnn.experiment.comparison import Comparison, compare
from ffnn.experiment.present import MakeReport, leave_files, present_comparison, present_summary
from ffnn.experiment.runs import Stopped, alone_if_timed, run_experiment
from ffnn.experiment.words import plan_in_words, replaced_in_words
from ffnn.lab.config import name_of
from ffnn.lab.workers import Workers
from ffnn.terminal import to_stderr
from ffnn.tracking import RunRecord


def run_series(checked: Sequence[Checked], workers: Workers, fresh: bool, report: MakeReport, stack: int = 1) -> bool:
    """Run experiments one after the other and present each, and several in a table at the end.

    Workers, `fresh` and stack are those of `run_experiment`; `report` makes an experiment's report from its folder.

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
    outcomes: dict[str, Comparison | str] = dict.fromkeys((str(plan.path.stem) for plan in checked), "not begun")
    complete = True
    try:
        for place, plan in enumerate(checked):
            name = plan.path.stem
            to_stderr(("\n" if place else "") + plan_in_words(plan))
            for line in replaced_in_words(plan):
                to_stderr(line)
            # What it becomes if anything unforeseen ends the series here.
            outcomes[name] = "broke off"
            try:
                outcomes[name] = comparison = _run_and_present(plan, workers, fresh, report, stack)
                complete = complete and comparison.runs == len(plan.jobs)
            except FFNNError as problem:
                if len(checked) == 1:
                    raise
                outcomes[name], complete = f"not run: {problem}", False
                to_stderr(f"{plan.path}: {problem}")
            except Stopped as stopped:
                outcomes[name] = _present_stopped(plan, stopped)
                raise
    finally:
        if len(checked) > 1:
            datasets = dict.fromkeys(name_of(plan.jobs[0].config.dataset) for plan in checked)
            present_summary(f"{len(checked)} experiments on {', '.join(datasets)}", outcomes)
    return complete


def _run_and_present(plan: Checked, workers: Workers, fresh: bool, report: MakeReport, stack: int) -> Comparison:
    records = _run(plan, workers, fresh, stack)
    comparison = compare(plan.experiment, records, plan.seeds)
    present_comparison(comparison, plan.jobs[0].config.group)
    leave_files(comparison, plan.jobs[0].config, records, report, _command(plan))
    return comparison


def _present_stopped(plan: Checked, stopped: Stopped) -> Comparison | str:
    """Show what was finished before Ctrl-C; files are left to the command that goes on."""
    if not any(stopped.records.values()):
        return "stopped before the first run was finished"
    comparison = compare(plan.experiment, stopped.records, plan.seeds)
    if stopped.records.get(comparison.reference):
        present_comparison(comparison, plan.jobs[0].config.group)
    else:
        to_stderr(f"none of the finished runs is of {comparison.reference}, to which the others are to be compared")
    return comparison


def _command(plan: Checked) -> str:
    """The command line that runs a file with these settings."""
    options = {**plan.settings, "seeds": plan.seeds}
    return shlex.join(["ffnn", "run", str(plan.path), *(f"--{name}={value}" for name, value in options.items())])


def _run(plan: Checked, workers: Workers, fresh: bool, stack: int) -> dict[str, list[RunRecord]]:
    experiment = plan.experiment
    workers = alone_if_timed(workers, [experiment.metric, *(claim.measure for claim in experiment.claims())])
    if plan.experiment.search is None:
        return run_experiment(plan.jobs, workers, to_stderr, fresh, stack)
    # Searches need Optuna, which takes its time to load.
    from ffnn.experiment.search import run_searches

    return run_searches(
        plan.experiment,
        plan.path.absolute().parent.parent,
        plan.jobs,
        workers,
        to_stderr,
        fresh,
        stack,
    )
