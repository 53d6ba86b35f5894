"""The gradient checks pass over everything registered, and fail, naming the culprit, where a derivative is wrong."""

import copy
from typing import Any

import numpy as np
import pytest
from reference import both_engines, float64

from ffnn.backend.engine import Array
from ffnn.backend.vocabulary import tanh
from ffnn.errors import FFNNError
from ffnn.nn import (
    ACTIVATIONS,
    LOSSES,
    BatchNorm,
    Dropout,
    Elementwise,
    L2Penalty,
    Layer,
    Linear,
    MeanSquaredError,
    Network,
    Objective,
    SoftmaxCrossEntropy,
    Tanh,
    mlp_layers,
)
from ffnn.nn.gradcheck import STEP, TOLERANCE, Comparison, _Probe, check_directional, check_everything


def data(rows: int, columns: int = 5, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(rows)
    return rng.standard_normal((rows, columns)), rng.integers(0, classes, rows)


def check_elementwise(
    objective: Objective, inputs: np.ndarray, labels: np.ndarray, limit: int = 50, seed: int = 0
) -> list[Comparison]:
    """The derivative with respect to single values: at most `limit` of each parameter, the worst one of each reported.

    Parameters: see `check_directional`.
    """
    probe = _Probe(objective, inputs, labels)
    analytic = probe.gradient()
    rng = np.random.default_rng(seed)
    worst = []
    for name, positions in probe.positions().items():
        chosen = rng.permutation(positions)[:limit]
        comparisons = []
        for position in chosen:
            direction = np.zeros_like(analytic)
            direction[position] = 1
            comparisons.append(Comparison(name, float(analytic[position]), probe.slope(direction, STEP)))
        worst.append(max(comparisons, key=lambda comparison: comparison.error))
    probe.value(np.zeros_like(analytic))
    return worst


@both_engines
def test_everything_registered_passes(engine_name: str) -> None:
    comparisons = list(check_everything(lambda: float64(engine_name)))
    names = " ".join(comparison.name for comparison in comparisons)
    for name in (*ACTIVATIONS, *LOSSES, "linear", "dropout", "batch_norm", "l2"):
        assert name in names
    assert TOLERANCE == 1e-7
    for comparison in comparisons:
        assert comparison.error <= TOLERANCE, str(comparison)
        assert comparison.numeric != 0, comparison.name


@both_engines
@pytest.mark.parametrize("activation", list(ACTIVATIONS))
@pytest.mark.parametrize("rows", [1, 2, 9])
def test_directional_over_widths_and_depths(activation: str, rows: int, engine_name: str) -> None:
    for hidden in ([], [1], [6], [7, 3], [4, 4, 4]):
        layers = mlp_layers(hidden, 4, activation, "xavier_normal", {"name": "uniform", "low": -0.3, "high": 0.3})
        network = Network(layers, 5, float64(engine_name), seed=len(hidden))
        comparison = check_directional(Objective(network, SoftmaxCrossEntropy()), *data(rows), seed=rows)
        assert comparison.error <= TOLERANCE, str(comparison)


@both_engines
def test_elementwise_names_every_parameter(engine_name: str) -> None:
    layers = [Linear(6), BatchNorm(), Tanh(), Dropout(0.3), Linear(4)]
    objective = Objective(Network(layers, 5, float64(engine_name)), SoftmaxCrossEntropy(0.1), L2Penalty(0.1))
    comparisons = check_elementwise(objective, *data(8))
    assert [comparison.name for comparison in comparisons] == [p.name for p in objective.network.parameters]
    for comparison in comparisons:
        # The bias before batch norm has no effect: both derivatives are rounding noise around 0.
        assert comparison.error <= 1e-5 or max(abs(comparison.analytic), abs(comparison.numeric)) < 1e-9, comparison


@both_engines
def test_a_check_leaves_the_network_as_it_was(engine_name: str) -> None:
    network = Network([Linear(6), BatchNorm(), Dropout(0.5), Linear(4)], 5, float64(engine_name))
    before = network.state_dict()
    for check in (check_directional, check_elementwise):
        check(Objective(network, MeanSquaredError()), *data(6))
        for name, parameter in network.named_parameters():
            np.testing.assert_array_equal(parameter.value, before[name])


def test_a_check_wants_float64() -> None:
    with pytest.raises(FFNNError, match="dtype float64; received float32"):
        check_directional(Objective(Network([Linear(4)], 5, "numpy"), SoftmaxCrossEntropy()), *data(2))


class WrongSign(Elementwise):
    kind = "wrong_sign"

    @staticmethod
    def function(x: Any) -> Any:
        return tanh(x)

    @staticmethod
    def derivative(x: Any, y: Any) -> Any:
        return y * y - 1.0


class WrongFactor(WrongSign):
    kind = "wrong_factor"

    @staticmethod
    def derivative(x: Any, y: Any) -> Any:
        return 1.001 * (1.0 - y * y)


class WrongTerm(WrongSign):
    kind = "wrong_term"

    @staticmethod
    def derivative(x: Any, y: Any) -> Any:
        return 1.0 - y


class WrongBias(Linear):
    def backward(self, grad_outputs: Array, needs_input_grad: bool = True) -> Array:
        result = super().backward(grad_outputs, needs_input_grad)
        if self.bias:
            self._bias.grad[...] /= len(grad_outputs)
        return result


class WrongInput(Linear):
    def backward(self, grad_outputs: Array, needs_input_grad: bool = True) -> Array:
        result = super().backward(grad_outputs, needs_input_grad)
        return None if result is None else result * 0.5


class WrongScale(BatchNorm):
    def backward(self, grad_outputs: Array, needs_input_grad: bool = True) -> Array:
        result = super().backward(grad_outputs, needs_input_grad)
        self._scale.grad[0] *= 1.01
        return result


@both_engines
@pytest.mark.parametrize("wrong", [WrongSign, WrongFactor, WrongTerm])
def test_a_wrong_activation_is_caught_by_both_checks(wrong: type[Elementwise], engine_name: str) -> None:
    objective = Objective(Network([Linear(6), wrong(), Linear(4)], 5, float64(engine_name)), SoftmaxCrossEntropy())
    assert check_directional(objective, *data(6)).error > 1e2 * TOLERANCE
    failing = [found.name for found in check_elementwise(objective, *data(6)) if found.error > 1e-4]
    # What lies behind the activation is right, what lies before it is wrong.
    assert failing == ["linear1.weight", "linear1.bias"]


@both_engines
@pytest.mark.parametrize(
    ("layers", "culprits"),
    [
        ([Linear(6), Tanh(), WrongBias(4)], ["linear2.bias"]),
        ([WrongBias(6), Tanh(), Linear(4)], ["linear1.bias"]),
        ([Linear(6), Tanh(), WrongInput(4)], ["linear1.weight", "linear1.bias"]),
        ([Linear(6), Tanh(), WrongScale(), Linear(4)], ["batch_norm1.scale"]),
    ],
    ids=["last bias", "first bias", "input", "batch norm scale"],
)
def test_the_wrong_parameter_is_named(layers: list[Layer], culprits: list[str], engine_name: str) -> None:
    objective = Objective(Network(copy.deepcopy(layers), 5, float64(engine_name)), SoftmaxCrossEntropy())
    assert check_directional(objective, *data(6)).error > 1e2 * TOLERANCE
    found = check_elementwise(objective, *data(6))
    assert [comparison.name for comparison in found if comparison.error > 1e-4] == culprits


def test_a_wrong_input_gradient_of_the_first_layer_is_caught() -> None:
    objective = Objective(Network([WrongInput(4)], 5, float64("numpy")), SoftmaxCrossEntropy())
    assert check_directional(objective, *data(6)).error > 1e2 * TOLERANCE


def test_a_wrong_penalty_is_caught() -> None:
    class Doubled(L2Penalty):
        def value(self, parameters: Any, batch_size: int) -> float:
            return 2 * super().value(parameters, batch_size)

    objective = Objective(Network([Linear(4)], 5, float64("numpy")), SoftmaxCrossEntropy(), Doubled(0.1))
    assert check_directional(objective, *data(6)).error > 1e2 * TOLERANCE
