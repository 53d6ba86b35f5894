"""PyTorch on a GPU in four ways: eager, compiled, the whole step recorded in a CUDA graph, and both of these.

All images are on the device; products are float32, not TF32, as they are for everybody in this race.
"""

from collections.abc import Callable
from typing import Any, ClassVar

from ffnn.bench.contender import CONTENDERS
from ffnn.bench.contenders.pytorch import PyTorchCompiled, PyTorchEager
from ffnn.bench.work import Task

WARM_UP = 3
"""Steps after which PyTorch has allocated what it keeps, as its guide to CUDA graphs has it."""


@CONTENDERS.register("pytorch-gpu")
class PyTorchGPU(PyTorchEager):
    """The eager loop."""

    about = "PyTorch eager on the GPU, fused optimizer"
    device = "cuda"


@CONTENDERS.register("pytorch-gpu-compile")
class PyTorchGPUCompiled(PyTorchCompiled):
    """The eager loop with forward and backward compiled."""

    about = "PyTorch on the GPU with torch.compile(network, mode=max-autotune-no-cudagraphs)"
    device = "cuda"
    options: ClassVar = {"mode": "max-autotune-no-cudagraphs"}


@CONTENDERS.register("pytorch-gpu-graph")
class PyTorchGraph(PyTorchEager):
    """Gathering, loss, gradients and update are one graph, which also finds the rows of its batch by itself."""

    about = "PyTorch on the GPU, the whole step one CUDA graph"
    device = "cuda"

    def prepare(self, task: Task, threads: int) -> str:
        import torch

        choice = super().prepare(task, threads)
        for group in self._optimizer.param_groups:
            if "capturable" in group:
                group["capturable"] = True
        self._rows = self._order().reshape(self._steps, self._batch_size)
        self._place = torch.zeros(1, dtype=torch.int64, device=self.device)
        self._total = torch.zeros((), device=self.device)
        before = {name: value.clone() for name, value in self._network.state_dict().items()}
        self._replay = self._record(self._compute)
        # What warming up has learnt is taken back, where the graph will look for it.
        self._network.load_state_dict(before)
        for slots in self._optimizer.state.values():
            for value in slots.values():
                value.zero_()
        return choice

    def _compute(self) -> None:
        """The step at the present place, and the place after it."""
        rows = self._rows.index_select(0, self._place).reshape(-1)
        self._total += self._take_step(rows)
        self._place += 1

    def _record(self, step: Callable[[], None]) -> Callable[[], None]:
        import torch

        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                self._place.zero_()
                step()
        torch.cuda.current_stream().wait_stream(side)
        self._place.zero_()
        graph: Any = torch.cuda.CUDAGraph()
        # Gradients are then allocated anew, where the graph keeps what is its own.
        self._optimizer.zero_grad(set_to_none=True)
        with torch.cuda.graph(graph, stream=side):
            step()
        replay: Callable[[], None] = graph.replay
        return replay

    def epoch(self) -> float:
        self._rows.copy_(self._order().reshape(self._steps, self._batch_size))
        self._place.zero_()
        self._total.zero_()
        for _ in range(self._steps):
            self._replay()
        return float(self._total) / self._steps


@CONTENDERS.register("pytorch-gpu-compile-graph")
class PyTorchCompiledGraph(PyTorchGraph, PyTorchGPUCompiled):
    """Its strongest form: the compiled network inside the recorded step."""

    about = "PyTorch on the GPU with torch.compile(network, mode=max-autotune-no-cudagraphs), the step one CUDA graph"
