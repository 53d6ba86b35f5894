"""JAX on a GPU: the same scan as on the CPU, which XLA compiles for its default device.

There XLA would take TF32 for products; it is told not to.
"""

import importlib.util
from typing import ClassVar

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
        return super().prepare(task, threads)
