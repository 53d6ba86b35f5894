"""Every registered activation against PyTorch, the engines against each other, and NaN against being hidden."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from reference import ACTIVATION_CASES, TORCH_ACTIVATIONS, assert_same, both_engines, float64, tensor
from torch import nn

from ffnn.backend import create_engine
from ffnn.nn import ACTIVATIONS, Network

RNG = np.random.default_rng(11)
SPECIAL = np.array([[0.0, -0.0, 1e-300, -1e-300, 1e-12, -1e-12, 0.6, -0.6, 1.0, -1.0, 30.0, -30.0, 700.0, -700.0, 1e4]])
INPUTS = {
    "ordinary": RNG.standard_normal((7, 5)) * 3,
    "wide": RNG.standard_normal((4, 33)) * 40,
    "one row": RNG.standard_normal((1, 9)),
    "one column": RNG.standard_normal((9, 1)),
    "one value": np.array([[0.3]]),
    "special": SPECIAL,
}


def run(
    spec: dict[str, Any], engine_name: str, dtype: str, inputs: np.ndarray, grads: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Outputs and input gradients of the activation alone, as copies."""
    engine = create_engine(engine_name, dtype)
    network = Network([ACTIVATIONS.create(spec)], inputs.shape[1], engine)
    outputs = np.array(network.forward(engine.array(inputs), training=True))
    return outputs, np.array(network.backward(engine.array(grads), needs_input_grad=True))


def test_every_activation_has_a_reference() -> None:
    assert set(TORCH_ACTIVATIONS) == set(ACTIVATIONS)


@both_engines
@pytest.mark.parametrize(("spec", "make"), ACTIVATION_CASES)
@pytest.mark.parametrize("inputs", INPUTS.values(), ids=INPUTS)
def test_values_and_gradients_are_pytorchs(
    spec: dict[str, Any], make: Callable[[], nn.Module], inputs: np.ndarray, engine_name: str
) -> None:
    grads = np.random.default_rng(1).standard_normal(inputs.shape)
    outputs, grad_inputs = run(spec, engine_name, "float64", inputs, grads)
    x = tensor(inputs, requires_grad=True)
    y = make()(x)
    y.backward(tensor(grads))
    assert_same(outputs, y)
    assert_same(grad_inputs, x.grad)


@pytest.mark.parametrize(("spec", "make"), ACTIVATION_CASES)
@pytest.mark.parametrize("inputs", INPUTS.values(), ids=INPUTS)
def test_the_engines_agree(spec: dict[str, Any], make: Callable[[], nn.Module], inputs: np.ndarray) -> None:
    grads = np.random.default_rng(2).standard_normal(inputs.shape)
    reference = run(spec, "numpy", "float64", inputs, grads)
    for actual, expected in zip(run(spec, "numba", "float64", inputs, grads), reference, strict=True):
        assert_same(actual, expected, 1e-12)
    # From inputs that float32 can hold, so that only the arithmetic differs.
    inputs, grads = inputs.astype(np.float32), grads.astype(np.float32)
    reference = run(spec, "numpy", "float64", inputs, grads)
    for engine_name in ("numpy", "numba"):
        results = run(spec, engine_name, "float32", inputs, grads)
        for actual, expected in zip(results, reference, strict=True):
            assert actual.dtype == np.float32
            assert_same(actual, expected, 1e-6)


@both_engines
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("spec", "make"), ACTIVATION_CASES)
def test_a_nan_is_never_hidden(
    spec: dict[str, Any], make: Callable[[], nn.Module], dtype: str, engine_name: str
) -> None:
    inputs = np.linspace(-2, 2, 21).reshape(3, 7)
    inputs[1, 3] = np.nan
    outputs, _ = run(spec, engine_name, dtype, inputs, np.ones_like(inputs))
    expected = np.isnan(make()(tensor(inputs)).numpy())
    assert expected.any()
    np.testing.assert_array_equal(np.isnan(outputs), expected)


@both_engines
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("spec", "make"), ACTIVATION_CASES)
def test_a_nan_gradient_is_never_hidden(
    spec: dict[str, Any], make: Callable[[], nn.Module], dtype: str, engine_name: str
) -> None:
    inputs, grads = np.linspace(-2, 2, 21).reshape(3, 7), np.ones((3, 7))
    grads[0, 0] = grads[2, 6] = np.nan
    _, grad_inputs = run(spec, engine_name, dtype, inputs, grads)
    assert np.isnan(grad_inputs[2, 6])
    assert np.isnan(grad_inputs[0, 0])


@both_engines
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("spec", "make"), ACTIVATION_CASES)
def test_infinity_gives_what_it_gives_in_pytorch(
    spec: dict[str, Any], make: Callable[[], nn.Module], dtype: str, engine_name: str
) -> None:
    inputs = np.array([[np.inf], [-np.inf], [1.0]])
    outputs, _ = run(spec, engine_name, dtype, inputs, np.ones_like(inputs))
    assert_same(outputs, make()(tensor(inputs)), 1e-6)


@both_engines
def test_softmax_of_huge_scores_is_finite(engine_name: str) -> None:
    engine = float64(engine_name)
    network = Network([ACTIVATIONS.create("softmax")], 3, engine)
    scores = np.array([[1e4, -1e4, 0.0], [1e4, 1e4, -1e4], [-1e4, -1e4, -1e4]])
    outputs = network.forward(engine.array(scores))
    assert_same(outputs, torch.softmax(tensor(scores), 1))
