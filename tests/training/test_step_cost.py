"""What a training step costs, measured without trusting the clock: memory taken, calls made, work beside the products.

These guard the speed that `ffnn bench` shows: a step that allocates, calls more kernels than it needs or
does much beside its matrix products would be slow on every machine.
"""

import gc
import itertools
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from reference import both_engines

from ffnn.backend import create_engine
from ffnn.backend.engine import Engine
from ffnn.backend.formula import Formula
from ffnn.backend.numba_engine import NumbaEngine
from ffnn.data.batches import Batches, Pool
from ffnn.nn import OPTIMIZERS, Network, Objective, SoftmaxCrossEntropy
from ffnn.nn.mlp import mlp_layers
from ffnn.training.trainer import Plan, Trainer

FEATURES, CLASSES, BATCH = 784, 10, 64


def make_trainer(engine: Engine, hidden: list[int], steps: int, batch_size: int = BATCH, **options: Any) -> Trainer:
    rng = np.random.default_rng(0)
    rows = steps * batch_size
    images = rng.integers(0, 256, (rows, FEATURES), dtype=np.uint8)
    pool = Pool(engine, images, rng.integers(0, CLASSES, rows), np.full(FEATURES, 1 / 255), np.zeros(FEATURES))
    network = Network(mlp_layers(hidden, CLASSES, **options), FEATURES, engine)
    train, val = Batches(pool, np.arange(rows), batch_size, 0), Batches(pool, np.arange(batch_size), batch_size)
    trainer = Trainer(Objective(network, SoftmaxCrossEntropy()), OPTIMIZERS.create("adam"), train, val, Plan(1))
    trainer.rehearse()
    return trainer


@pytest.mark.parametrize("options", [{}, {"batch_norm": True, "dropout": 0.3}], ids=["plain", "batch_norm+dropout"])
def test_a_step_takes_no_memory_for_arrays(options: dict[str, Any]) -> None:
    """Not even the smallest of a step's arrays is allocated, and nothing is kept."""
    trainer = make_trainer(create_engine("numba"), [128, 64], steps=100, **options)
    smallest_array = BATCH * CLASSES * 4
    batches = trainer.train.epoch()
    trainer.take_step(*next(batches))
    taken = []
    tracemalloc.start()
    try:
        for inputs, labels in batches:
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            trainer.take_step(inputs, labels)
            taken.append(tracemalloc.get_traced_memory()[1] - before)
        gc.collect()  # empties the interpreter's store of small tuples
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert max(taken) < smallest_array
    assert kept < 64 * len(taken)


class Counting(NumbaEngine):
    """Counts what a step asks of the engine."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def _build(self, kind: str, formula: Formula) -> Any:
        return self._counted(kind, super()._build(kind, formula))

    def _counted(self, kind: str, function: Callable[..., Any]) -> Any:
        def call(*arguments: Any) -> Any:
            self.calls[kind] += 1
            return function(*arguments)

        return call


for name in ("matmul", "one_hot", "total", "norm", "moments"):

    def counted(self: Counting, *arguments: Any, name: str = name) -> Any:
        self.calls[name] += 1
        return getattr(NumbaEngine, name)(self, *arguments)

    setattr(Counting, name, counted)


def test_a_step_of_three_linear_layers_makes_nineteen_calls() -> None:
    """Eight products; beside them one kernel a layer and direction, one for the optimizer, four for batch and loss."""
    engine = Counting()
    trainer = make_trainer(engine, [128, 64], steps=3)
    engine.calls.clear()
    trainer.take_step(*next(trainer.train.epoch()))
    assert engine.calls == {
        "matmul": 8,  # three forward, three for weights, two for inputs
        "gather": 1,
        "update": 4,  # three biases, two of them with their activations; all parameters
        "one_hot": 1,
        "rows": 2,  # the loss with its gradient, the hits
        "columns": 3,  # gradients of biases, two of them with their activations'
    }


def seconds_of(function: Callable[[], None]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


@pytest.mark.alone
@both_engines
def test_a_step_costs_little_more_than_its_products(engine_name: str) -> None:
    """Interleaved with the bare products and the best of many, so that a busy machine slows both."""
    hidden, batch_size, steps = [400, 240, 120], 256, 4
    trainer = make_trainer(create_engine(engine_name), hidden, steps, batch_size)
    sizes = [FEATURES, *hidden, CLASSES]
    rng = np.random.default_rng(1)
    values = [rng.standard_normal((batch_size, size)).astype(np.float32) for size in sizes]
    weights = [rng.standard_normal(shape).astype(np.float32) for shape in itertools.pairwise(sizes)]
    outputs, weight_grads = [np.empty_like(v) for v in values], [np.empty_like(w) for w in weights]

    def products() -> None:
        for _ in range(steps):
            for layer, weight in enumerate(weights):
                np.dot(values[layer], weight, out=outputs[layer + 1])
                np.dot(values[layer].T, values[layer + 1], out=weight_grads[layer])
                if layer:
                    np.dot(values[layer + 1], weight.T, out=outputs[layer])

    pairs = [(seconds_of(lambda: trainer.train_epoch() and None), seconds_of(products)) for _ in range(12)]
    ratio = min(step for step, _ in pairs) / min(product for _, product in pairs)
    assert ratio < {"numba": 1.6, "numpy": 4.0}[engine_name]
