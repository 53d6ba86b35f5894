"""The loop: it learns, it repeats itself to the bit, it stops when it should and says why it broke."""

import json
import math

import numpy as np
import pytest
from training.problem import make_trainer

from ffnn.backend.engine import Array
from ffnn.nn import OPTIMIZERS, BatchNorm, ClipNorm, Dropout, Linear, ReLU, Tanh
from ffnn.nn.schedules import SCHEDULES
from ffnn.training.callbacks import Best, EarlyStopping
from ffnn.training.trainer import Callback, Record, Trainer

LARGE = {"sgd": 0.5, "momentum": 0.1, "nesterov": 0.1, "adagrad": 0.1}
RATES = {name: LARGE.get(name, 0.01) for name in OPTIMIZERS}


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("optimizer", RATES)
def test_every_optimizer_learns_the_clouds(optimizer: str, engine: str) -> None:
    trainer = make_trainer(engine=engine, optimizer=optimizer, learning_rate=RATES[optimizer], epochs=15)
    history = trainer.fit()
    assert trainer.status == "finished"
    assert history[-1]["val/accuracy"] > 0.95
    assert history[-1]["train/loss"] < 0.5 * history[0]["train/loss"]


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_same_seed_gives_the_same_bits_and_another_seed_does_not(engine: str) -> None:
    def weights(seed: int) -> bytes:
        layers = [Linear(16), ReLU(), Dropout(0.3), Linear(3)]
        trainer = make_trainer(engine=engine, dtype="float32", seed=seed, layers=layers, epochs=3)
        trainer.fit()
        return trainer.objective.network.parameters.values.tobytes()

    assert weights(1) == weights(1)
    assert weights(1) != weights(2)


@pytest.mark.parametrize("optimizer", RATES)
def test_a_rehearsal_leaves_no_trace(optimizer: str) -> None:
    def weights(rehearsed: bool) -> bytes:
        layers = [Linear(16), BatchNorm(), ReLU(), Dropout(0.3), Linear(3)]
        trainer = make_trainer(optimizer=optimizer, layers=layers, epochs=2, ema=0.9)
        if rehearsed:
            assert trainer.rehearse() > 0
        trainer.fit()
        assert trainer.plan.average is not None
        state = trainer.objective.network.state_dict().values()
        return b"".join([*(array.tobytes() for array in state), trainer.plan.average.values.tobytes()])

    assert weights(rehearsed=True) == weights(rehearsed=False)


def test_full_batch_is_plain_gradient_descent_on_the_mean_loss() -> None:
    """One step on all rows equals the average of the steps on the rows, because the loss is a mean."""
    whole = make_trainer(optimizer="sgd", learning_rate=1.0, epochs=1, batch_size=10_000)
    start = np.array(whole.objective.network.parameters.values)
    whole.fit()
    moved = np.array(whole.objective.network.parameters.values) - start
    assert whole.step == 1
    single = make_trainer(optimizer="sgd", learning_rate=1.0, epochs=1, batch_size=1)
    total = np.zeros_like(start)
    for inputs, labels in single.train.epoch(0):
        single.objective.gradients(inputs, labels)
        total -= single.objective.network.parameters.grads
    np.testing.assert_allclose(moved, total / single.train.size, rtol=1e-9, atol=1e-12)


def test_every_row_is_seen_once_an_epoch_in_an_order_of_its_own() -> None:
    trainer = make_trainer()

    def order(epoch: int) -> list[bytes]:
        return [row.tobytes() for inputs, _ in trainer.train.epoch(epoch) for row in np.array(inputs)]

    assert sorted(order(0)) == sorted(order(1))
    assert len(order(0)) == 220
    assert order(0) != order(1)
    assert order(1) == order(1)


def test_a_last_batch_of_odd_size_weighs_what_its_rows_weigh() -> None:
    """220 rows in batches of 64 leave 28: the epoch's loss is the mean over rows, not over batches."""
    trainer = make_trainer(optimizer="sgd", learning_rate=1e-12, epochs=1, batch_size=64)
    record = trainer.fit()[0]
    whole = make_trainer(batch_size=10_000)
    ((inputs, labels),) = whole.train.epoch(0)
    assert record["train/loss"] == pytest.approx(whole.objective.gradients(inputs, labels), rel=1e-9)


def test_schedule_is_asked_before_each_step() -> None:
    trainer = make_trainer(
        epochs=4, learning_rate=0.1, schedule=SCHEDULES.create({"name": "step", "every": 2, "gamma": 0.1})
    )
    rates = [record["learning_rate"] for record in trainer.fit()]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01])


