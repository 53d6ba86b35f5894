"""The floor: nothing but the matrix products that a step cannot do without, with NumPy's BLAS.

Forward, gradients of all weights, and gradients of all inputs except the first layer's.
"""

from itertools import pairwise
from typing import ClassVar

import numpy as np

from ffnn.bench.contender import CONTENDERS, Contender
from ffnn.bench.work import Task


@CONTENDERS.register("floor")
class Floor(Contender):
    """`np.matmul` into arrays that are there already."""

    about = "the bare matrix products, numpy.matmul"
    packages: ClassVar = {"numpy": "numpy"}

    def prepare(self, task: Task, threads: int) -> str:
        rng = np.random.default_rng(task.seed)
        sizes = task.description.sizes
        values = [rng.random((task.batch_size, size), np.float32) for size in sizes]
        grads = [rng.random((task.batch_size, size), np.float32) for size in sizes]
        self._products = []
        for number, (inputs, outputs) in enumerate(pairwise(sizes)):
            weight, weight_grad = rng.random((inputs, outputs), np.float32), np.empty((inputs, outputs), np.float32)
            self._products.append((values[number], weight, values[number + 1]))
            self._products.append((values[number].T, grads[number + 1], weight_grad))
            if number:
                self._products.append((grads[number + 1], weight.T, grads[number]))
        self._steps = task.steps
        return ""

    def epoch(self) -> None:
        products, matmul = self._products, np.matmul
        for _ in range(self._steps):
            for a, b, out in products:
                matmul(a, b, out=out)
