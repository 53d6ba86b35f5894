"""The classifier among its neighbours: pipelines, searches, other processes, and ffnn's own training."""

import math
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reference import assert_same, both_engines
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import DataConversionWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from ffnn.backend import create_engine
from ffnn.data.batches import Batches, Pool
from ffnn.nn import OPTIMIZERS, L2Penalty, Network, Objective, SoftmaxCrossEntropy, mlp_layers
from ffnn.sklearn import FFNNClassifier
from ffnn.training.trainer import Callback, DivergedError, Plan, Record, Trainer

X, Y = load_digits(return_X_y=True)
X = X / 16
SMALL: dict[str, Any] = {"hidden_layers": (24,), "epochs": 4, "learning_rate": 0.01, "random_state": 0}


class Counter(Callback):
    def __init__(self) -> None:
        self.records: list[Record] = []

    def on_epoch(self, trainer: Trainer, record: Record) -> None:
        self.records.append(dict(record))


@both_engines
def test_it_trains_as_ffnns_own_parts_do(engine_name: str) -> None:
    """Same seed, same weights to the last bit: no second loop, no other order."""
    made = {**SMALL, "batch_norm": True, "dropout": 0.3, "l2": 1e-3, "engine": engine_name}
    model = FFNNClassifier(**made, activation="silu").fit(X, Y)
    engine = create_engine(engine_name, "float64")
    network = Network(mlp_layers([24], 10, "silu", batch_norm=True, dropout=0.3), 64, engine, 0)
    batches = Batches(Pool(engine, X, Y, np.ones(64), np.zeros(64)), np.arange(len(Y)), 64, 0)
    optimizer = OPTIMIZERS.create("adam", learning_rate=0.01)
    Trainer(Objective(network, SoftmaxCrossEntropy(), L2Penalty(1e-3)), optimizer, batches, batches, Plan(4)).fit()
    for name, value in network.state_dict().items():
        np.testing.assert_array_equal(model.network_.state_dict()[name], value, name)


def tuned(jobs: int) -> GridSearchCV:
    network = FFNNClassifier((32,), epochs=6, dtype="float32", random_state=0)
    pipeline = Pipeline([("scale", StandardScaler()), ("network", network)])
    return GridSearchCV(pipeline, {"network__learning_rate": [1e-5, 0.01]}, cv=2, n_jobs=jobs).fit(X, Y)


def test_pipeline_search_and_cross_validation() -> None:
    search = tuned(1)
    assert search.best_params_["network__learning_rate"] == 0.01
    alone = cross_val_score(clone(search.best_estimator_), X, Y, cv=2)
    assert alone.mean() == search.best_score_ > 0.9


@pytest.mark.slow  # most of it is two processes that start
def test_a_search_in_two_processes_finds_the_same() -> None:
    one, two = tuned(1), tuned(2)
    np.testing.assert_array_equal(one.cv_results_["mean_test_score"], two.cv_results_["mean_test_score"])


def test_numpys_numbers_as_settings() -> None:
    drawn = {"hidden_layers": np.array([8, 4]), "epochs": np.int64(2), "dropout": np.float64(0.1)}
    assert FFNNClassifier(**{**SMALL, **drawn}).fit(X, Y).n_iter_ == 2


def test_strings_and_unusual_numbers_as_labels() -> None:
    names = np.array([f"digit {label}" for label in range(10)])
    plain, named, spread = (FFNNClassifier(**SMALL).fit(X, labels) for labels in (Y, names[Y], 100 - 7 * Y))
    np.testing.assert_array_equal(names[plain.predict(X)], named.predict(X))
    assert spread.classes_.tolist() == sorted(100 - 7 * np.arange(10))
    assert spread.score(X, 100 - 7 * Y) > 0.9


