"""Whole networks against their PyTorch twins: layers, batch norm's statistics, penalties, odd shapes."""

import numpy as np
import pytest
import torch
from reference import TORCH_ACTIVATIONS, Twin, assert_same, both_engines, float64, tensor
from torch.nn import functional

from ffnn.backend import create_engine
from ffnn.errors import FFNNError
from ffnn.nn import BatchNorm, L2Penalty, Linear, Network, Objective, SoftmaxCrossEntropy, mlp_layers

SHAPES = [
    pytest.param(1, [], 2, 1, False, id="1-2, batch 1"),
    pytest.param(6, [], 3, 8, False, id="6-3"),
    pytest.param(6, [1], 3, 8, False, id="6-1-3"),
    pytest.param(5, [7], 1, 4, False, id="one output"),
    pytest.param(6, [9, 4], 3, 1, False, id="6-9-4-3, batch 1"),
    pytest.param(6, [9, 4], 3, 33, True, id="6-9-4-3, batch norm"),
    pytest.param(4, [8, 8, 8, 8, 8], 10, 16, False, id="five hidden layers"),
    pytest.param(4, [8, 8, 8, 8, 8], 10, 2, True, id="five hidden layers, batch norm, batch 2"),
    pytest.param(50, [64, 32], 10, 128, True, id="50-64-32-10, batch norm"),
]


def build(
    engine_name: str,
    inputs: int,
    hidden: list[int],
    outputs: int,
    batch_norm: bool,
    activation: str = "tanh",
    dtype: str = "float64",
) -> Network:
    layers = mlp_layers(hidden, outputs, activation, "xavier_uniform", "uniform", batch_norm)
    network = Network(layers, inputs, create_engine(engine_name, dtype), seed=4)
    for name, parameter in network.named_parameters():
        if name.endswith((".scale", ".shift")):
            parameter.value[...] += np.random.default_rng(len(name)).uniform(-0.4, 0.4, parameter.value.shape)
    return network


