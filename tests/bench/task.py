"""Small tasks for contenders, and their processes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from ffnn.bench.contenders import contender_class
from ffnn.bench.process import ContenderProcess, worker_command
from ffnn.bench.work import Task
from ffnn.reference import Description

PLAIN = Description(20, (16, 12), 5, "sgd", 0.3)
TIMEOUT = 300.0
"""Seconds; on a GPU torch.compile tries many kernels for each product."""


def make_task(description: Description = PLAIN, *, rows: int = 48, batch_size: int = 48, alike: bool = False) -> Task:
    """Random pixels and labels; with `alike`, one image and one label repeated."""
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (rows, description.inputs), np.uint8)
    labels = rng.integers(0, description.classes, rows)
    if alike:
        images[:], labels[:] = images[0], labels[0]
    state = description.initial_state(seed=1)
    biases = {
        name: rng.normal(0, 0.1, value.shape).astype(np.float32) for name, value in state.items() if "bias" in name
    }
    return Task(description, batch_size, images, labels, 255, {**state, **biases}, seed=0)


def without(description: Description, **changes: object) -> Description:
    return replace(description, **changes)  # type: ignore[arg-type]


@contextmanager
def process(name: str, threads: int = 1) -> Iterator[ContenderProcess]:
    running = ContenderProcess(worker_command(name, threads), threads, contender_class(name).device)
    try:
        yield running
    finally:
        running.close()


def trainer(running: ContenderProcess, folder: Path) -> Callable[[Task, int], list[float]]:
    """A function from a task to the losses of so many epochs of it."""

    def losses(task: Task, epochs: int) -> list[float]:
        task.save(folder / "task.npz")
        running.ask("prepare", TIMEOUT, file=str(folder / "task.npz"))
        return [running.ask("epoch", TIMEOUT)["loss"] for _ in range(epochs)]

    return losses
