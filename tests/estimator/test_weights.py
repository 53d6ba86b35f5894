"""Weights of rows and classes: against PyTorch's derivative, and as what they are defined to mean."""

from typing import Any

import numpy as np
import pytest
import torch
from reference import assert_same, both_engines, tensor
from torch.nn import functional

from ffnn.backend import create_engine
from ffnn.data.batches import Pool
from ffnn.nn import LOSSES
from ffnn.sklearn import FFNNClassifier
from ffnn.sklearn.batches import WeightedBatches

K = 4
RNG = np.random.default_rng(3)
X, Y = RNG.standard_normal((24, 5)), RNG.integers(0, K, 24)
REPEATS = RNG.integers(0, 4, 24)
REPEATS[:3] = [0, 1, 2]
FULL = {"hidden_layers": (7,), "batch_size": "full", "epochs": 6, "learning_rate": 0.05, "random_state": 1}
CLASS_WEIGHT = {0: 2.0, 1: 0.5, 2: 1.0, 3: 3.0}


def pool(engine_name: str, labels: np.ndarray = Y) -> Pool:
    return Pool(create_engine(engine_name, "float64"), X, labels, np.ones(5), np.zeros(5))


@both_engines
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("class_weights", [[1.0] * K, list(CLASS_WEIGHT.values())], ids=["ones", "weights"])
def test_a_weighted_batchs_loss_and_gradient_are_pytorchs(
    class_weights: list[float], smoothing: float, engine_name: str
) -> None:
    weights = RNG.uniform(0.1, 5, len(Y))
    loss = LOSSES.create("cross_entropy", label_smoothing=smoothing, class_weights=class_weights)
    own = pool(engine_name)
    loss.connect(own.engine, K)
    _, targets = next(WeightedBatches(own, np.arange(len(Y)), len(Y), None, weights, K).epoch())
    outputs = RNG.standard_normal((len(Y), K))
    value = loss.forward(own.engine.array(outputs), targets)
    z, row = tensor(outputs, requires_grad=True), tensor(weights)
    of_class = tensor(class_weights)
    each = functional.cross_entropy(z, tensor(Y), weight=of_class, label_smoothing=smoothing, reduction="none")
    expected = (row * each).sum() / (row * of_class[torch.as_tensor(Y)]).sum()
    expected.backward()
    assert_same(value, expected)
    assert_same(loss.backward(), z.grad)


@both_engines
def test_shuffled_rows_keep_their_own_weights(engine_name: str) -> None:
    weights = RNG.uniform(0.1, 5, len(Y))
    seen = []
    for inputs, targets in WeightedBatches(pool(engine_name), np.arange(20), 7, 0, weights, K).epoch(2):
        for features, target in zip(inputs, targets, strict=True):
            row = int(np.flatnonzero((features == X).all(axis=1))[0])
            seen.append(row)
            assert target.tolist() == [weights[row] * (label == Y[row]) for label in range(K)]
    assert sorted(seen) == list(range(20)) != seen


@both_engines
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"class_weight": CLASS_WEIGHT},
        {"class_weight": "balanced"},
        {"loss": {"name": "focal", "gamma": 1.5}, "label_smoothing": 0.1, "l2": 0.01},
    ],
    ids=["plain", "class_weight", "balanced", "focal+smoothing+l2"],
)
def test_a_weight_is_a_number_of_equal_rows(options: dict[str, Any], optimizer: str, engine_name: str) -> None:
    """0 included: such a row is absent, with its label."""
    labels = np.where(REPEATS == 0, "never", Y.astype(str))
    options = {"class_weight": None, **options}
    if isinstance(options["class_weight"], dict):
        options["class_weight"] = {str(label): weight for label, weight in CLASS_WEIGHT.items()}
    made = {**FULL, **options, "optimizer": optimizer, "engine": engine_name}
    weighted = FFNNClassifier(**made).fit(X, labels, sample_weight=REPEATS)
    repeated = FFNNClassifier(**made).fit(np.repeat(X, REPEATS, axis=0), np.repeat(labels, REPEATS))
    assert weighted.classes_.tolist() == repeated.classes_.tolist() == ["0", "1", "2", "3"]
    assert_same(weighted.train_loss_curve_, repeated.train_loss_curve_, 1e-12)
    for name, value in repeated.network_.state_dict().items():
        assert_same(weighted.network_.state_dict()[name], value, 1e-12)


