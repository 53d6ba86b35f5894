"""Numbers at their limits: losses stay finite, what diverges ends in words, and float32 stays near float64."""

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffnn.backend import create_engine
from ffnn.errors import FFNNError
from ffnn.lab.config import make_config
from ffnn.lab.run import train
from ffnn.nn import ACTIVATIONS, LOSSES, OPTIMIZERS, Linear, Network, Objective, Softmax
from ffnn.nn.loss import Loss
from ffnn.tracking import RunRecord
from ffnn.training.trainer import Callback

ENGINES = ["numpy", "numba"]
HUGE = 1e4
EXTREME = np.array(
    [
        [HUGE, -HUGE, 0.0],
        [-HUGE, -HUGE, -HUGE],
        [HUGE, HUGE, HUGE],
        [-HUGE, HUGE, HUGE],
        [0.0, 1.0, 0.0],
        [1.0, 0.0, 0.0],
    ]
)
"""Logits of +-1e4, alone and all alike, and rows that are probabilities of 0 and 1."""

FLOAT32_AFTER_20_STEPS = 1e-5
"""Largest relative distance of float32's loss from float64's over twenty steps; measured: 2.7e-6."""


def engine_of(name: str, dtype: str) -> Any:
    return create_engine(name, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("engine_name", ENGINES)
@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}, {"class_weights": [0.0, 1.0, 5.0]}], ids=str)
@pytest.mark.parametrize("name", list(LOSSES))
def test_every_loss_and_its_gradient_are_finite_for_extreme_outputs(
    name: str, options: dict[str, Any], engine_name: str, dtype: str
) -> None:
    try:
        loss: Loss = LOSSES.create(name, **options)
    except FFNNError:
        assert set(options) - set(LOSSES.options(name))
        return
    engine = engine_of(engine_name, dtype)
    loss.connect(engine, 3)
    for label in range(3):
        for row in EXTREME:
            outputs = engine.array(row[None])
            value = loss.forward(outputs, engine.array([label], np.int64))
            assert np.isfinite(value), (row, label)
            assert np.isfinite(engine.host(loss.backward())).all(), (row, label)
            assert np.isfinite(engine.host(loss.probabilities(outputs))).all()
            for targets in ([[0.0, 0.0, 0.0]], [[0.25, 0.5, 0.25]]):
                assert np.isfinite(loss.forward(outputs, engine.array(targets)))
                assert np.isfinite(engine.host(loss.backward())).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("engine_name", ENGINES)
def test_softmax_and_its_gradient_are_finite_for_extreme_scores(engine_name: str, dtype: str) -> None:
    engine = engine_of(engine_name, dtype)
    network = Network([Softmax()], 3, engine)
    outputs = engine.host(network.forward(engine.array(EXTREME), training=True)).copy()
    assert np.isfinite(outputs).all()
    np.testing.assert_allclose(outputs.sum(1), 1, rtol=1e-6)
    assert outputs[0].tolist() == [1, 0, 0]
    for layer in network.layers.values():
        assert np.isfinite(engine.host(layer.backward(engine.array(HUGE * np.sign(EXTREME))))).all()


@pytest.mark.parametrize("engine_name", ENGINES)
@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if name != "softmax"])
def test_every_activation_is_finite_for_extreme_inputs(name: str, engine_name: str) -> None:
    engine = engine_of(engine_name, "float32")
    network = Network([ACTIVATIONS.create(name)], 3, engine)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(engine.host(network.forward(engine.array(EXTREME), training=True))).all()
        (layer,) = network.layers.values()
        assert np.isfinite(engine.host(layer.backward(engine.array(np.ones_like(EXTREME))))).all()


def quietly(folder: Path, **settings: Any) -> RunRecord:
    small = {"hidden_layers": [8], "epochs": 2, "batch_size": 256, "wandb": "disabled", "runs_dir": str(folder)}
    return train(make_config({**small, **settings}), lambda line: None, Callback())


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
def test_a_learning_rate_beyond_reason_diverges_in_words_or_stays_finite(
    optimizer: str, engine: str, tmp_path: Path
) -> None:
    """Some optimizers bound their steps, and no rate makes them overflow at once. A warning is an error here."""
    record = quietly(tmp_path, optimizer=optimizer, learning_rate=1e30, engine=engine)
    summary = record.summary
    assert summary["status"] in ("diverged", "finished")
    if summary["status"] == "diverged":
        assert summary["diverged_step"] >= 1
        assert "step" in summary["reason"]
        assert "linear" in summary["reason"]
    else:
        assert all(np.isfinite(line["train/loss"]) for line in record.history)


@pytest.mark.parametrize("settings", [{"loss": "focal"}, {"loss": "mean_squared_error"}, {"batch_norm": True}], ids=str)
def test_divergence_of_other_networks_is_told_in_the_same_way(settings: dict[str, Any], tmp_path: Path) -> None:
    record = quietly(tmp_path, optimizer="sgd", learning_rate=1e38, **settings)
    assert record.summary["status"] == "diverged"
    assert re.search(r"at step \d+, epoch 1: it began in .*(linear|batch_norm)1", record.summary["reason"])


@pytest.mark.parametrize("engine_name", ENGINES)
def test_float32_stays_near_float64(engine_name: str) -> None:
    """The same twenty steps of Adam in both types, from the same weights; the distance is that of rounding."""
    rng = np.random.default_rng(3)
    inputs, labels = rng.standard_normal((128, 20)), rng.integers(0, 5, 128)
    losses = {}
    for dtype in ("float64", "float32"):
        engine = engine_of(engine_name, dtype)
        network = Network([Linear(32), ACTIVATIONS.create("tanh"), Linear(5)], 20, engine, seed=1)
        objective = Objective(network, LOSSES.create("cross_entropy"))
        optimizer = OPTIMIZERS.create("adam", learning_rate=0.01)
        optimizer.connect(network.parameters)
        losses[dtype] = []
        for _ in range(20):
            losses[dtype].append(objective.gradients(engine.array(inputs), engine.array(labels, np.int64)))
            optimizer.step()
    wide, narrow = np.array(losses["float64"]), np.array(losses["float32"])
    distance = np.max(np.abs(narrow - wide) / wide)
    assert 0 < distance < FLOAT32_AFTER_20_STEPS
    assert wide[-1] < 0.9 * wide[0]
