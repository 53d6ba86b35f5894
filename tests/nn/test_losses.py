"""Losses against PyTorch, at sizes where naive formulas overflow, and as properties."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from nn.references import TORCH_LOSSES, K, torch_cross_entropy, torch_squared_error
from reference import assert_same, both_engines, tensor
from torch.nn import functional

from ffnn.backend import create_engine
from ffnn.errors import FFNNError
from ffnn.nn import LOSSES, FocalLoss, Linear, Loss, Network, Objective, Softmax, SoftmaxCrossEntropy

CASES = [
    pytest.param({"name": name, **options}, reference, id="-".join([name, *options]))
    for name, cases in TORCH_LOSSES.items()
    for options, reference in cases
]


def batch(rows: int, scale: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(rows)
    labels = rng.integers(0, K, rows)
    labels[0] = 3  # a batch whose labels all weigh 0 has no mean
    return rng.standard_normal((rows, K)) * scale, labels


def run(
    loss: Loss, engine_name: str, outputs: np.ndarray, labels: np.ndarray, dtype: str = "float64"
) -> tuple[float, np.ndarray]:
    engine = create_engine(engine_name, dtype)
    loss.connect(engine, outputs.shape[1])
    targets = engine.array(labels, None if labels.ndim == 2 else np.int64)
    value = loss.forward(engine.array(outputs), targets)
    return value, np.array(loss.backward())


def test_every_loss_has_a_reference() -> None:
    assert set(TORCH_LOSSES) == set(LOSSES)


@both_engines
@pytest.mark.parametrize("rows", [1, 2, 17])
@pytest.mark.parametrize(("spec", "reference"), CASES)
def test_value_and_gradient_are_pytorchs(
    spec: dict[str, Any], reference: Callable[..., torch.Tensor], rows: int, engine_name: str
) -> None:
    outputs, labels = batch(rows)
    value, grad = run(LOSSES.create(spec), engine_name, outputs, labels)
    z = tensor(outputs, requires_grad=True)
    expected = reference(z, tensor(labels))
    expected.backward()
    assert_same(value, expected)
    assert_same(grad, z.grad)


@pytest.mark.parametrize("rows", [1, 17])
@pytest.mark.parametrize(("spec", "reference"), CASES)
def test_the_engines_agree(spec: dict[str, Any], reference: Callable[..., torch.Tensor], rows: int) -> None:
    outputs, labels = batch(rows)
    expected = run(LOSSES.create(spec), "numpy", outputs, labels)
    for engine_name, dtype, tolerance in [
        ("numba", "float64", 1e-12),
        ("numba", "float32", 2e-6),
        ("numpy", "float32", 2e-6),
    ]:
        value, grad = run(LOSSES.create(spec), engine_name, outputs, labels, dtype)
        assert_same(value, expected[0], tolerance)
        assert_same(grad, expected[1], tolerance)


@both_engines
def test_float_targets_are_taken_as_they_are(engine_name: str) -> None:
    rng = np.random.default_rng(0)
    outputs, targets = rng.standard_normal((6, K)), rng.dirichlet(np.ones(K), 6)
    for name, reference in [("cross_entropy", functional.cross_entropy), ("mean_squared_error", functional.mse_loss)]:
        value, grad = run(LOSSES.create(name), engine_name, outputs, targets)
        z = tensor(outputs, requires_grad=True)
        expected = reference(z, tensor(targets))
        expected.backward()
        assert_same(value, expected)
        assert_same(grad, z.grad)


@both_engines
def test_float_targets_that_do_not_sum_to_one(engine_name: str) -> None:
    rng = np.random.default_rng(0)
    outputs, targets = rng.standard_normal((6, K)), rng.uniform(0, 2, (6, K))
    value, grad = run(SoftmaxCrossEntropy(), engine_name, outputs, targets)
    z = tensor(outputs, requires_grad=True)
    expected = -(tensor(targets) * torch.log_softmax(z, 1)).sum(1).mean()
    expected.backward()
    assert_same(value, expected)
    assert_same(grad, z.grad)


@both_engines
def test_squared_error_on_softmax_outputs(engine_name: str) -> None:
    engine = create_engine(engine_name, "float64")
    network = Network([Linear(K), Softmax()], 4, engine, seed=2)
    rng = np.random.default_rng(0)
    inputs, labels = rng.standard_normal((9, 4)), rng.integers(0, K, 9)
    value = Objective(network, LOSSES.create("mean_squared_error")).gradients(engine.array(inputs), labels)
    weight = tensor(np.array(network.parameters["linear1.weight"].value), requires_grad=True)
    bias = tensor(np.array(network.parameters["linear1.bias"].value), requires_grad=True)
    expected = torch_squared_error(torch.softmax(tensor(inputs) @ weight + bias, 1), tensor(labels))
    expected.backward()
    assert_same(value, expected)
    assert_same(network.parameters["linear1.weight"].grad, weight.grad)
    assert_same(network.parameters["linear1.bias"].grad, bias.grad)


@both_engines
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "options", [case[0] for case in TORCH_LOSSES["cross_entropy"]], ids=[case.id for case in CASES[:4]]
)
def test_logits_of_ten_thousand_stay_finite(options: dict[str, Any], dtype: str, engine_name: str) -> None:
    logits = np.array([[1e4, -1e4, 0, 5, 1e4], [-1e4, 1e4, 1e4, 1e4, 1e4], [-1e4] * 5, [1e4] * 5])
    labels = np.array([1, 0, 4, 3])
    value, grad = run(SoftmaxCrossEntropy(**options), engine_name, logits, labels, dtype)
    z = tensor(logits, requires_grad=True)
    expected = torch_cross_entropy(options.get("label_smoothing", 0.0), options.get("class_weights"))(z, tensor(labels))
    expected.backward()
    assert math.isfinite(value)
    assert_same(value, expected, 1e-6 if dtype == "float32" else 1e-10)
    assert_same(grad, z.grad, 1e-6 if dtype == "float32" else 1e-10)


@both_engines
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("spec", [case.values[0] for case in CASES], ids=[case.id for case in CASES])
def test_a_bad_output_makes_a_bad_loss(spec: dict[str, Any], bad: float, engine_name: str) -> None:
    for dtype in ("float32", "float64"):
        outputs, labels = batch(4)
        outputs[2, 1] = bad
        value, _ = run(LOSSES.create(spec), engine_name, outputs, labels, dtype)
        assert not math.isfinite(value)


@both_engines
def test_probabilities(engine_name: str) -> None:
    outputs, _ = batch(8, scale=30)
    for name, expected in [
        ("cross_entropy", torch.softmax(tensor(outputs), 1)),
        ("mean_squared_error", outputs),
        ("hinge", outputs),
    ]:
        engine = create_engine(engine_name, "float64")
        loss = LOSSES.create(name)
        loss.connect(engine, K)
        assert_same(loss.probabilities(engine.array(outputs)), expected)


logit_rows = arrays(np.float64, (3, 4), elements=st.floats(-50, 50))


@both_engines
@given(logits=logit_rows, label=st.integers(0, 3), smoothing=st.floats(0, 0.99), shift=st.floats(-100, 100))
@settings(max_examples=40)
def test_cross_entropy_properties(
    engine_name: str, logits: np.ndarray, label: int, smoothing: float, shift: float
) -> None:
    labels = np.full(3, label)
    value, grad = run(SoftmaxCrossEntropy(smoothing), engine_name, logits, labels)
    # At least the entropy of the smoothed target, which is at least 0.
    target = np.full(4, smoothing / 4)
    target[label] += 1 - smoothing
    entropy = -sum(t * math.log(t) for t in target if t > 0)
    assert value >= entropy - 1e-12
    np.testing.assert_allclose(grad.sum(axis=1), 0, atol=1e-12)
    shifted, _ = run(SoftmaxCrossEntropy(smoothing), engine_name, logits + shift, labels)
    assert shifted == pytest.approx(value, abs=1e-11)


@both_engines
@pytest.mark.parametrize("classes", [1, 2, 10])
@pytest.mark.parametrize("smoothing", [0.0, 0.5])
def test_equal_logits_cost_log_k(classes: int, smoothing: float, engine_name: str) -> None:
    labels = np.zeros(3, np.int64)
    value, _ = run(SoftmaxCrossEntropy(smoothing), engine_name, np.full((3, classes), 7.5), labels)
    assert value == pytest.approx(math.log(classes), abs=1e-14)


@both_engines
@given(scores=arrays(np.float64, (4, 3), elements=st.floats(-1e4, 1e4)), shift=st.floats(-1e3, 1e3))
@settings(max_examples=40)
def test_softmax_rows_are_distributions_and_ignore_shifts(engine_name: str, scores: np.ndarray, shift: float) -> None:
    network = Network([Softmax()], 3, create_engine(engine_name, "float64"))
    rows = np.array(network.forward(scores))
    assert (rows >= 0).all()
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-14)
    # Adding the shift rounds scores of 1e4 by up to 2e-12.
    np.testing.assert_allclose(network.forward(scores + shift), rows, atol=1e-11)


@both_engines
@pytest.mark.parametrize("spec", [case.values[0] for case in CASES], ids=[case.id for case in CASES])
def test_a_label_beyond_the_outputs_is_refused(spec: dict[str, Any], engine_name: str) -> None:
    outputs, labels = batch(4)
    for wrong in (-1, K, 10**6):
        labels[2] = wrong
        with pytest.raises(FFNNError, match=f"Label {wrong} found"):
            run(LOSSES.create(spec), engine_name, outputs, labels)


def test_class_weights_must_fit_the_classes() -> None:
    with pytest.raises(FFNNError, match="one weight for each of 3 classes; received 2"):
        Objective(Network([Linear(3)], 2, "numpy"), SoftmaxCrossEntropy(class_weights=[1, 2]))


@pytest.mark.parametrize(
    "options",
    [{"label_smoothing": -0.1}, {"label_smoothing": 1.0}, {"class_weights": [1, -0.5]}],
)
def test_wrong_options_are_refused(options: dict[str, Any]) -> None:
    wrong = np.ravel(next(iter(options.values())))[-1]
    with pytest.raises(FFNNError, match=rf"{next(iter(options))} must be .* received {wrong}"):
        SoftmaxCrossEntropy(**options)


@pytest.mark.parametrize("weight", [1e-46, 1e39])
def test_class_weights_that_the_engine_has_no_number_for_are_refused(weight: float) -> None:
    expected = r"class_weights: expected weights of at least 1.2e-38 times the largest, or 0, as float32.* beside 1"
    with pytest.raises(FFNNError, match=expected):
        SoftmaxCrossEntropy(class_weights=[1, weight]).connect(create_engine("numpy"), 2)
    SoftmaxCrossEntropy(class_weights=[1, weight]).connect(create_engine("numpy", "float64"), 2)


@both_engines
@pytest.mark.parametrize("loss", [SoftmaxCrossEntropy, FocalLoss])
@pytest.mark.parametrize("factor", [2.0**-20, 2.0**90, 3e38, 1e300, 1e-300])
def test_a_common_factor_of_class_weights_changes_nothing(loss: Any, factor: float, engine_name: str) -> None:
    logits, labels = batch(8)
    weights = np.linspace(0, 0.9, K)
    value, grad = run(loss(class_weights=weights), engine_name, logits, labels, "float32")
    other, other_grad = run(loss(class_weights=weights * factor), engine_name, logits, labels, "float32")
    exact = math.frexp(factor)[0] == 0.5
    assert other == pytest.approx(value, rel=0 if exact else 1e-6)
    np.testing.assert_allclose(other_grad, grad, rtol=0 if exact else 1e-5)


def test_class_weights_that_are_all_zero_are_refused() -> None:
    with pytest.raises(FFNNError, match="class_weights: expected one above 0"):
        SoftmaxCrossEntropy(class_weights=[0, 0])
