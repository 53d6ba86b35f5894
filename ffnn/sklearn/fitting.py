"""One fit: weighted rows become batches, ffnn's trainer runs over them, and what came of it is handed back.

The loop itself is `ffnn.training.Trainer`; nothing here repeats it.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffnn.backend.engine import Engine
from ffnn.backend.threads import limited_threads, suitable_threads
from ffnn.data.batches import Batches, Pool
from ffnn.lab.build import build_optimizer
from ffnn.lab.config import Config
from ffnn.memory import EVALUATION_BATCH
from ffnn.nn import L2Penalty, Network, Objective
from ffnn.sklearn.batches import WeightedBatches
from ffnn.sklearn.settings import fitting_batch_size, loss_of
from ffnn.training.callbacks import Best, EarlyStopping, PlainProgress
from ffnn.training.trainer import Callback, DivergedError, Plan, Record, Trainer

PROBE_ROWS = 64
"""Rows that the trainer looks at after each epoch where nothing is held out for validation."""


class Rows:
    """Some rows, by their `numbers`, of a table X (table_size, features) of floats, C-contiguous.

    Labels and weights are the table's, too: class numbers, and weights that are positive for the rows at hand; others
    are not read.
    """

    def __init__(
        self,
        engine: Engine,
        X: NDArray[Any],
        labels: NDArray[np.int64],
        numbers: NDArray[np.int64],
        weights: NDArray[np.float64] | None,
    ) -> None:
        self._pool = Pool(engine, X, labels, np.ones(X.shape[1]), np.zeros(X.shape[1]))
        self.numbers, self.weights = numbers, weights

    def first(self, count: int) -> "Rows":
        """The first rows of these."""
        part = copy.copy(self)
        part.numbers = self.numbers[:count]
        return part

    def batches(self, size: int, num_classes: int, seed: int | None = None) -> Batches:
        """The rows in batches, shuffled where there is a seed."""
        if self.weights is None:
            return Batches(self._pool, self.numbers, size, seed)
        return WeightedBatches(self._pool, self.numbers, size, seed, self.weights, num_classes)


class _NoValidation(Callback):
    """Takes the figures of the trainer's probe out of the record, before anyone mistakes them for validation."""

    def on_epoch(self, trainer: Trainer, record: Record) -> None:
        del record["val/loss"], record["val/accuracy"]


@dataclass(frozen=True)
class Outcome:
    """What a fit leaves beside the network's weights.

    `best_epoch` is the one whose weights the network has: with validation the best one, else the last. Callbacks are
    the copies that were told; `optimizer` is its state, for going on; `interrupted` tells where Ctrl-C came, in words.
    """

    records: list[Record]
    best_epoch: int
    callbacks: list[Callback]
    optimizer: dict[str, NDArray[Any]]
    interrupted: str


def train(
    network: Network,
    config: Config,
    plan: Plan,
    rows: Rows,
    validation: Rows | None,
    *,
    class_weights: list[float] | None,
    monitor: str | None,
    callbacks: Sequence[Callback],
    verbose: bool,
    seed: int,
    optimizer_state: Mapping[str, Any] | None = None,
) -> Outcome:
    """Train a network as `config` and `plan` say; DivergedError if the loss is no longer finite.

    `monitor` says which epoch is the best, by default the loss of validation, or of training without; of equal
    accuracies the lower loss decides. Callbacks are copied before they are told; `seed` decides the order of rows;
    `optimizer_state` is that of an earlier outcome.
    """
    classes = network.output_size
    if rows.weights is not None and class_weights is None:
        class_weights = [1.0] * classes  # makes the loss divide by the weights of rows instead of their number
    objective = Objective(network, loss_of(config, class_weights), L2Penalty(config.l2) if config.l2 else None)
    optimizer = build_optimizer(config)
    batches = rows.batches(fitting_batch_size(config, len(rows.numbers)), classes, seed)
    monitor = monitor or ("val/loss" if validation else "train/loss")
    best = Best(monitor)
    watching: list[Callback] = [best if validation else _NoValidation()]
    if config.patience:
        watching.append(EarlyStopping(config.patience, monitor, config.min_delta))
    if verbose:
        watching.append(PlainProgress())
    copies = copy.deepcopy(list(callbacks))
    probe = (validation or rows.first(PROBE_ROWS)).batches(EVALUATION_BATCH, classes)
    trainer = Trainer(objective, optimizer, batches, probe, plan, [*watching, *copies])
    if optimizer_state:
        optimizer.load_state_dict(optimizer_state)
    largest_product = batches.batch_size * max(layer.flops() for layer in network.layers.values())
    with limited_threads(suitable_threads(largest_product)):
        records = list(trainer.fit())
    if trainer.status == "diverged":
        raise DivergedError(f"{trainer.reason}; lower the learning_rate or scale X, for example by StandardScaler")
    best_epoch = int(best.record["epoch"]) if best.record else len(records)
    interrupted = trainer.reason if trainer.status == "stopped" else ""
    return Outcome(records, best_epoch, copies, optimizer.state_dict(), interrupted)
