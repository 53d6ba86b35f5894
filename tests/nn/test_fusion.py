"""Joined layers give what the layers give one by one, and own layers are never joined away."""

from typing import Any

import numpy as np
import pytest
from reference import both_engines

from ffnn.backend import create_engine
from ffnn.backend.engine import Array
from ffnn.nn import ACTIVATIONS, Linear, Network
from ffnn.nn.activations import Tanh
from ffnn.nn.elementwise import Elementwise
from ffnn.nn.fusion import LinearActivation, fused

ELEMENTWISE = [name for name in ACTIVATIONS if issubclass(ACTIVATIONS[name], Elementwise)]  # type: ignore[arg-type]


@both_engines
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_a_joined_pair_equals_its_two_layers(name: str, engine_name: str) -> None:
    engine = create_engine(engine_name, "float64")
    rng = np.random.default_rng(3)
    inputs, grad = engine.array(rng.standard_normal((7, 5))), engine.array(rng.standard_normal((7, 4)))
    layers = [Linear(4, bias_init="normal"), ACTIVATIONS.create(name)]
    network = Network(layers, 5, engine)
    (stage,) = fused(layers)
    assert isinstance(stage, LinearActivation)

    outputs = np.array(network.forward(inputs))
    grad_inputs = np.array(network.backward(grad, needs_input_grad=True))
    grads = np.array(network.parameters.grads)

    network.parameters.grads[...] = np.nan
    alone = layers[1].forward(layers[0].forward(inputs))
    np.testing.assert_allclose(outputs, alone, rtol=1e-14, atol=1e-15)
    alone = layers[0].backward(layers[1].backward(grad))
    np.testing.assert_allclose(grad_inputs, alone, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(grads, network.parameters.grads, rtol=1e-13, atol=1e-14)


class Noted(Tanh):
    """An activation that somebody wrote, with a backward of its own."""

    def backward(self, grad_outputs: Array, needs_input_grad: bool = True) -> Any:
        return 2 * super().backward(grad_outputs)


def test_a_layer_with_a_backward_of_its_own_is_what_runs() -> None:
    network = Network([Linear(3), Noted(), Linear(2)], 4, "numpy")
    usual = Network([Linear(3), Tanh(), Linear(2)], 4, "numpy")
    inputs, grad = np.ones((5, 4), np.float32), np.ones((5, 2), np.float32)
    for each in (network, usual):
        each.forward(inputs)
        each.backward(grad)
    assert np.any(usual.parameters["linear1.weight"].grad)
    np.testing.assert_allclose(network.parameters["linear1.weight"].grad, 2 * usual.parameters["linear1.weight"].grad)


def test_without_a_bias_nothing_is_joined() -> None:
    layers = [Linear(3, bias=False), Tanh()]
    Network(layers, 4, "numpy")
    assert fused(layers) == layers


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_a_derivative_said_to_need_the_output_alone_does(name: str) -> None:
    activation: Any = ACTIVATIONS.create(name)
    x = np.array([-3.0, -1.0, -1e-3, 0.0, 1e-3, 0.5, 4.0])
    y = type(activation).function(x, *activation.constants)
    of_both = type(activation).derivative(x, y, *activation.constants)
    of_output = type(activation).derivative(np.full_like(x, np.nan), y, *activation.constants)
    assert np.array_equal(of_both, of_output) == activation.from_output
