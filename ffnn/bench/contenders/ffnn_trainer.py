"""ffnn as `ffnn train` runs it: its own builder, batches and trainer, without validation and records.

There is no loop of its own here: an epoch is `train_epoch` of what `ffnn train` makes its trainer.
"""

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ffnn.bench.contender import CONTENDERS, Contender
from ffnn.bench.work import Task
from ffnn.data import Dataset, Split
from ffnn.reference import State

if TYPE_CHECKING:
    from ffnn.lab.build import Parts, Source
    from ffnn.lab.config import Config

SETTINGS = ("activation", "optimizer", "learning_rate", "dropout", "batch_norm")
"""Fields of a description that are settings of the same name."""


def make_config(task: Task, engine: str, seed: int) -> "Config":
    """The settings that stand for a task, as a user would give them."""
    from ffnn.lab import config

    described = task.description
    settings = {name: getattr(described, name) for name in SETTINGS}
    sizes = {"engine": engine, "hidden_layers": list(described.hidden), "batch_size": task.batch_size}
    course = {"seed": seed, "schedule": task.schedule, "epochs": task.epochs}
    return config.make_config({**settings, **sizes, **course})


def make_source(task: Task, config: "Config") -> "Source":
    """The task's images on the engine, all for training, in place of a data set by name."""
    from ffnn.backend import create_engine
    from ffnn.data import fit_normalization
    from ffnn.data.batches import Pool
    from ffnn.lab.build import Source

    names = tuple(map(str, range(task.description.classes)))
    shape = (1, task.description.inputs)
    dataset = Dataset("race", task.images, task.labels, names, shape, task.top, 0, "memory")
    rows, few = np.arange(len(dataset)), np.arange(min(2, len(dataset)))
    unit = fit_normalization(config.normalize, dataset, rows)
    engine = create_engine(config.engine, config.dtype)
    pool = Pool(engine, dataset.images, dataset.labels, unit.scale, unit.shift)
    return Source(dataset, Split(rows, few, few), pool)


def make_parts(task: Task, config: "Config", source: "Source") -> "Parts":
    """What `ffnn train` makes of these settings, with the task's initial values."""
    from ffnn.lab.build import build

    parts = build(config, source)
    network = parts.objective.network
    network.load_state_dict({**network.state_dict(), **task.state})
    return parts


class FFNNTrainer(Contender):
    """The product with one of its engines."""

    engine: ClassVar[str]

    def prepare(self, task: Task, threads: int) -> str:
        from ffnn.backend.threads import sharing
        from ffnn.lab.build import build_trainer, is_recorded

        config = make_config(task, self.engine, task.seed)
        parts = make_parts(task, config, make_source(task, config))
        self._trainer = build_trainer(parts, [])
        self._threads = sharing(parts.objective.network.engine, threads, is_recorded(parts))
        self._threads.__enter__()  # to the end of this process
        self._trainer.rehearse()
        return ""

    def epoch(self) -> float:
        network = self._trainer.objective.network
        with network.engine.quiet():
            return self._trainer.train_epoch()

    def values(self) -> State:
        return self._trainer.objective.network.state_dict()


@CONTENDERS.register("ffnn-numba")
class FFNNNumba(FFNNTrainer):
    """ffnn with its fused loops, the default."""

    about = "ffnn with the numba engine"
    packages: ClassVar = {"numba": "numba"}
    engine = "numba"


@CONTENDERS.register("ffnn-numpy")
class FFNNNumPy(FFNNTrainer):
    """ffnn with its reference engine."""

    about = "ffnn with the numpy engine"
    engine = "numpy"
