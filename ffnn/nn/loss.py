"""The contract every loss keeps: one number for how wrong a batch of outputs is, and its gradient in the same pass.

Every loss is a mean over the batch. Targets are made where they are needed, from integer labels.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from ffnn.backend.engine import Array, Engine, unexplained
from ffnn.backend.fit import check_classes
from ffnn.backend.workspace import Workspace
from ffnn.errors import FFNNError
from ffnn.nn.doors import check_labels, check_matrix
from ffnn.registry import Registry


class Loss(ABC):
    """A mean over the batch of one number a row.

    `formula(outputs, target, grad, scale, *constants)` gives the loss of a row, and writes `scale` times its gradient
    into `grad`; `constants` are the loss's own options, in the order in which the formula takes them. If it
    `takes_logits`, its probabilities are the softmax of the outputs. Of the last batch, `sum`, an array of one value,
    is that over its rows, and `weight`, a number or such an array, what that is divided by: their number or their
    weights.
    """

    formula: ClassVar[Callable[..., Any]]
    takes_logits: ClassVar[bool] = False
    constants: tuple[float, ...] = ()
    sum: Array
    weight: float | Array

    def connect(self, engine: Engine, num_outputs: int) -> None:
        """Take the engine and the width of the outputs; called once before the first `forward`."""
        self._engine = engine
        self._num_outputs = num_outputs
        self._workspace = Workspace(engine)
        self._kernel = unexplained(engine.rows(type(self).formula))
        self.sum = engine.zeros((1,), np.float64)
        self._unused_sum = engine.zeros((1,), np.float64)
        # What was checked last: a network's outputs come in the same array again and again.
        self._outputs: Array = None
        self._labels: Array = None

    def forward(self, outputs: Array, labels: Array) -> float:
        """The loss of a batch's outputs (batch_size, num_outputs), read from where it was computed.

        Labels are class numbers (batch_size,), or the targets themselves, like the outputs. FFNNError for arrays of
        another shape or type, and, on engines that look, for a label that is no output's number.
        """
        self._check_outputs(outputs)
        self.check(labels, len(outputs))
        self.compute(outputs, labels)
        return self.read(labels)

    def read(self, labels: Array) -> float:
        """The loss of the batch that `compute` had last, with these labels."""
        value = self.total / self.divisor
        if math.isnan(value) and labels.ndim == 1:  # a device makes NaN of an unknown label
            check_classes(self._engine.host(labels), self._num_outputs)
        return value

    def check(self, labels: Array, rows: int) -> None:
        """FFNNError unless `compute` takes these labels for outputs of so many rows."""
        if labels is not self._labels or len(labels) != rows:
            check_labels(labels, self._engine, rows, self._num_outputs)
            self._labels = labels

    def _check_outputs(self, outputs: Array) -> None:
        if not hasattr(self, "_engine"):
            raise FFNNError("a loss needs its network: Objective(network, loss), or loss.connect(engine, num_outputs)")
        if outputs is not self._outputs:
            check_matrix("outputs", outputs, self._engine, self._num_outputs)
            self._outputs = outputs

    @property
    def total(self) -> float:
        """`sum` as a number."""
        return self._engine.read(self.sum)

    @property
    def divisor(self) -> float:
        """`weight` as a number."""
        return self.weight if isinstance(self.weight, float) else self._engine.read(self.weight)

    def compute(self, outputs: Array, labels: Array) -> None:
        """`forward` for labels that `check` passed, left in `sum` and `weight`; `backward` then has its gradient."""
        self._check_outputs(outputs)
        rows, columns = outputs.shape
        grad = self._workspace("grad", rows, columns)
        targets = self._targets(labels)
        self.weight, scale = self._weighed(labels)
        self._kernel((grad, self.sum), (outputs, targets), (scale, *self.constants))
        self._grad = grad

    def backward(self) -> Array:
        """dLoss/doutputs of the last batch; overwritten by the next one."""
        if not hasattr(self, "_grad"):
            raise FFNNError("a loss without a batch has no gradient: call forward first")
        return self._grad

    def _targets(self, labels: Array) -> Array:
        if labels.ndim == 2:
            return labels
        targets = self._workspace("targets", len(labels), self._num_outputs)
        self._engine.one_hot(labels, 1.0, 0.0, targets)
        return targets

    def _weighed(self, labels: Array) -> tuple[float | Array, float | Array]:
        """What the batch weighs, and 1 over that."""
        return float(len(labels)), 1 / len(labels)

    @abstractmethod
    def probabilities(self, outputs: Array) -> Array:
        """What the outputs say about each class; not always a distribution (see the loss)."""


LOSSES: Registry[Loss] = Registry("loss")