def test_clipping_bounds_what_the_optimizer_sees() -> None:
    """One step of plain SGD at rate 1 moves the weights by the gradient; the diagnostics tell the unclipped one."""
    trainer = make_trainer(clips=[ClipNorm(0.01)], optimizer="sgd", learning_rate=1.0, epochs=1, batch_size=10_000)
    start = np.array(trainer.objective.network.parameters.values)
    (record,) = trainer.fit()
    moved = np.linalg.norm(np.array(trainer.objective.network.parameters.values) - start)
    assert moved == pytest.approx(0.01, rel=1e-3)
    assert record["grad_norm/all"] > 0.1


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_divergence_is_named_and_ends_the_run_without_a_traceback(engine: str) -> None:
    trainer = make_trainer(engine=engine, dtype="float32", optimizer="sgd", learning_rate=1e30)
    trainer.fit()
    assert trainer.status == "diverged"
    assert "at step" in trainer.reason
    assert "linear" in trainer.reason
    assert trainer.step < 5


@pytest.mark.parametrize("batch_size", [32, 10_000])
def test_a_gradient_that_breaks_is_traced_to_the_layer_it_came_from(batch_size: int) -> None:
    """An activation whose backward gives NaN: the last layer below it in the network is where the trouble began."""

    class Broken(Tanh):
        kind = "broken"

        def backward(self, grad_outputs: Array, needs_input_grad: bool = True) -> Array:
            return super().backward(grad_outputs) * np.nan

    layers = [Linear(8), ReLU(), Linear(8), Broken(), Linear(3)]
    trainer = make_trainer(layers=layers, batch_size=batch_size, epochs=1, optimizer="sgd")
    trainer.fit()
    assert trainer.status == "diverged"
    assert "the gradient of linear2." in trainer.reason


def test_a_last_step_that_overflows_is_a_divergence_too() -> None:
    trainer = make_trainer(dtype="float32", optimizer="sgd", learning_rate=3e38, epochs=1, batch_size=10_000)
    trainer.fit()
    assert trainer.status == "diverged"
    assert trainer.history == []


def test_divergence_names_the_layer_that_was_poisoned() -> None:
    trainer = make_trainer(layers=[Linear(8), ReLU(), Linear(8), ReLU(), Linear(3)])

    class Poison(Callback):
        def on_epoch(self, trainer: Trainer, record: Record) -> None:
            trainer.objective.network.parameters["linear2.weight"].value[0, 0] = np.nan

    trainer.callbacks = [Poison()]
    trainer.fit()
    assert trainer.status == "diverged"
    assert "linear2.weight" in trainer.reason
    assert len(trainer.history) == 1


def test_early_stopping_waits_its_patience_and_best_gives_the_best_weights_back() -> None:
    best = Best("val/loss")
    seen: dict[float, Array] = {}

    class Scripted(Callback):
        """Validation losses with a known best epoch; the weights of each epoch are kept to compare."""

        losses = iter([3.0, 1.0, 2.0, 1.0, 1.5, 1.2, 0.1])

        def on_epoch(self, trainer: Trainer, record: Record) -> None:
            record["val/loss"] = next(self.losses)
            seen[record["epoch"]] = np.array(trainer.objective.network.parameters.values)

    trainer = make_trainer(epochs=7, callbacks=[Scripted(), best, EarlyStopping(patience=3)])
    trainer.fit()
    assert trainer.epoch == 5
    assert trainer.status == "finished"
    assert "val/loss" in trainer.reason
    assert best.record is not None
    assert best.record["epoch"] == 2
    np.testing.assert_array_equal(trainer.objective.network.parameters.values, seen[2])


class Course(Callback):
    """Validation accuracies and losses by hand."""

    def __init__(self, accuracies: list[float], losses: list[float]) -> None:
        self.accuracies, self.losses = accuracies, losses

    def on_epoch(self, trainer: Trainer, record: Record) -> None:
        record["val/accuracy"] = self.accuracies[trainer.epoch - 1]
        record["val/loss"] = self.losses[trainer.epoch - 1]


