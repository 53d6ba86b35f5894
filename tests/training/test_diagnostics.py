"""Diagnostics are what they say: checked against the arrays they describe, and on networks with known faults."""

import numpy as np
import pytest
from training.problem import make_trainer

from ffnn.nn import Linear, ReLU, Sigmoid
from ffnn.training.trainer import Callback, Record, Trainer


def test_gradient_figures_are_those_of_the_last_step() -> None:
    trainer = make_trainer(epochs=1)
    record = trainer.fit()[0]
    parameters = trainer.objective.network.parameters
    grads = np.concatenate([parameters["linear1.weight"].grad.ravel(), parameters["linear1.bias"].grad])
    assert record["grad_norm/linear1"] == pytest.approx(np.sqrt(np.sum(grads**2)))
    assert record["grad_mean/linear1"] == pytest.approx(np.mean(grads))
    assert record["grad_variance/linear1"] == pytest.approx(np.var(grads))
    assert record["grad_max/linear1"] == pytest.approx(np.max(np.abs(grads)))
    assert record["grad_norm/all"] ** 2 == pytest.approx(
        record["grad_norm/linear1"] ** 2 + record["grad_norm/linear2"] ** 2
    )


def test_update_ratio_of_plain_sgd_is_rate_times_gradient_over_weight() -> None:
    """The last step's weight change is learning_rate * gradient, so the ratio is known from both norms."""
    trainer = make_trainer(optimizer="sgd", learning_rate=0.05, epochs=1)
    record = trainer.fit()[0]
    weight = trainer.objective.network.parameters["linear2.weight"]
    expected = 0.05 * np.linalg.norm(weight.grad) / np.linalg.norm(weight.value)
    assert record["update_ratio/linear2"] == pytest.approx(expected, rel=1e-9)
    assert record["weight_norm/linear2"] == pytest.approx(np.linalg.norm(weight.value))


def test_dead_units_are_counted() -> None:
    trainer = make_trainer(layers=[Linear(10), ReLU(), Linear(3)], epochs=1, optimizer="sgd", learning_rate=1e-9)
    bias = trainer.objective.network.parameters["linear1.bias"].value
    bias[:4], bias[4:] = -1e3, 1e3
    assert trainer.fit()[0]["dead_fraction/relu1"] == pytest.approx(0.4)


def test_activation_figures_describe_the_probe() -> None:
    trainer = make_trainer(layers=[Linear(6), Sigmoid(), Linear(3)], epochs=1)
    record = trainer.fit()[0]
    inputs, _ = next(trainer.val.epoch())
    network = trainer.objective.network
    hidden = 1 / (
        1 + np.exp(-(inputs @ network.parameters["linear1.weight"].value + network.parameters["linear1.bias"].value))
    )
    assert record["activation_mean/sigmoid1"] == pytest.approx(hidden.mean())
    assert record["activation_std/sigmoid1"] == pytest.approx(hidden.std())


def test_every_figure_is_a_plain_float_and_named_after_a_layer() -> None:
    kinds: set[str] = set()

    class Look(Callback):
        def on_epoch(self, trainer: Trainer, record: Record) -> None:
            kinds.update(type(value).__name__ for value in record.values())

    record = make_trainer(epochs=1, callbacks=[Look()]).fit()[0]
    assert kinds <= {"float", "int"}
    assert {name for name in record if name.startswith("grad_norm/")} == {
        "grad_norm/all", "grad_norm/linear1", "grad_norm/linear2",
    }  # fmt: skip


def test_saturated_outputs_are_counted() -> None:
    """Four of ten units are pushed to an end, some to either."""
    trainer = make_trainer(layers=[Linear(10), Sigmoid(), Linear(3)], epochs=1, optimizer="sgd", learning_rate=1e-9)
    weight = trainer.objective.network.parameters["linear1.weight"].value
    weight[...] *= 1e-3
    bias = trainer.objective.network.parameters["linear1.bias"].value
    bias[...], bias[:2], bias[2:4] = 0.0, -1e3, 1e3
    assert trainer.fit()[0]["saturated_fraction/sigmoid1"] == pytest.approx(0.4)


def test_growth_is_measured_from_the_first_weights_on() -> None:
    trainer = make_trainer(optimizer="sgd", learning_rate=0.5, epochs=3)
    first = np.linalg.norm(trainer.objective.network.parameters["linear1.weight"].value)
    records = trainer.fit()
    last = np.linalg.norm(trainer.objective.network.parameters["linear1.weight"].value)
    assert records[-1]["weight_growth/linear1"] == pytest.approx(last / first)
    assert records[-1]["weight_growth/linear1"] != pytest.approx(1, abs=1e-3)


def test_inputs_and_predictions_are_those_of_the_probe() -> None:
    trainer = make_trainer(epochs=1)
    record = trainer.fit()[0]
    inputs, _ = next(trainer.val.epoch())
    assert record["input_mean"] == pytest.approx(inputs.mean())
    assert record["input_std"] == pytest.approx(inputs.std())
    assert record["predicted_classes"] == len(set(trainer.objective.network.predict(inputs).argmax(axis=1)))
    trainer = make_trainer(epochs=1, optimizer="sgd", learning_rate=1e-9)
    trainer.objective.network.parameters["linear2.bias"].value[1] = 1e3
    assert trainer.fit()[0]["predicted_classes"] == 1
