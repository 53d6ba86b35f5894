"""PyTorch as its users write it for data that fit into memory: no DataLoader, one gather a batch, fused optimizer.

Pixels are kept as uint8 or as ready-made float32, whichever PyTorch gathers faster here.
"""

import os
import shutil
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from ffnn.bench.contender import CONTENDERS, Contender, faster
from ffnn.bench.work import Task
from ffnn.reference import State


@CONTENDERS.register("pytorch")
class PyTorchEager(Contender):
    """PyTorch without compilation."""

    about = "PyTorch eager, fused optimizer"
    packages: ClassVar = {"torch": "torch"}

    def prepare(self, task: Task, threads: int) -> str:
        import torch

        from ffnn.reference import TorchReference

        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision("highest")
        self._batch_size, self._steps, self._top = task.batch_size, task.steps, task.top
        self._task, self._rates, self._epoch = task, task.rates().tolist(), 0
        self._labels = torch.from_numpy(task.labels).to(self.device)
        pixels = torch.from_numpy(task.images).to(self.device)
        rows = self._order()[: task.batch_size]
        forms = {"uint8": pixels, "float32": pixels.float().div_(task.top)}
        form = faster({name: partial(self._gathered, pool, rows) for name, pool in forms.items()})
        self._pool = forms[form]
        described = task.description
        self._reference = TorchReference(described.objective(task.state), described.make_optimizer(), seed=task.seed)
        # The parameters stay the objects that the optimizer knows.
        network = self._reference.network.to(self.device)
        self._optimizer = self._reference.torch_optimizer
        self._network = self._compiled(network)
        return f"pixels kept as {form}"

    def _compiled(self, network: Any) -> Any:
        return network

    def _inputs(self, pool: Any, rows: Any) -> Any:
        chosen = pool.index_select(0, rows)
        return chosen if chosen.is_floating_point() else chosen.float().div_(self._top)

    def _gathered(self, pool: Any, rows: Any) -> float:
        """One of the inputs, which is there when all of them are."""
        return float(self._inputs(pool, rows)[0, 0])

    def _order(self) -> Any:
        """The order of this epoch; a GPU draws one of its own, in less time than the host's takes to come."""
        import torch

        if self.device == "cuda":
            return torch.randperm(len(self._labels), device=self.device)
        return torch.from_numpy(self._task.order(self._epoch))

    def _take_step(self, rows: Any) -> Any:
        """One update; returns its loss, which nobody has waited for."""
        from torch.nn.functional import cross_entropy

        inputs, labels = self._inputs(self._pool, rows), self._labels.index_select(0, rows)
        self._optimizer.zero_grad()
        loss = cross_entropy(self._network(inputs), labels)
        loss.backward()
        self._optimizer.step()
        return loss.detach()

    def epoch(self) -> float:
        import torch

        total = torch.zeros((), device=self.device)
        rates = self._rates[self._epoch % len(self._rates)]
        for rows, rate in zip(self._order().split(self._batch_size), rates, strict=True):
            for group in self._optimizer.param_groups:
                group["lr"] = rate
            total += self._take_step(rows)
        self._epoch += 1
        return float(total) / self._steps

    def values(self) -> State:
        return self._reference.values()


@CONTENDERS.register("pytorch-compile")
class PyTorchCompiled(PyTorchEager):
    """PyTorch with forward and backward compiled."""

    about = "PyTorch with torch.compile(network)"
    options: ClassVar[Mapping[str, Any]] = {}

    @classmethod
    def missing(cls) -> str:
        compiler = os.environ.get("CXX") or next(filter(shutil.which, ("g++", "clang++", "cl")), None)
        return super().missing() or ("" if compiler else "torch.compile needs a C++ compiler; none was found")

    def _compiled(self, network: Any) -> Any:
        import torch

        torch.compiler.reset()
        return torch.compile(network, **self.options)