@pytest.mark.parametrize(
    ("accuracies", "losses", "expected"),
    [
        ([0.9, 0.9, 0.9, 0.8], [0.5, 0.3, 0.4, 0.1], 2),  # of the tied ones the lowest loss
        ([0.9, 0.9, 0.9, 0.9], [0.5, 0.5, 0.5, 0.5], 1),  # of equal ones the first
        ([0.9, 0.91, 0.9, 0.9], [0.5, 0.9, 0.1, 0.1], 2),  # accuracy comes first
        ([0.9, 0.9, 0.9, 0.9], [0.5, math.nan, 0.4, math.inf], 3),
        ([0.9, 0.9, 0.9, 0.9], [math.inf, 0.6, 0.7, 0.8], 2),
    ],
)
def test_of_epochs_with_the_same_accuracy_the_lower_loss_is_best(
    accuracies: list[float], losses: list[float], expected: int
) -> None:
    best = Best("val/accuracy")
    trainer = make_trainer(epochs=4, callbacks=[Course(accuracies, losses), best])
    trainer.fit()
    assert best.record is not None
    assert best.record["epoch"] == expected
    again = Best("val/accuracy")  # what a resumed run knows of the epochs before
    again.load_state_dict(json.loads(json.dumps(best.state_dict())))
    tied = {"val/accuracy": best.score, "val/loss": best.record["val/loss"] * (1 - 1e-9)}
    assert again.improves(tied)
    assert not again.improves({**tied, "val/loss": best.record["val/loss"]})


def test_early_stopping_counts_what_best_would_take_and_no_less_than_min_delta() -> None:
    """The loss falls until epoch 4 at one accuracy; with two epochs of patience training ends after epoch 6."""
    course = Course([0.9] * 9, [0.5, 0.4, 0.3, 0.2, 0.2, 0.2, 0.1, 0.1, 0.1])
    best = Best()
    trainer = make_trainer(epochs=9, callbacks=[course, best, EarlyStopping(2, "val/accuracy")])
    trainer.fit()
    assert trainer.epoch == 6
    assert best.record is not None
    assert best.record["epoch"] == 4
    trainer = make_trainer(epochs=9, callbacks=[course, EarlyStopping(2, "val/accuracy", min_delta=1e-6)])
    trainer.fit()
    assert trainer.epoch == 3


def test_min_delta_asks_for_more_than_a_little() -> None:
    class Crawl(Callback):
        def on_epoch(self, trainer: Trainer, record: Record) -> None:
            record["val/accuracy"] = 0.5 + 0.001 * trainer.epoch

    trainer = make_trainer(epochs=9, callbacks=[Crawl(), EarlyStopping(2, "val/accuracy", min_delta=0.01)])
    trainer.fit()
    assert trainer.epoch == 3


def test_a_monitor_that_does_not_exist_is_refused_with_the_nearest() -> None:
    trainer = make_trainer(callbacks=[Best("val/acuracy")])
    with pytest.raises(ValueError, match="did you mean 'val/accuracy'"):
        trainer.fit()


def test_best_of_a_diverged_epoch_is_not_best() -> None:
    best = Best("val/loss")
    assert not best.improves({"val/loss": math.nan})
    assert best.improves({"val/loss": 1e300})


def test_interrupt_keeps_what_was_done_and_tells_the_callbacks() -> None:
    told: list[str] = []

    class Interrupt(Callback):
        def on_epoch(self, trainer: Trainer, record: Record) -> None:
            if trainer.epoch == 2:
                raise KeyboardInterrupt

        def on_end(self, trainer: Trainer) -> None:
            told.append(trainer.status)

    trainer = make_trainer(callbacks=[Interrupt()])
    trainer.fit()
    assert told == ["stopped"]
    assert len(trainer.history) == 2


def test_validation_uses_the_averaged_weights_and_training_goes_on_with_its_own() -> None:
    raw = make_trainer(epochs=2)
    averaged = make_trainer(epochs=2, ema=0.9)
    first, second = raw.fit(), averaged.fit()
    assert [record["train/loss"] for record in first] == [record["train/loss"] for record in second]
    assert first[-1]["val/loss"] != second[-1]["val/loss"]
    np.testing.assert_array_equal(raw.objective.network.parameters.values, averaged.objective.network.parameters.values)


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_a_rehearsal_leaves_nothing_to_be_built_in_the_first_epoch(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also not for what is measured beside the steps: validation, and the diagnostics of the epoch's last step."""
    trainer = make_trainer(engine=engine, epochs=1)
    trainer.rehearse()
    built, made = [], trainer.objective.network.engine
    build = type(made)._build
    monkeypatch.setattr(made, "_build", lambda kind, formula: built.append(formula) or build(made, kind, formula))
    trainer.fit()
    assert built == []
