"""The floor of a GPU: nothing but the matrix products of a step, asked for once and repeated.

They are those of `floor`, done by whatever multiplies for ffnn's engine, which on a GPU is cuBLAS.
"""

from itertools import pairwise
from typing import ClassVar

import numpy as np

from ffnn.backend import Array
from ffnn.bench.contender import CONTENDERS, Contender
from ffnn.bench.contenders.ffnn_gpu import OnCuPy
from ffnn.bench.work import Task


class RecordedProducts(Contender):
    """The bare products of a step, asked for once and repeated, on one of ffnn's engines."""

    engine: ClassVar[str]

    def prepare(self, task: Task, threads: int) -> str:
        from ffnn.backend import create_engine

        engine = self._engine = create_engine(self.engine, "float32")
        rng = np.random.default_rng(task.seed)

        def random(rows: int, columns: int) -> Array:
            return engine.array(rng.random((rows, columns), np.float32))

        sizes = task.description.sizes
        values, grads = ([random(task.batch_size, size) for size in sizes] for _ in range(2))
        self.products: list[tuple[Array, Array, Array]] = []
        for number, (inputs, outputs) in enumerate(pairwise(sizes)):
            weight, weight_grad = random(inputs, outputs), random(inputs, outputs)
            self.products.append((values[number], weight, values[number + 1]))
            self.products.append((values[number].T, grads[number + 1], weight_grad))
            if number:
                self.products.append((grads[number + 1], weight.T, grads[number]))
        self._last = weight_grad.reshape(-1)[:1]
        self._steps = task.steps
        self._multiply()
        self._repeat = engine.capture(self._multiply)
        return "recorded"

    def _multiply(self) -> None:
        for a, b, out in self.products:
            self._engine.matmul(a, b, out)

    def epoch(self) -> None:
        self._repeat(self._steps)
        self._engine.read(self._last)


@CONTENDERS.register("gpu-floor")
class GPUFloor(OnCuPy, RecordedProducts):
    """cuBLAS, called by the cupy engine."""

    about = "the bare matrix products, cuBLAS in float32, recorded"
    engine = "cupy"
