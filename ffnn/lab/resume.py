"""Going on with a run that was stopped or killed, as if nothing had happened: to the same bits.

What is damaged costs time, never the result: then the checkpoint before serves, or the run begins again.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ffnn.errors import FFNNError
from ffnn.lab.build import Parts
from ffnn.lab.config import Config, make_config, name_of
from ffnn.lab.run import prepare
from ffnn.lab.session import Notify, Session, carry_out
from ffnn.lab.summary import describe_data
from ffnn.lab.termination import Interruption
from ffnn.records import checked
from ffnn.terminal import to_stderr
from ffnn.tracking import RunDirectory, RunRecord, describe_environment, read_run
from ffnn.tracking.environment import COMPUTING
from ffnn.training.callbacks import LAST, PREVIOUS, Best
from ffnn.training.checkpoints import Checkpoint, restore
from ffnn.training.formats import Resumable
from ffnn.training.history import History
from ffnn.training.trainer import Callback, Record, Trainer


def resume(
    path: Path, epochs: int | None = None, notify: Notify | None = None, progress: Callback | None = None
) -> RunRecord:
    """Go on with the run in `path` where its last checkpoint was; of a finished one, say so and do nothing.

    All settings are those of the run, whose directory `path` is. Weights, history and metrics come out as without the
    interruption, to the bit, with the same versions on the same kind of processor; times do not. With `epochs`, it is
    trained until so many are done instead, also where it is finished; a schedule that depends on their number is
    followed as if the run had been that long from its beginning. `notify` and `progress` are as for `train`. FFNNError
    if it is no run, another process trains in it, the data are others, or it cannot be resumed.
    """
    notify = notify or to_stderr
    start = time.perf_counter()
    read_run(path)  # before anything is written: it may be no run at all
    directory = RunDirectory(path)
    with Interruption() as interruption, directory.lock():
        record = read_run(path)
        config = _config(record, epochs)
        over = _over(record, config)
        if over:
            notify(f"{path}: {over}: nothing to do")
            return record
        parts, config = prepare(config, notify)
        _same_data(record, parts)
        changed = _changes(record.environment, config)
        if changed:
            notify(f"{path}: {changed} since it began: from here on the bits may differ from an uninterrupted run's")
        directory.clear_leftovers()
        checkpoint, history = _starting_point(directory, notify)
        if epochs is not None:
            notify(_longer(record, config))
        _write_down(directory, record, config, checkpoint)
        entries = {"config_digest": _digest(record, config, bool(changed))}
        if "stack" in record.summary:
            entries["stack"] = record.summary["stack"]
        directory.write_summary({"status": "running", **entries})

        def restored(trainer: Trainer, best: Best) -> None:
            if checkpoint is None:
                return
            try:
                restore(trainer, checkpoint)
            except FFNNError as problem:
                raise FFNNError(f"{directory.checkpoints / LAST}: {problem}; remove it to go on without") from problem
            trainer.history = History(history)
            if checkpoint.best:
                best.weights = checkpoint.best
            elif best.record:
                best.keep_weights(trainer)

        return carry_out(Session(config, parts, directory, entries, notify, progress, interruption, start, restored))


def _config(record: RunRecord, epochs: int | None) -> Config:
    config = make_config(record.config if epochs is None else {**record.config, "epochs": epochs})
    if config.framework != "ffnn":
        raise FFNNError(
            f"{record.path}: a run of {config.framework} cannot be resumed, as that keeps its state to itself; "
            f"run it again: ffnn train --config {record.path}/config.yaml"
        )
    if len(record.history) > config.epochs:
        raise FFNNError(f"epochs: expected at least the {len(record.history)} that are done; received {config.epochs}")
    return config


def _over(record: RunRecord, config: Config) -> str:
    """Why nothing is left to do; empty where something is."""
    status, done = record.summary.get("status"), record.summary.get("epochs", 0)
    if status == "diverged" or (status == "finished" and record.summary.get("reason")):
        return f"{status}, {record.summary.get('reason')}"
    if status == "finished" and config.epochs <= done:
        return f"finished after {done} epochs (--epochs=N goes on to N)"
    return ""


def _same_data(record: RunRecord, parts: Parts) -> None:
    then, now = record.environment.get("data", {}), describe_data(parts)
    for name in ("digest", "split_digest"):
        if then.get(name) != now[name]:
            what = "data set" if name == "digest" else "split into parts"
            raise FFNNError(
                f"{record.path}: expected the {what} that the run was trained on, with the digest "
                f"{str(then.get(name))[:12]}; received another one, with the digest {now[name][:12]}: restore the data "
                f"as they were, or train a new run: ffnn train --config {record.path}/config.yaml"
            )


def _changes(then: Mapping[str, Any], config: Config) -> str:
    """What is not as it was when the run began and may change its bits."""
    now = describe_environment()
    changes = []
    if then.get("code_digest") != config.code_digest():
        changes.append("the code has changed")
    before = then.get("versions", {})
    for name in ("python", *COMPUTING):
        if before.get(name) != now["versions"].get(name):
            changes.append(f"{name} {before.get(name)} has become {now['versions'].get(name)}")
    if then.get("cpu", {}).get("model") != now["cpu"]["model"]:
        changes.append("the processor is another one")
    # A process lists the libraries that it has loaded, and NumPy's and SciPy's are two: only what both list tells.
    old, new = (
        {(blas.get("library"), blas.get("version")): blas.get("core") for blas in environment.get("blas", [])}
        for environment in (then, now)
    )
    others = [f"{new[blas]} instead of {old[blas]}" for blas in old if blas in new and new[blas] != old[blas]]
    if others:
        changes.append(f"BLAS runs kernels for {', '.join(others)}")
    return ", ".join(changes)


def _starting_point(directory: RunDirectory, notify: Notify) -> tuple[Checkpoint | None, list[Record]]:
    """The newest checkpoint that is whole, and the history up to it; what comes later in the history is cut."""
    checkpoints = [path for name in (LAST, PREVIOUS) if (path := directory.checkpoints / name).exists()]
    for path in checkpoints:
        try:
            checkpoint = Checkpoint.load(path)
            if "trainer" not in checkpoint.meta:
                raise FFNNError(f"{path}: written by an ffnn that could not resume")
            checked(Resumable, checkpoint.meta, f"{path}: meta")
            history = directory.cut_history(checkpoint.meta["epoch"])
        except FFNNError as problem:
            notify(f"{problem}: not used")
            continue
        meta = checkpoint.meta
        notify(f"{directory.path}: resuming from {path.name}: {meta['epoch']} epochs and {meta['step']} steps are done")
        return checkpoint, history
    state = "no checkpoint is whole" if checkpoints else "there is no checkpoint yet"
    notify(f"{directory.path}: {state}: from the beginning")
    directory.cut_history(0)
    return None, []


def _epochs_then(record: RunRecord) -> int:
    """For how many epochs the run was begun; a config.yaml without that line means the default."""
    return make_config(record.config).epochs


def _longer(record: RunRecord, config: Config) -> str:
    schedule = name_of(config.schedule)
    line = f"epochs: {_epochs_then(record)} become {config.epochs}"
    return (
        line
        if schedule == "constant"
        else f"{line}; {schedule} goes on as in a run that was to be {config.epochs} long"
    )


def _digest(record: RunRecord, config: Config, changed: bool) -> str | None:
    """What an experiment knows the run by; nothing where no single config and code have made it."""
    if changed:
        return None
    same = config.epochs == _epochs_then(record)
    return record.summary.get("config_digest") if same else config.digest()


def _write_down(directory: RunDirectory, record: RunRecord, config: Config, checkpoint: Checkpoint | None) -> None:
    """Add this process to the environment, and a new number of epochs to the config."""
    now = describe_environment()
    entry = {name: now[name] for name in ("time", "versions", "git_commit", "command")}
    entry |= {name: checkpoint.meta[name] if checkpoint else 0 for name in ("epoch", "step")}
    directory.write_environment({**record.environment, "resumed": [*record.environment.get("resumed", []), entry]})
    if config.epochs != _epochs_then(record):
        directory.write_config({**record.config, "epochs": config.epochs})
