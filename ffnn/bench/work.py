"""What is raced: networks, five batch sizes, and the images that they are trained on.

A task is written to one file that every contender's process reads, so that all get the very same work.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffnn.data import Dataset
from ffnn.errors import FFNNError
from ffnn.nn import SCHEDULES
from ffnn.nn.schedules import Clock
from ffnn.reference import Description, State

SMALL = "64-16-10"
"""1,210 parameters, of the kind that many are trained of at once."""

NETWORKS: Mapping[str, Description] = {
    SMALL: Description(64, (16,), 10, "sgd", 0.05),
    "784-64-10": Description(784, (64,), 10, "sgd", 0.05),
    "784-128-64-47": Description(784, (128, 64), 47, "adam", 0.001),
    "784-128-64-47-sgd": Description(784, (128, 64), 47, "sgd", 0.1),
    "784-400-240-120-47": Description(784, (400, 240, 120), 47, "adam", 0.001),
    "3072-512-256-10": Description(3072, (512, 256), 10, "adam", 0.001, dropout=0.3, batch_norm=True),
}
"""The networks by name."""

PUBLISHED: Mapping[str, str] = {"M0": "784-128-64-47-sgd", "M1g": "784-400-240-120-47", "davies": "784-64-10"}
"""Networks of published studies (`experiments/studies`): two of Tobio's, and Davies'."""

BATCH_SIZES = (32, 64, 128, 256, 512)

POOL_BYTES = 50_000_000
"""Most pixels of an epoch: a whole MNIST at 784 a picture; as float32 some contenders need four times that."""

FEWEST_STEPS = 8
"""Steps of the shortest epoch."""

SEED = 0


@dataclass(frozen=True)
class Cell:
    """One network at one batch size."""

    network: str
    batch_size: int

    @property
    def description(self) -> Description:
        """The network itself."""
        return NETWORKS[self.network]

    def images(self, step_seconds: float, epoch_seconds: float, available: int | None = None) -> int:
        """How many images make an epoch of about `epoch_seconds`: whole batches, within memory and what there is.

        Examples
        --------
        >>> Cell("784-64-10", 32).images(step_seconds=0.001, epoch_seconds=0.5)
        16000
        >>> Cell("784-64-10", 32).images(step_seconds=1.0, epoch_seconds=0.5)
        256
        """
        most = min(POOL_BYTES // self.description.inputs, available or POOL_BYTES) // self.batch_size
        steps = max(FEWEST_STEPS, round(epoch_seconds / step_seconds))
        return max(1, min(most, steps)) * self.batch_size

    def whole_batches(self, count: int) -> int:
        """As many of `count` images as make whole batches, at least one.

        Examples
        --------
        >>> Cell("784-64-10", 512).whole_batches(814_255)
        814080
        """
        return max(1, count // self.batch_size) * self.batch_size


@dataclass(frozen=True, eq=False)
class Task:
    """One epoch's work, the same for all contenders.

    The images are a multiple of `batch_size` rows of pixels, of which `top` is full intensity: inputs are pixels / top.
    `state` holds initial values by ffnn's names; `seed` decides the order of images and dropout. The schedule, of the
    learning rate, ends after `epochs`.
    """

    description: Description
    batch_size: int
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    top: int
    state: State
    seed: int = SEED
    schedule: str = "constant"
    epochs: int = 1

    @property
    def steps(self) -> int:
        """Updates in an epoch."""
        return len(self.labels) // self.batch_size

    def order(self, epoch: int) -> NDArray[np.int64]:
        """All rows in the order of an epoch, which is that of ffnn's own batches."""
        return np.random.default_rng([self.seed, epoch]).permutation(len(self.labels))

    def rates(self) -> NDArray[np.float32]:
        """The learning rate of each step, an epoch a row."""
        schedule, clock = SCHEDULES.create(self.schedule), Clock(self.steps, self.epochs)
        rates = [schedule.at(step, self.description.learning_rate, clock) for step in range(clock.total_steps)]
        return np.array(rates, np.float32).reshape(self.epochs, self.steps)

    def save(self, path: Path) -> None:
        """Write everything to one npz file."""
        facts = {name: getattr(self, name) for name in ("batch_size", "top", "seed", "schedule", "epochs")}
        text = json.dumps({"description": asdict(self.description), **facts})
        state = {f"state/{name}": values for name, values in self.state.items()}
        np.savez(path, allow_pickle=False, facts=np.array(text), images=self.images, labels=self.labels, **state)

    @classmethod
    def load(cls, path: Path) -> "Task":
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            facts = json.loads(str(file["facts"]))
            fields = facts.pop("description")
            fields["hidden"] = tuple(fields["hidden"])
            state = {name.removeprefix("state/"): file[name] for name in file.files if name.startswith("state/")}
            return cls(Description(**fields), images=file["images"], labels=file["labels"], state=state, **facts)


def make_task(cell: Cell, count: int, dataset: Dataset | None = None) -> Task:
    """`count` images for a cell: the first of `dataset`, else made-up ones."""
    description = cell.description
    if dataset is not None:
        images, labels, top = dataset.images[:count], dataset.labels[:count], dataset.top
    else:
        images, labels = made_up_images(count, description.inputs, description.classes)
        top = 255
    return Task(description, cell.batch_size, images, labels, top, description.initial_state(SEED))


def made_up_images(count: int, inputs: int, classes: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images with a fifth of the pixels lit, which ones being a matter of the class, and their labels.

    A fifth of the labels are drawn at random, so that a network never learns them all: gradients that
    fade away end in subnormal numbers, with which processors compute many times slower.
    """
    rng = np.random.default_rng([SEED, inputs, classes])
    shown = rng.integers(classes, size=count)
    lit = rng.random((classes, inputs)) < 0.2
    images = rng.integers(60, 256, (count, inputs), np.uint8) * lit[shown]
    return images, np.where(rng.random(count) < 0.2, rng.integers(classes, size=count), shown)


def check_dataset(dataset: Dataset, cell: Cell) -> str:
    """Why a cell cannot be run on a data set, or nothing."""
    description = cell.description
    if dataset.features != description.inputs:
        return f"{dataset.name} has {dataset.features} pixels an image, not {description.inputs}"
    if len(dataset) < cell.batch_size:
        return f"{dataset.name} has {len(dataset)} images, fewer than a batch of {cell.batch_size}"
    if len(dataset.class_names) > description.classes:
        return f"{dataset.name} has {len(dataset.class_names)} classes, more than {description.classes}"
    return ""


def fitting_cells(cells: list[Cell], dataset: Dataset | None) -> list[Cell]:
    """Those of `cells` that the data set, if there is one, fits; FFNNError where it fits none."""
    if dataset is None:
        return cells
    fitting = [cell for cell in cells if not check_dataset(dataset, cell)]
    if not fitting:
        raise FFNNError(f"--dataset: {check_dataset(dataset, cells[0])}; choose a network that fits with --network")
    return fitting


def as_json(cell: Cell) -> dict[str, Any]:
    """A cell in plain values, with all that its name stands for."""
    return {"network": cell.network, "batch_size": cell.batch_size, **asdict(cell.description)}