def data(rows: int, columns: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((rows, columns)), rng.integers(0, classes, rows)


@both_engines
@pytest.mark.parametrize(("inputs", "hidden", "outputs", "rows", "batch_norm"), SHAPES)
def test_outputs_loss_and_all_gradients_are_pytorchs(
    inputs: int, hidden: list[int], outputs: int, rows: int, batch_norm: bool, engine_name: str
) -> None:
    network = build(engine_name, inputs, hidden, outputs, batch_norm)
    twin = Twin(network)
    x, labels = data(rows, inputs, outputs)
    objective = Objective(network, SoftmaxCrossEntropy())
    value = objective.gradients(x, labels)
    ours = np.array(objective.outputs)
    grad_inputs = network.backward(objective.loss.backward(), needs_input_grad=True)

    x_torch = tensor(x, requires_grad=True)
    theirs = twin(x_torch)
    loss = functional.cross_entropy(theirs, tensor(labels))
    loss.backward()
    assert_same(ours, theirs)
    assert_same(value, loss)
    twin.assert_same_gradients(network)
    assert_same(grad_inputs, x_torch.grad)


@both_engines
@pytest.mark.parametrize("activation", TORCH_ACTIVATIONS)
def test_a_network_of_each_activation(activation: str, engine_name: str) -> None:
    network = build(engine_name, 5, [8, 6], 4, False, activation)
    twin = Twin(network)
    x, labels = data(10, 5, 4)
    Objective(network, SoftmaxCrossEntropy()).gradients(x, labels)
    functional.cross_entropy(twin(tensor(x)), tensor(labels)).backward()
    twin.assert_same_gradients(network)


@pytest.mark.parametrize(("inputs", "hidden", "outputs", "rows", "batch_norm"), SHAPES)
def test_the_engines_agree(inputs: int, hidden: list[int], outputs: int, rows: int, batch_norm: bool) -> None:
    x, labels = data(rows, inputs, outputs)

    def gradients(engine_name: str, dtype: str) -> np.ndarray:
        network = build(engine_name, inputs, hidden, outputs, batch_norm, dtype=dtype)
        Objective(network, SoftmaxCrossEntropy()).gradients(x.astype(dtype), labels)
        assert network.parameters.grads.dtype == dtype
        return np.array(network.parameters.grads)

    reference = gradients("numpy", "float64")
    assert_same(gradients("numba", "float64"), reference, 1e-12)
    # Batch norm over 2 rows divides by differences that may be small, which float32 then feels.
    tolerance = 1e-3 if batch_norm and rows == 2 else 1e-5
    assert_same(gradients("numba", "float32"), reference, tolerance)
    assert_same(gradients("numpy", "float32"), reference, tolerance)


@both_engines
def test_batch_norm_over_several_batches_then_at_evaluation(engine_name: str) -> None:
    engine = float64(engine_name)
    network = Network([BatchNorm(momentum=0.3, epsilon=1e-3)], 4, engine)
    network.parameters["batch_norm1.scale"].value[...] = [0.5, 2, -1, 1]
    network.parameters["batch_norm1.shift"].value[...] = [0, 1, -3, 0.1]
    twin = Twin(network)
    module = twin.stack[0]
    rng = np.random.default_rng(3)
    for rows in (5, 2, 11, 7):
        x, grads = rng.standard_normal((rows, 4)) * [1, 10, 0.1, 3] + [0, 50, 1, -2], rng.standard_normal((rows, 4))
        check_batch_norm(network, twin, x, grads, training=True)
    states = network.states()
    assert_same(states["batch_norm1.running_mean"], module.running_mean)
    assert_same(states["batch_norm1.running_variance"], module.running_var)
    twin.eval()
    before = {name: np.array(value) for name, value in states.items()}
    check_batch_norm(network, twin, rng.standard_normal((3, 4)), rng.standard_normal((3, 4)), training=False)
    check_batch_norm(network, twin, rng.standard_normal((1, 4)), rng.standard_normal((1, 4)), training=False)
    for name, value in before.items():
        np.testing.assert_array_equal(network.states()[name], value, "evaluation must not move the statistics")


def check_batch_norm(network: Network, twin: Twin, x: np.ndarray, grads: np.ndarray, training: bool) -> None:
    outputs = np.array(network.forward(x, training=training))
    grad_inputs = network.backward(grads, needs_input_grad=True)
    twin.zero_grad()
    x_torch = tensor(x, requires_grad=True)
    expected = twin(x_torch)
    expected.backward(tensor(grads))
    assert_same(outputs, expected)
    assert_same(grad_inputs, x_torch.grad)
    twin.assert_same_gradients(network)


@both_engines
def test_batch_norm_of_a_constant_feature_is_finite(engine_name: str) -> None:
    for dtype in ("float32", "float64"):
        network = Network([BatchNorm()], 2, create_engine(engine_name, dtype))
        x = np.array([[3, 1], [3, 2], [3, 4]], dtype)
        outputs = network.forward(x, training=True)
        assert not outputs[:, 0].any()
        assert np.isfinite(network.backward(x, needs_input_grad=True)).all()


@both_engines
def test_batch_norm_refuses_a_training_batch_of_one_row(engine_name: str) -> None:
    network = Network([BatchNorm()], 2, engine_name)
    with pytest.raises(FFNNError, match=r"at least 2 rows in a training batch; received 1: .*batch_size"):
        network.forward(np.ones((1, 2), np.float32), training=True)
    assert network.forward(np.ones((1, 2), np.float32)).shape == (1, 2)


@both_engines
@pytest.mark.parametrize("per_example", [False, True])
def test_the_l2_penalty_is_that_of_the_weights_alone(per_example: bool, engine_name: str) -> None:
    network = build(engine_name, 5, [6, 4], 3, True)
    twin = Twin(network)
    x, labels = data(8, 5, 3)
    objective = Objective(network, SoftmaxCrossEntropy(), L2Penalty(0.4, per_example))
    value = objective.gradients(x, labels)
    loss = functional.cross_entropy(twin(tensor(x)), tensor(labels))
    assert_same(value, loss)
    weights = [module.weight for module in twin.stack if isinstance(module, torch.nn.Linear)]
    assert len(weights) == 3
    penalty = 0.4 / (8 if per_example else 1) / 2 * sum((weight**2).sum() for weight in weights)
    assert_same(objective.penalty_value(8), penalty)
    (loss + penalty).backward()
    twin.assert_same_gradients(network)


@both_engines
def test_linear_without_bias(engine_name: str) -> None:
    network = Network([Linear(4, bias=False), Linear(3)], 5, float64(engine_name))
    twin = Twin(network)
    x, grads = np.random.default_rng(0).standard_normal((6, 5)), np.random.default_rng(1).standard_normal((6, 3))
    x_torch = tensor(x, requires_grad=True)
    expected = twin(x_torch)
    expected.backward(tensor(grads))
    assert_same(network.forward(x), expected)
    assert_same(network.backward(grads, needs_input_grad=True), x_torch.grad)
    twin.assert_same_gradients(network)


@both_engines
def test_batches_of_changing_size_do_not_disturb_each_other(engine_name: str) -> None:
    network = build(engine_name, 6, [9, 4], 3, True)
    twin = Twin(network)
    objective = Objective(network, SoftmaxCrossEntropy())
    for seed, rows in enumerate([4, 16, 4, 2, 17, 16]):
        x, labels = data(rows, 6, 3, seed)
        value = objective.gradients(x, labels)
        twin.zero_grad()
        loss = functional.cross_entropy(twin(tensor(x)), tensor(labels))
        loss.backward()
        assert_same(value, loss)
        twin.assert_same_gradients(network)


@both_engines
def test_predict_does_not_depend_on_its_batch_size(engine_name: str) -> None:
    network = build(engine_name, 6, [9], 3, True)
    x, _ = data(10, 6, 3)
    network.forward(x, training=True)
    whole = network.predict(x)
    assert whole.shape == (10, 3)
    for batch_size in (1, 3, 10, 64):
        assert_same(network.predict(x, batch_size), whole, 1e-14)
    assert not np.shares_memory(network.predict(x), network.forward(x))


@both_engines
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_input_reaches_the_loss(bad: float, engine_name: str) -> None:
    for activation in TORCH_ACTIVATIONS:
        network = build(engine_name, 4, [5, 5], 3, True, activation, dtype="float32")
        x, labels = data(6, 4, 3)
        x[3, 2] = bad
        with network.engine.quiet():
            value = Objective(network, SoftmaxCrossEntropy()).gradients(x.astype(np.float32), labels)
        assert not np.isfinite(value), activation
