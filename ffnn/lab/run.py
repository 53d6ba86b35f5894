"""One run from its config to a finished run directory.

Data and network are built before the directory is made, so a wrong setting leaves nothing behind.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ffnn.backend import resolve_engine
from ffnn.backend.threads import suitable_threads, thread_warning, usable_cores
from ffnn.data import DATASETS, data_root
from ffnn.data.splits import missing_classes
from ffnn.lab.build import Parts, Source, build, is_shared, load_source, with_framework
from ffnn.lab.config import Config, make_config, name_of
from ffnn.lab.session import Notify, Session, carry_out
from ffnn.lab.summary import describe_data
from ffnn.lab.termination import Interruption
from ffnn.nn.schedules import Clock
from ffnn.terminal import to_stderr
from ffnn.tracking import RunDirectory, RunRecord, describe_environment, read_run, speed_warning
from ffnn.training.checkpoints import Checkpoint
from ffnn.training.trainer import Callback

__all__ = ["Notify", "config_here", "load_run", "prepare", "resolve", "run_id", "train", "untrained"]


def train(
    config: Config, notify: Notify | None = None, progress: Callback | None = None, max_threads: int | None = None
) -> RunRecord:
    """Train, test at the best epoch, and record everything; gives the run directory, read back.

    Ctrl-C and SIGTERM end it as "stopped", after the step under way, in a state that `resume` goes on from. FFNNError
    if the disk is full; what was written before is whole.

    Parameters
    ----------
    notify : callable, optional
        Takes lines for the user; by default they go to standard error.
    progress : Callback, optional
        Shows epochs; by default a bar on a terminal, a line an epoch elsewhere.
    max_threads : int, optional
        This run's share of the cores, where others run beside it; `config.threads` wins over it.
    """
    notify = notify or to_stderr
    start = time.perf_counter()
    with Interruption() as interruption:
        parts, resolved = prepare(config, notify, max_threads)
        with new_run(config) as directory:
            entries = {"config_digest": config.digest()}
            write_beginning(directory, resolved, parts, entries, describe_environment())
            return carry_out(Session(resolved, parts, directory, entries, notify, progress, interruption, start))


@contextmanager
def new_run(config: Config) -> Iterator[RunDirectory]:
    """A new run directory, locked."""
    directory = RunDirectory.create(config.runs_dir, config.group, run_id(config))
    with directory.lock():
        yield directory


def write_beginning(
    directory: RunDirectory, config: Config, parts: Parts, entries: dict[str, Any], environment: Mapping[str, Any]
) -> None:
    """Write down what is known of a run before its first step."""
    engine = parts.objective.network.engine
    device = engine.describe()
    facts = {**environment, **({"device": device} if device else {})}
    if engine.name == "numba" and not engine.records:
        facts["epochs"] = "a kernel at a time, as the BLAS of this NumPy is not found by its address"
    # Where the data lay, for whoever reads the run elsewhere: the setting is often left out, and its default is not
    # everywhere the same.
    data = {**describe_data(parts), "data_dir": str(data_root(config.data_dir))}
    directory.write_environment({**facts, "code_digest": config.code_digest(), "data": data})
    directory.write_summary({"status": "running", **entries})
    directory.write_config(config.resolved())  # last: a directory is a run once it has one


def prepare(
    config: Config, notify: Notify, max_threads: int | None = None, source: Source | None = None
) -> tuple[Parts, Config]:
    """The parts of a run, with their images from `source` if it is given, and its config with all choices made.

    It says what may be wrong with the machine and the schedule, and what the data lack.
    """
    _, remark = resolve_engine(config.engine)
    for line in filter(None, (remark, speed_warning())):
        notify(line)
    parts = build(config, source)
    for line in _missing(parts):
        notify(line)
    clock = Clock(len(parts.train), config.epochs)
    for remark in parts.plan.schedule.remarks(parts.optimizer.learning_rate, clock):
        notify(f"schedule: {remark}")
    resolved = resolve(config, parts, max_threads or usable_cores())
    parts = with_framework(resolved, parts)
    held_back = None if config.threads or max_threads else thread_warning(largest_product(parts))
    if held_back:
        notify(held_back)
    return parts, resolved


def _missing(parts: Parts) -> Iterator[str]:
    """A line about classes without an image to learn from, and one about others without an image to be tested on."""
    names, labels = parts.dataset.class_names, parts.dataset.labels
    train, test = (np.bincount(labels[rows], minlength=len(names)) for rows in (parts.split.train, parts.split.test))
    yield from filter(
        None, (missing_classes(names, train, "train"), missing_classes(names, test + (train == 0), "test"))
    )


def resolve(config: Config, parts: Parts, max_threads: int) -> Config:
    """The config with every choice made that was left to ffnn, engine, split, threads, and no path but whole ones."""
    threads = min(max_threads, suitable_threads(largest_product(parts), is_shared(config, parts)))
    choices = {
        "dataset": DATASETS.create(config.dataset).anchored(config.dataset),
        "data_dir": str(data_root(config.data_dir)) if config.data_dir else None,
        "engine": resolve_engine(config.engine)[0],
        "split": ("official" if parts.dataset.official_test else "pooled") if config.split == "auto" else config.split,
        "threads": config.threads or threads,
    }
    return config.model_copy(update=choices)


def largest_product(parts: Parts) -> float:
    """Floating-point operations of the largest matrix product of a step."""
    return parts.train.batch_size * max(layer.flops() for layer in parts.objective.network.layers.values())


def run_id(config: Config) -> str:
    """A name that sorts by kind and time, such as "digits-adam-s0-20261121-101500"."""
    label = config.name or f"{name_of(config.dataset)}-{name_of(config.optimizer)}"
    return f"{label}-s{config.seed}-{time.strftime('%Y%m%d-%H%M%S')}"


def config_here(record: RunRecord) -> Config:
    """The config of a run, with the folder where its data were where they are neither in its own nor in today's."""
    config = make_config(record.config)
    entry, root = DATASETS.create(config.dataset), data_root(config.data_dir)
    then = record.environment.get("data", {}).get("data_dir")
    if then and entry.missing(root) and not entry.missing(Path(then)):
        return config.model_copy(update={"data_dir": then})
    return config


def untrained(record: RunRecord, *, download: bool = False) -> Parts:
    """A run's data, and its network as it was before the first step."""
    config = config_here(record)
    return build(config, load_source(config, download))


def load_run(
    path: Path, checkpoint: str = "best", notify: Notify = to_stderr, *, download: bool = False
) -> tuple[RunRecord, Parts]:
    """A finished run's network with the weights of a checkpoint, and its data.

    The checkpoint is "best" or "last"; with weight averaging these are the averaged weights, which validation used.
    `notify` is told if the data are no longer those of the run. With `download`, data that are not here may be
    downloaded: who only reads a run fetches nothing.
    """
    record = read_run(path)
    parts = untrained(record, download=download)
    saved = Checkpoint.load(path / "checkpoints" / f"{checkpoint}.npz")
    network = parts.objective.network
    network.load_state_dict(saved.network)
    if "average" in saved.extra:
        network.parameters.values[...] = network.engine.array(saved.extra["average"])
    data = record.environment.get("data", {})
    if (data.get("digest"), data.get("split_digest")) != (parts.dataset.digest, parts.split.digest):
        notify(f"{path}: the data here are not those that this run was trained and tested on")
    return record, parts