def test_a_pickle_holds_plain_state_and_opens_without_numba(tmp_path: Path) -> None:
    model = FFNNClassifier(**SMALL, batch_norm=True, val_fraction=0.1).fit(X, Y)
    data = pickle.dumps(model)
    assert b"ffnn.backend" not in data
    assert b"numba" not in data
    np.testing.assert_array_equal(pickle.loads(data).predict_proba(X), model.predict_proba(X))
    np.savez(tmp_path / "data.npz", model=np.frombuffer(data, np.uint8), X=X)
    code = """
import pickle, sys
sys.modules["numba"] = None
import numpy as np
data = np.load("data.npz")
model = pickle.loads(data["model"].tobytes())
np.save("answer.npy", model.predict_proba(data["X"]))
print(model.network_.engine, model.best_epoch_, len(model.val_loss_curve_))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=True
    )
    assert done.stdout.split() == ["NumpyEngine('float64')", str(model.best_epoch_), "4"]
    assert_same(np.load(tmp_path / "answer.npy"), model.predict_proba(X), 1e-12)


def test_threads_may_share_a_fitted_model() -> None:
    model = FFNNClassifier(**SMALL).fit(X, Y)
    parts = np.array_split(X, 24)
    expected = [model.predict_proba(part) for part in parts]
    with ThreadPoolExecutor(8) as threads:
        for _ in range(10):
            for one, other in zip(threads.map(model.predict_proba, parts), expected, strict=True):
                np.testing.assert_array_equal(one, other)


def test_the_best_epochs_weights_are_kept_and_patience_ends_training() -> None:
    X_train, X_val, y_train, y_val = train_test_split(X, Y, test_size=0.2, random_state=0)
    made = {**SMALL, "epochs": 200, "learning_rate": 0.05}
    model = FFNNClassifier(**made, patience=3).fit(X_train, y_train, X_val=X_val, y_val=y_val)
    losses = model.val_loss_curve_
    assert model.best_epoch_ == 1 + int(np.argmin(losses))
    assert model.n_iter_ == len(losses) == len(model.train_loss_curve_) == model.best_epoch_ + 3 < 200
    assert log_loss(y_val, model.predict_proba(X_val)) == pytest.approx(losses[model.best_epoch_ - 1], abs=1e-12)
    by_accuracy = FFNNClassifier(**made, patience=3, monitor="val/accuracy").fit(X_train, y_train, None, X_val, y_val)
    accuracies = [record["val/accuracy"] for record in by_accuracy.history_]
    assert by_accuracy.score(X_val, y_val) == max(accuracies)


def test_what_is_held_out_is_not_learned_and_depends_on_the_seed_alone() -> None:
    """Labels drawn by lot can be learned by heart, but not guessed."""
    labels = np.random.default_rng(0).integers(0, 2, 300)
    made = {**SMALL, "hidden_layers": (200,), "epochs": 60}
    model = FFNNClassifier(**made, val_fraction=0.3).fit(X[:300], labels)
    assert model.history_[-1]["train/accuracy"] > 0.95
    assert model.history_[-1]["val/accuracy"] < 0.7
    assert FFNNClassifier(**made, val_fraction=0.3).fit(X[:300], labels).val_loss_curve_ == model.val_loss_curve_


def test_without_validation_nothing_looks_like_it() -> None:
    counter = Counter()
    model = FFNNClassifier(**{**SMALL, "epochs": 30}, patience=1, min_delta=0.05, callbacks=[counter]).fit(X, Y)
    losses = model.train_loss_curve_
    assert losses[-2] - losses[-1] <= 0.05 < losses[-3] - losses[-2]
    assert model.best_epoch_ == model.n_iter_ == len(losses) < 30
    assert model.val_loss_curve_ == []
    assert not any("val/" in name for record in model.callbacks_[0].records for name in record)
    assert len(model.callbacks_[0].records) == len(losses)
    assert counter.records == []
    assert clone(model).callbacks[0] is not counter


def test_each_layer_may_have_its_own_activation_and_the_weights_their_initializer() -> None:
    given = {"hidden_layers": (6, 5), "activation": ["tanh", {"name": "elu", "alpha": 0.5}]}
    given |= {"initializer": {"name": "uniform", "low": 0.2, "high": 0.3}, "learning_rate": 1e-9}
    model = FFNNClassifier(**{**SMALL, **given}).fit(X, Y)
    assert list(model.network_.layers) == ["linear1", "tanh1", "linear2", "elu1", "linear3"]
    weight = model.network_.state_dict()["linear2.weight"]
    assert 0.199 < weight.min() < weight.max() < 0.301
    assert weight.std() > 0.02
    assert model.network_.layers["elu1"].alpha == 0.5


def test_random_state() -> None:
    def curve(random_state: Any) -> list[float]:
        return FFNNClassifier(**{**SMALL, "random_state": random_state}).fit(X, Y).train_loss_curve_

    assert curve(7) == curve(np.int64(7)) != curve(8)
    assert curve(np.random.RandomState(7)) == curve(np.random.RandomState(7))
    assert curve(None) != curve(None)


def test_partial_fit_goes_on_where_it_was_also_after_a_pickle() -> None:
    """A call on all rows in one batch is an epoch: with the moments of Adam kept, four calls are `fit` of four."""
    made = {**SMALL, "batch_size": "full"}
    steps = FFNNClassifier(**made)
    for _ in range(4):
        steps = pickle.loads(pickle.dumps(steps.partial_fit(X, Y, classes=range(10))))
    whole = FFNNClassifier(**made).fit(X, Y)
    assert_same(steps.predict_proba(X), whole.predict_proba(X), 1e-10)
    assert_same(steps.train_loss_curve_, whole.train_loss_curve_, 1e-10)
    assert [record["epoch"] for record in steps.history_] == [1, 2, 3, 4]


def test_partial_fit_learns_from_parts_at_a_constant_learning_rate() -> None:
    model = FFNNClassifier(**SMALL, schedule="cosine")
    for start in (0, 500, 1000, 0, 500, 1000):
        model.partial_fit(X[start : start + 500], Y[start : start + 500], classes=range(10))
    assert [record["learning_rate"] for record in model.history_] == [0.01] * 6
    assert model.score(X[1500:], Y[1500:]) > 0.7


def test_warm_start_goes_on_from_the_last_weights() -> None:
    model = FFNNClassifier(**SMALL, warm_start=True).fit(X, Y)
    before = model.train_loss_curve_
    assert max(model.fit(X, Y).train_loss_curve_) < before[-1]
    with pytest.raises(ValueError, match="with warm_start expected classes"):
        model.fit(X[Y < 5], Y[Y < 5])


@pytest.mark.parametrize("rows", [65, 129, 2, 3])
def test_batch_norm_never_meets_a_single_row(rows: int) -> None:
    model = FFNNClassifier(**SMALL, batch_norm=True).fit(X[:rows], Y[:rows] % 2)
    assert math.isfinite(model.train_loss_curve_[-1])


WRONG = [
    ({"hidden_layers": "64, 32"}, r"hidden_layers: expected a list .* received '64, 32'"),
    ({"hidden_layers": (8, 0)}, "hidden_layers: expected .* at least 1; received 0"),
    ({"activation": "tahn"}, "unknown activation 'tahn'.* did you mean 'tanh'"),
    ({"activation": ["relu", "tahn"]}, "did you mean 'tanh'"),
    ({"activation": ["relu", "tanh"]}, "one for each of 1 hidden layers; received 2"),
    ({"initializer": "he_norma"}, "did you mean 'he_normal'"),
    ({"optimizer": "adma"}, "did you mean 'adam'"),
    ({"schedule": "cosin"}, "did you mean 'cosine'"),
    ({"dropout": 1.0}, "dropout: expected a number less than 1"),
    ({"learning_rate": -1.0}, "learning_rate: expected a number greater than 0.0; received -1"),
    ({"batch_size": 0}, "batch_size: expected"),
    ({"epochs": 2.5}, "epochs: expected a whole number"),
    ({"val_fraction": 1.0}, "val_fraction: expected a number less than 1"),
    ({"val_fraction": -0.1}, "val_fraction: expected a number greater than 0"),
    ({"patience": 0}, "patience: expected"),
    ({"monitor": "val/acuracy"}, "did you mean 'val/accuracy'"),
    ({"monitor": "val/loss"}, "needs validation: set val_fraction"),
    ({"class_weight": "balance"}, "did you mean 'balanced'"),
    ({"class_weight": {"O": 2.0}}, "class_weight: expected classes 0, 1, .* received 'O'"),
    ({"class_weight": 3}, "a dict, 'balanced' or None; received 3"),
    ({"class_weight": {0: -1.0}}, "class_weights must be in"),
    ({"loss": "mean_squared_error"}, "expected one that gives probabilities, cross_entropy, focal"),
    ({"loss": {"name": "focal", "class_weights": [1.0] * 10}}, "as class_weight beside it"),
    ({"engine": "nunba"}, "did you mean 'numba'"),
    ({"dtype": "float16"}, "dtype: expected"),
    ({"random_state": -1}, "random_state|seed|Seed"),
    ({"callbacks": [print]}, "callbacks: expected a list of ffnn.training.Callback"),
    ({"callbacks": Counter()}, "callbacks: expected a list of ffnn.training.Callback"),
]


@pytest.mark.parametrize(
    ("options", "message"), WRONG, ids=[f"{number}-{next(iter(options))}" for number, (options, _) in enumerate(WRONG)]
)
def test_a_wrong_setting_is_refused_by_fit_and_not_before(options: dict[str, Any], message: str) -> None:
    model = FFNNClassifier(**{**SMALL, **options})
    with pytest.raises(ValueError, match=message):
        model.fit(X, Y)


def test_errors_of_labels() -> None:
    model = FFNNClassifier(**SMALL)
    with pytest.raises(ValueError, match="first call of partial_fit"):
        model.partial_fit(X, Y)
    with pytest.raises(ValueError, match="y: expected classes 0, 1; received 2"):
        FFNNClassifier(**SMALL).partial_fit(X, Y, classes=[0, 1])
    with pytest.raises(ValueError, match="y: expected classes"):
        model.fit(X, Y, X_val=X[:2], y_val=[0, 11])
    with pytest.raises(ValueError, match="partial_fit expects a dict"):
        FFNNClassifier(**SMALL, class_weight="balanced").partial_fit(X, Y, classes=range(10))


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_without_a_rate_it_takes_the_optimizers_own(name: str) -> None:
    model = FFNNClassifier((4,), optimizer=name, epochs=1).fit(X[:50], Y[:50])
    assert model.history_[0]["learning_rate"] == OPTIMIZERS.create(name).learning_rate


def test_a_class_of_the_wrong_type_is_told_by_its_type() -> None:
    with pytest.raises(ValueError, match=r"received '0' \(str, where 0 is meant\)$"):
        FFNNClassifier(**SMALL, class_weight={"0": 1.0}).fit(X, Y)


def test_a_loss_beyond_bounds_is_an_error_with_advice() -> None:
    with pytest.raises(DivergedError, match=r"it began in .*; lower the learning_rate or scale X"):
        FFNNClassifier(**{**SMALL, "learning_rate": 1e200}, optimizer="sgd").fit(X, Y)


def test_verbose_prints_a_line_an_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    FFNNClassifier(**SMALL, verbose=True).fit(X, Y)
    FFNNClassifier(**SMALL, verbose=True, val_fraction=0.1).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8
    assert lines[3].startswith("epoch 4/4  train loss")
    assert ["val loss" in line for line in lines] == [False] * 4 + [True] * 4


CHANGES: list[tuple[str, Any, Any]] = [
    ("hidden_layers", (8,), (9,)),
    ("activation", "relu", "tanh"),
    ("initializer", "he_normal", "zeros"),
    ("bias_initializer", "zeros", "he_normal"),
    ("batch_norm", False, True),
    ("dropout", 0.0, 0.5),
    ("input_dropout", 0.0, 0.1),
    ("optimizer", "adam", "adamw"),
    ("engine", "numpy", "numba"),
    ("dtype", None, "float32"),
]


@pytest.mark.parametrize(("name", "first", "then"), CHANGES)
def test_what_the_network_was_made_with_cannot_change_when_it_goes_on(name: str, first: Any, then: Any) -> None:
    options = {"hidden_layers": (8,), "engine": "numpy", "epochs": 1, "random_state": 0, name: first}
    for go_on in (
        FFNNClassifier(warm_start=True, **options).fit(X[:100], Y[:100]).set_params(**{name: then}).fit,
        FFNNClassifier(**options).partial_fit(X[:100], Y[:100], range(10)).set_params(**{name: then}).partial_fit,
    ):
        with pytest.raises(ValueError, match=rf"^{name}: expected .*as training began; received"):
            go_on(X[:100], Y[:100])


def test_another_way_to_write_a_setting_and_what_may_change_go_on() -> None:
    model = FFNNClassifier((8,), engine="numpy", epochs=1, warm_start=True, random_state=0).fit(X[:100], Y[:100])
    same = {"hidden_layers": [np.int64(8)], "activation": [{"name": "relu"}], "dtype": "float64"}
    other = {"learning_rate": 0.01, "l2": 0.1, "epochs": 2, "batch_size": 10, "clip_norm": 1.0, "patience": 3}
    assert model.set_params(**same, **other).fit(X[:100], Y[:100]).n_iter_ == 2


def test_values_that_no_class_can_be_read_from_are_refused() -> None:
    model = FFNNClassifier((8,), engine="numpy", dtype="float32", epochs=1, random_state=0).fit(X[:100], Y[:100])
    for method in (model.predict, model.predict_proba):
        with pytest.raises(ValueError, match=r"expected finite values of float32; received 1e\+39 in row 1"):
            method(np.vstack([X[:1], np.full_like(X[:1], 1e39)]))


def test_columns_of_labels_are_what_scikit_learn_makes_of_them() -> None:
    model = FFNNClassifier((8,), engine="numpy", epochs=1, random_state=0)
    with pytest.warns(DataConversionWarning, match="column-vector y"):
        column = model.fit(X[:100], Y[:100, None]).predict_proba(X)
    np.testing.assert_array_equal(column, model.fit(X[:100], Y[:100]).predict_proba(X))
    with pytest.raises(ValueError, match=r"shape \(100, 10\)"):
        model.fit(X[:100], np.eye(10)[Y[:100]])
