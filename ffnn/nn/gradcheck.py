"""Gradient checks: every hand-derived backward against differences of the loss itself.

The directional check compares one number per network and is cheap; the element-wise one names the
parameter that is wrong. Both want float64.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffnn.backend.engine import Engine
from ffnn.errors import FFNNError
from ffnn.nn.activations import ACTIVATIONS
from ffnn.nn.batch_norm import BatchNorm
from ffnn.nn.layer import Layer
from ffnn.nn.layers import Dropout, Linear
from ffnn.nn.losses import LOSSES, Loss, SoftmaxCrossEntropy
from ffnn.nn.network import Network, Objective
from ffnn.nn.penalties import L2Penalty
from ffnn.nn.softmax import Softmax

Vector = NDArray[np.float64]

TOLERANCE = 1e-7
STEP = 1e-5


@dataclass(frozen=True)
class Comparison:
    """An analytic derivative, by hand, beside a numeric one, by differences, of what `name` says.

    The error is |analytic - numeric| / max(|analytic| + |numeric|, 1e-8): 0 agrees, 1 is a wrong sign or factor.
    """

    name: str
    analytic: float
    numeric: float

    @property
    def error(self) -> float:
        return abs(self.analytic - self.numeric) / max(abs(self.analytic) + abs(self.numeric), 1e-8)

    def __str__(self) -> str:
        return f"{self.name}: by hand {self.analytic:.10g}, by differences {self.numeric:.10g}, error {self.error:.1e}"


def check_directional(
    objective: Objective, inputs: Vector, labels: NDArray[Any], seed: int = 0, name: str = "network"
) -> Comparison:
    """The derivative of the objective along one random direction through all parameters and inputs.

    A direction, drawn from `seed`, along which the loss has a kink (a ReLU that switches within the step) is
    recognised, as differences of two widths disagree there, and drawn anew. The engine must be of float64; inputs are
    (batch_size, input_size), labels class numbers (batch_size,), or float targets.
    """
    probe = _Probe(objective, inputs, labels)
    analytic = probe.gradient()
    rng = np.random.default_rng(seed)
    for _ in range(20):
        direction = rng.standard_normal(len(analytic))
        direction /= np.linalg.norm(direction)
        wide, narrow = (probe.slope(direction, step) for step in (STEP, STEP / 2))
        if abs(wide - narrow) <= TOLERANCE * (abs(wide) + abs(narrow)):
            break
    probe.value(np.zeros_like(analytic))
    return Comparison(name, float(analytic @ direction), narrow)


class _Probe:
    """The objective as a function of one vector: all parameters, then all inputs, as a shift from where they are."""

    def __init__(self, objective: Objective, inputs: Vector, labels: NDArray[Any]) -> None:
        engine = objective.network.engine
        if engine.dtype != np.float64:
            raise FFNNError(f"a gradient check needs an engine of dtype float64; received {engine.dtype.name}")
        self.objective, self.engine = objective, engine
        self.parameters = objective.network.parameters
        self.start = np.array(engine.host(self.parameters.values))
        self.inputs = np.asarray(inputs, np.float64)
        self.labels = engine.array(labels, np.asarray(labels).dtype)
        self.states = {name: np.array(engine.host(a)) for name, a in objective.network.states().items()}

    def _forward(self, shift: Vector) -> float:
        """Training-mode loss at the shifted point; each call starts from the same state, so draws the same masks."""
        for name, array in self.objective.network.states().items():
            array[...] = self.engine.array(self.states[name], array.dtype)
        size = len(self.start)
        self.parameters.values[...] = self.engine.array(self.start + shift[:size])
        inputs = self.engine.array(self.inputs + shift[size:].reshape(self.inputs.shape))
        return self.objective.loss.forward(self.objective.network.forward(inputs, training=True), self.labels)

    def value(self, shift: Vector) -> float:
        return self._forward(shift) + self.objective.penalty_value(len(self.inputs))

    def slope(self, direction: Vector, step: float) -> float:
        """Central difference of fourth order."""
        outer = self.value(2 * step * direction) - self.value(-2 * step * direction)
        inner = self.value(step * direction) - self.value(-step * direction)
        return (8 * inner - outer) / (12 * step)

    def gradient(self) -> Vector:
        self._forward(np.zeros(len(self.start) + self.inputs.size))
        grad_inputs = self.objective.network.backward(self.objective.loss.backward(), needs_input_grad=True)
        if self.objective.penalty:
            self.objective.penalty.add_gradient(self.parameters, self.objective.penalty.factor(len(self.inputs)))
        parts = [self.engine.host(self.parameters.grads), self.engine.host(grad_inputs).reshape(-1)]
        return np.concatenate(parts)

    def positions(self) -> dict[str, NDArray[np.int64]]:
        """Where each parameter stands in the vector, found by writing each one's number into its own view."""
        names = [parameter.name for parameter in self.parameters]
        for number, parameter in enumerate(self.parameters):
            parameter.value[...] = number
        owner = np.array(self.engine.host(self.parameters.values))
        self.parameters.values[...] = self.engine.array(self.start)
        return {name: np.flatnonzero(owner == number) for number, name in enumerate(names)}


def check_everything(make_engine: Callable[[], Engine], seed: int = 0) -> Iterator[Comparison]:
    """A directional check of every registered activation and loss, every layer, and the L2 penalty.

    `make_engine` makes the float64 engine of each network.
    """
    rng = np.random.default_rng(seed)
    inputs, labels = rng.standard_normal((6, 5)), rng.integers(0, 4, 6)

    def check(name: str, layers: list[Layer], loss: Loss, penalty: L2Penalty | None = None) -> Comparison:
        network = Network(layers, 5, make_engine(), seed)
        return check_directional(Objective(network, loss, penalty), inputs, labels, seed, name)

    for name in ACTIVATIONS:
        layers = [Linear(8), ACTIVATIONS.create(name), Linear(7), ACTIVATIONS.create(name), Linear(4)]
        yield check(f"activation {name}", layers, SoftmaxCrossEntropy())
    for name in LOSSES:
        yield check(f"loss {name}", [Linear(8), ACTIVATIONS.create("tanh"), Linear(4)], LOSSES.create(name))
    smoothed = SoftmaxCrossEntropy(label_smoothing=0.1, class_weights=[1, 2, 3, 0.5])
    yield check("loss cross_entropy, smoothed and weighted", [Linear(4)], smoothed)
    yield check("loss mean_squared_error on softmax", [Linear(4), Softmax()], LOSSES.create("mean_squared_error"))
    yield check("layer linear without bias", [Linear(4, bias=False)], SoftmaxCrossEntropy())
    yield check("layer dropout", [Linear(8), Dropout(0.5), Linear(4)], SoftmaxCrossEntropy())
    yield check("layer batch_norm", [Linear(8), BatchNorm(), Linear(4)], SoftmaxCrossEntropy())
    yield check("penalty l2", [Linear(8), Linear(4)], SoftmaxCrossEntropy(), L2Penalty(0.1))
    yield check("penalty l2 per example", [Linear(4)], SoftmaxCrossEntropy(), L2Penalty(0.1, per_example=True))