def test_partial_fit_weighs_rows_too() -> None:
    weighted, repeated = FFNNClassifier(**FULL), FFNNClassifier(**FULL)
    for _ in range(4):
        weighted.partial_fit(X, Y, range(K), sample_weight=REPEATS)
        repeated.partial_fit(np.repeat(X, REPEATS, axis=0), np.repeat(Y, REPEATS), range(K))
    assert_same(weighted.predict_proba(X), repeated.predict_proba(X), 1e-12)


def test_the_validation_loss_is_weighted_too() -> None:
    inputs, labels = np.zeros((200, 3)), np.arange(200) % 2
    model = FFNNClassifier((4,), epochs=1, val_fraction=0.25, random_state=0)
    model.fit(inputs, labels, sample_weight=np.where(labels == 0, 3.0, 1.0))
    p = model.predict_proba(inputs[:1])[0]
    assert model.val_loss_curve_[0] == pytest.approx(-(3 * np.log(p[0]) + np.log(p[1])) / 4, abs=1e-12)


def test_common_scale_of_weights_is_without_effect_in_mini_batches() -> None:
    made = {**FULL, "batch_size": 5}
    weights = RNG.uniform(0.1, 5, len(Y))
    one = FFNNClassifier(**made).fit(X, Y, sample_weight=weights)
    other = FFNNClassifier(**made).fit(X, Y, sample_weight=8 * weights)
    assert_same(one.predict_proba(X), other.predict_proba(X), 1e-12)


def test_balanced_weights_help_a_rare_class() -> None:
    labels = (RNG.random(400) < 0.06).astype(int)
    inputs = RNG.standard_normal((400, 2)) + 1.2 * labels[:, None]
    made: dict[str, Any] = {"hidden_layers": (), "epochs": 60, "learning_rate": 0.02, "random_state": 0}
    recall = {
        weight: FFNNClassifier(**made, class_weight=weight).fit(inputs, labels).predict(inputs)[labels == 1].mean()
        for weight in (None, "balanced")
    }
    assert recall["balanced"] > recall[None] + 0.3


@pytest.mark.parametrize(
    ("weights", "message"),
    [(np.zeros(24), "zero"), (-np.ones(24), "Negative"), (np.ones(23), "shape|inconsistent")],
)
def test_what_is_no_weight_is_refused(weights: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FFNNClassifier(**FULL).fit(X, Y, sample_weight=weights)


@pytest.mark.parametrize("factor", [1e-46, 1e-300, 1e300])
def test_weights_beyond_float32_count_by_their_ratios(factor: float) -> None:
    model = FFNNClassifier((8,), engine="numpy", dtype="float32", epochs=2, random_state=0)
    weights = np.linspace(1, 2, len(Y))
    expected = model.fit(X, Y, sample_weight=weights).predict_proba(X)
    np.testing.assert_allclose(model.fit(X, Y, sample_weight=factor * weights).predict_proba(X), expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("weights", "message"),
    [(np.zeros(len(Y)), "at least one non-zero"), (np.r_[1.0, np.full(len(Y) - 1, 1e-46)], "1e-46 beside 1")],
)
def test_weights_that_would_count_for_nothing_are_refused(weights: np.ndarray, message: str) -> None:
    model = FFNNClassifier((8,), engine="numpy", dtype="float32", epochs=1)
    with pytest.raises(ValueError, match=f"^[Ss]ample.weight.*{message}"):
        model.fit(X, Y, sample_weight=weights)
    with pytest.raises(ValueError, match=f"^[Ss]ample.weight.*{message}"):
        model.partial_fit(X, Y, np.unique(Y), sample_weight=weights)
