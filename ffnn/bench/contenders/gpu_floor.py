"""The floor of a GPU: nothing but the matrix products of a step, asked for once and repeated.

They are those of `floor`, done by whatever multiplies for ffnn's engine, which on a GPU is cuBLAS.
"""

from typing import ClassVar

from ffnn.bench.contender import CONTENDERS, Contender
from ffnn.bench.contenders.ffnn_gpu import OnCuPy
from ffnn.bench.contenders.floor import products_of
from ffnn.bench.work import Task


class RecordedProducts(Contender):
    """The bare products of a step, asked for once and repeated, on one of ffnn's engines."""

    engine: ClassVar[str]

    def prepare(self, task: Task, threads: int) -> str:
        from ffnn.backend import create_engine

        engine = self._engine = create_engine(self.engine, "float32")
        self.products = products_of(task, engine.array)
        self._last = self.products[-1][-1].reshape(-1)[:1]
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
