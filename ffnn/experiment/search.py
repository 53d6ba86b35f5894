"""Experiments whose runs are searches: for each condition and seed a sweep, of which the best trial counts.

A learning rate found for one optimizer says nothing about another, so each is searched for by itself.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ffnn.errors import FFNNError
from ffnn.experiment.file import Experiment
from ffnn.experiment.runs import Stopped
from ffnn.lab.jobs import Job, data_digests
from ffnn.lab.run import Notify
from ffnn.lab.workers import Workers, suitable_workers
from ffnn.sweep.analysis import edges_of, leave_files
from ffnn.sweep.engine import Wish
from ffnn.sweep.ledger import Ledger
from ffnn.sweep.plan import Plan
from ffnn.sweep.schema import Sweep, read_sweep
from ffnn.sweep.session import open_sweep, run_sweeps
from ffnn.sweep.trials import ranked
from ffnn.tracking import RunRecord, read_run
from ffnn.words import count_of

TRIALS = "trials"
"""The folder, beside the tables, that has a folder for each search."""


def run_searches(
    experiment: Experiment,
    folder: Path,
    jobs: Sequence[Job],
    workers: Workers,
    notify: Notify,
    fresh: bool = False,
    stack: int = 1,
) -> dict[str, list[RunRecord]]:
    """Search for every condition and seed, and give back the best trials by condition.

    A search is known by the hash of its settings and of the code. Trials that are finished
    are kept, and a search that was interrupted goes on.

    Parameters
    ----------
    experiment : Experiment
        With a `search` and a `sweep`.
    folder : Path
        What the sweep file's path begins from.
    jobs : sequence of Job
        The settings of each search; the sweep's parameters win over them.
    workers, notify, fresh, stack
        As for `run_experiment`.

    Raises
    ------
    FFNNError
        If the sweep file or the data cannot be had, or if no trial of any search ended well.
    Stopped
        After Ctrl-C.
    """
    if experiment.search is None or experiment.sweep is None:
        raise FFNNError("expected an experiment with `search` and `sweep`; received one without")
    sweep = read_sweep(folder / experiment.sweep)
    data_digests(jobs)
    suffix = time.strftime("-%Y%m%d-%H%M%S") if fresh else ""
    winners: dict[str, list[RunRecord]] = {job.condition: [] for job in jobs}
    trials = experiment.search.trials
    # Several searches of one trial at a time find what each finds alone; one of several trials at a time does not.
    at_once = suitable_workers([job.config for job in jobs]) if workers is None else 1
    wish = Wish(count=trials, workers=1 if at_once > 1 else workers, stack=stack, join=True, sweeps=at_once)
    searches: dict[str, Job] = {}
    try:
        for begun in run_sweeps(_begin(sweep, jobs, suffix, wish, searches), at_once):
            job = searches[begun[0].group]
            label = f"[search {jobs.index(job) + 1}/{len(jobs)}] {job.condition}, seed {job.config.seed}"
            record, ends = _best(*begun)
            if record is None:
                notify(f"{label}: no trial ended well")
                continue
            winners[job.condition].append(record)
            notify(
                f"{label}: best of {count_of(trials, 'trial')}: learning rate "
                f"{record.config['learning_rate']:.2g}, val accuracy {100 * record.summary['best/val/accuracy']:.2f} %"
                + "".join(f"; {sentence}" for sentence in ends)
            )
    except KeyboardInterrupt:
        raise Stopped(winners) from None
    if not any(winners.values()):
        raise FFNNError(f"no trial of {len(jobs)} searches ended well; there is nothing to compare")
    return winners


def _begin(
    sweep: Sweep, jobs: Sequence[Job], suffix: str, wish: Wish, searches: dict[str, Job]
) -> Iterator[tuple[Plan, Ledger, Wish]]:
    """Begin one search after another, or go on with it; whose it is, is noted under its group."""
    for job in jobs:
        settings = _settings(sweep, job, suffix)
        searches[settings["group"]] = job
        begun = (Path(settings["runs_dir"]) / settings["group"] / "sweep" / "journal.log").exists()
        own = replace(wish, seed=job.config.seed, resume=begun)
        yield *open_sweep(sweep, settings, own), own


def _best(plan: Plan, ledger: Ledger, wish: Wish) -> tuple[RunRecord | None, list[str]]:
    """The best trial of a search that is over, and at which ends of its space it lies."""
    trained = ledger.trials()
    leave_files(trained, plan, {})
    best = ranked(trained.values(), plan.metric)
    return (read_run(best[0].run) if best and best[0].run else None), edges_of(best, plan)


def _settings(sweep: Sweep, job: Job, suffix: str) -> dict[str, Any]:
    """What every trial of a search receives: the settings of the job that the sweep does not search.

    The group says experiment, condition and seed, as W&B shows it, and lies in the experiment's own folder.
    """
    config = job.config
    searched = {name for name, spec in sweep.file.parameters.items() if not _is_constant(spec)}
    place = {
        "runs_dir": str(Path(config.runs_dir) / config.group / TRIALS),
        "group": f"{config.group}-{job.condition}-s{config.seed}-{config.digest()}{suffix}",
        "tags": [*config.tags, TRIALS],
        "name": None,
    }
    settings = {name: getattr(config, name) for name in config.model_fields_set} | place
    return {name: value for name, value in settings.items() if name not in searched and value is not None}


def _is_constant(spec: object) -> bool:
    return isinstance(spec, Mapping) and "value" in spec
