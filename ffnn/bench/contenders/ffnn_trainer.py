"""ffnn as `ffnn train` runs it: its own builder, batches and trainer, without validation and records.

There is no loop of its own here: an epoch is `Trainer.train_epoch`.
"""

from typing import Any, ClassVar

import numpy as np

from ffnn.bench.contender import CONTENDERS, Contender
from ffnn.bench.work import Task
from ffnn.data import Dataset, Split


class FFNNTrainer(Contender):
    """The product with one of its engines."""

    engine: ClassVar[str]

    def prepare(self, task: Task, threads: int) -> str:
        from ffnn.training.trainer import Trainer

        parts = self._build(task)
        network = parts["objective"].network
        network.load_state_dict({**network.state_dict(), **task.state})
        self._trainer = Trainer(**parts)
        self._trainer.rehearse()
        return ""

    def _build(self, task: Task) -> dict[str, Any]:
        """What `ffnn.lab.build.build` makes of a config, on the task's images instead of a data set by name."""
        from ffnn.backend import create_engine
        from ffnn.data import fit_normalization
        from ffnn.data.batches import Batches, Pool
        from ffnn.lab import build
        from ffnn.lab.config import make_config
        from ffnn.nn import Network, Objective

        described = task.description
        settings = {name: getattr(described, name) for name in SETTINGS}
        given = {"engine": self.engine, "hidden_layers": list(described.hidden), "batch_size": task.batch_size}
        config = make_config({**settings, **given, "seed": task.seed})
        names = tuple(map(str, range(described.classes)))
        shape = (1, described.inputs)
        dataset = Dataset("race", task.images, task.labels, names, shape, task.top, 0, "memory")
        rows, few = np.arange(len(dataset)), np.arange(min(2, len(dataset)))
        split = Split(rows, few, few)
        engine = create_engine(config.engine, config.dtype)
        unit = fit_normalization(config.normalize, dataset, rows)
        pool = Pool(engine, dataset.images, dataset.labels, unit.scale, unit.shift)
        network = Network(build.build_layers(config, described.classes), described.inputs, engine, config.seed)
        return {
            "objective": Objective(network, build.build_loss(config, dataset, split)),
            "optimizer": build.build_optimizer(config),
            "train": build.build_training_batches(config, dataset, pool, split, task.batch_size),
            "val": Batches(pool, few, len(few)),
            "plan": build.build_plan(config, network),
        }

    def epoch(self) -> float:
        network = self._trainer.objective.network
        with network.engine.quiet():
            return self._trainer.train_epoch()


SETTINGS = ("activation", "optimizer", "learning_rate", "dropout", "batch_norm")
"""Fields of a description that are settings of the same name."""


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
