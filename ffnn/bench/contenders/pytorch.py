"""PyTorch as its users write it for data that fit into memory: no DataLoader, one gather a batch, fused optimizer.

Pixels are kept as uint8 or as ready-made float32, whichever PyTorch gathers faster here.
"""

import os
import shutil
from functools import partial
from typing import Any, ClassVar

from ffnn.bench.contender import CONTENDERS, Contender, faster
from ffnn.bench.work import Task


@CONTENDERS.register("pytorch")
class PyTorchEager(Contender):
    """PyTorch without compilation."""

    about = "PyTorch eager, fused optimizer"
    packages: ClassVar = {"torch": "torch"}

    def prepare(self, task: Task, threads: int) -> str:
        import torch

        from ffnn.reference import TorchReference

        torch.set_num_threads(threads)
        self._batch_size, self._count, self._top = task.batch_size, len(task.labels), task.top
        self._labels = torch.from_numpy(task.labels)
        pixels = torch.from_numpy(task.images)
        rows = torch.randperm(self._count)[: task.batch_size]
        forms = {"uint8": pixels, "float32": pixels.float().div_(task.top)}
        form = faster({name: partial(self._inputs, pool, rows) for name, pool in forms.items()})
        self._pool = forms[form]
        described = task.description
        reference = TorchReference(described.objective(task.state), described.make_optimizer(), seed=task.seed)
        self._optimizer = reference.torch_optimizer
        self._network = self._compiled(reference.network)
        return f"pixels kept as {form}"

    def _compiled(self, network: Any) -> Any:
        return network

    def _inputs(self, pool: Any, rows: Any) -> Any:
        chosen = pool.index_select(0, rows)
        return chosen if chosen.is_floating_point() else chosen.float().div_(self._top)

    def epoch(self) -> float:
        import torch
        from torch.nn.functional import cross_entropy

        total, steps = torch.zeros(()), 0
        for rows in torch.randperm(self._count).split(self._batch_size):
            inputs, labels = self._inputs(self._pool, rows), self._labels.index_select(0, rows)
            self._optimizer.zero_grad()
            loss = cross_entropy(self._network(inputs), labels)
            loss.backward()
            self._optimizer.step()
            total += loss.detach()
            steps += 1
        return float(total) / steps


@CONTENDERS.register("pytorch-compile")
class PyTorchCompiled(PyTorchEager):
    """PyTorch with forward and backward compiled."""

    about = "PyTorch with torch.compile(network)"

    @classmethod
    def missing(cls) -> str:
        compiler = os.environ.get("CXX") or next(filter(shutil.which, ("g++", "clang++", "cl")), None)
        return super().missing() or ("" if compiler else "torch.compile needs a C++ compiler; none was found")

    def _compiled(self, network: Any) -> Any:
        import torch

        torch.compiler.reset()
        return torch.compile(network)
