"""A small classification problem that every training test can solve in milliseconds: three clouds of points."""

from typing import Any

import numpy as np

from ffnn.backend import create_engine
from ffnn.data.batches import Batches, Pool
from ffnn.nn import Linear, Network, Objective, ReLU, SoftmaxCrossEntropy
from ffnn.nn.optimizers import OPTIMIZERS
from ffnn.training.trainer import Callback, Plan, Trainer

CENTRES = np.array([[60, 60, 200, 20], [200, 60, 60, 120], [120, 200, 120, 220]])


def clouds(count: int = 300, spread: float = 30.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 3, count)
    points = CENTRES[labels] + rng.normal(0, spread, (count, 4))
    return np.clip(points, 0, 255).astype(np.uint8), labels


def make_trainer(
    *,
    engine: str = "numpy",
    dtype: str = "float64",
    optimizer: str = "adam",
    learning_rate: float = 0.01,
    epochs: int = 5,
    batch_size: int = 32,
    seed: int = 0,
    layers: list[Any] | None = None,
    callbacks: list[Callback] | None = None,
    **plan: Any,
) -> Trainer:
    images, labels = clouds()
    made = create_engine(engine, dtype)
    pool = Pool(made, images, labels, np.full(4, 1 / 255), np.zeros(4))
    order = np.arange(len(labels))
    network = Network(layers or [Linear(16), ReLU(), Linear(3)], 4, made, seed)
    if "ema" in plan:
        from ffnn.nn import WeightAverage

        plan["average"] = WeightAverage(network.parameters, plan.pop("ema"))
    return Trainer(
        Objective(network, SoftmaxCrossEntropy()),
        OPTIMIZERS.create(optimizer, learning_rate=learning_rate),
        Batches(pool, order[:220], batch_size, shuffle_seed=seed),
        Batches(pool, order[220:], 64),
        Plan(epochs, **plan),
        callbacks or [],
    )
