"""The floor: nothing but the matrix products that a step cannot do without, with NumPy's BLAS.

Forward, gradients of all weights, and gradients of all inputs except the first layer's.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from ffnn.bench.contender import CONTENDERS, Contender
from ffnn.bench.work import Task


def products_of(task: Task, on_engine: Callable[[Any], Any] = np.asarray) -> list[tuple[Any, Any, Any]]:
    """The products a @ b of a step, with what they are written to, in arrays that the engine makes of NumPy's."""
    rng = np.random.default_rng(task.seed)

    def random(rows: int, columns: int) -> Any:
        return on_engine(rng.random((rows, columns), np.float32))

    sizes = task.description.sizes
    values, grads = ([random(task.batch_size, size) for size in sizes] for _ in range(2))
    products = []
    for number, (inputs, outputs) in enumerate(pairwise(sizes)):
        weight, weight_grad = random(inputs, outputs), random(inputs, outputs)
        products += [(values[number], weight, values[number + 1]), (values[number].T, grads[number + 1], weight_grad)]
        if number:
            products.append((grads[number + 1], weight.T, grads[number]))
    return products


@CONTENDERS.register("floor")
class Floor(Contender):
    """`np.matmul` into arrays that are there already."""

    about = "the bare matrix products, numpy.matmul"
    packages: ClassVar = {"numpy": "numpy"}

    def prepare(self, task: Task, threads: int) -> str:
        self._products, self._steps = products_of(task), task.steps
        return ""

    def epoch(self) -> None:
        products, matmul = self._products, np.matmul
        for _ in range(self._steps):
            for a, b, out in products:
                matmul(a, b, out=out)
