"""JAX on a GPU: the same scan as on the CPU, which XLA compiles for its default device.

There XLA would take TF32 for products; it is told not to. Rows are drawn on the GPU, so that none is copied there.
"""

import importlib.util
from typing import Any, ClassVar

from ffnn.bench.contender import CONTENDERS
from ffnn.bench.contenders.jax_loops import JaxScan
from ffnn.bench.work import Task

PLUGINS = ("jax_cuda13_plugin", "jax_cuda12_plugin")


@CONTENDERS.register("jax-gpu-scan")
class JaxGPUScan(JaxScan):
    """The whole epoch in one call."""

    about = "JAX on the GPU, a whole epoch under jit and scan"
    device = "cuda"
    plugins: ClassVar = PLUGINS

    @classmethod
    def missing(cls) -> str:
        plugin = any(importlib.util.find_spec(name) for name in cls.plugins)
        return super().missing() or (
            "" if plugin else "JAX's plugin for CUDA is not installed, jax[cuda12] or jax[cuda13]"
        )

    def prepare(self, task: Task, threads: int) -> str:
        import jax

        jax.config.update("jax_default_matmul_precision", "highest")
        count, batch = len(task.labels), task.batch_size

        def drawn(key: Any) -> tuple[Any, Any]:
            key, now = jax.random.split(key)
            return key, jax.random.permutation(now, count).reshape(-1, batch)

        self._draw, self._key = jax.jit(drawn), jax.random.key(task.seed)
        return super().prepare(task, threads)

    def _order(self) -> Any:
        self._key, order = self._draw(self._key)
        return order
