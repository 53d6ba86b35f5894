"""Metrics against counts made by hand and against scikit-learn."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from ffnn.backend import create_engine
from ffnn.errors import FFNNError
from ffnn.nn import LOSSES, Linear, Network, Objective
from ffnn.training.metrics import RunningMeans, evaluate, expected_calibration_error, score

NAMES = ("a", "b", "c")


def test_score_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(3), 200)
    labels = rng.integers(0, 3, 200)
    predicted = probabilities.argmax(axis=1)
    result = score(probabilities, labels, NAMES, loss=1.25)
    assert result.metrics["loss"] == 1.25
    assert result.metrics["accuracy"] == pytest.approx(sk.accuracy_score(labels, predicted))
    assert result.metrics["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(labels, predicted))
    assert result.metrics["macro_f1"] == pytest.approx(sk.f1_score(labels, predicted, average="macro"))
    assert result.metrics["macro_precision"] == pytest.approx(sk.precision_score(labels, predicted, average="macro"))
    assert result.metrics["macro_recall"] == pytest.approx(sk.recall_score(labels, predicted, average="macro"))
    assert result.confusion.sum() == 200
    assert np.trace(result.confusion) == np.sum(predicted == labels)


@pytest.mark.parametrize("seed", range(40))
def test_averages_over_classes_are_scikit_learns_whatever_class_is_absent(seed: int) -> None:
    """From the labels, from the predictions, from both: a class that never occurs is no class of score 0."""
    rng = np.random.default_rng(seed)
    rows, classes = rng.integers(1, 30), int(rng.integers(2, 7))
    labelled, answered = (rng.choice(classes, rng.integers(1, classes + 1), replace=False) for _ in range(2))
    labels, predicted = rng.choice(labelled, rows), rng.choice(answered, rows)
    found = score(np.eye(classes)[predicted], labels, tuple("abcdef"[:classes]), loss=0.0)
    with warnings.catch_warnings():  # a class that is predicted and never right
        warnings.simplefilter("ignore", UserWarning)
        expected = {
            "accuracy": sk.accuracy_score(labels, predicted),
            "balanced_accuracy": sk.balanced_accuracy_score(labels, predicted),
            "macro_precision": sk.precision_score(labels, predicted, average="macro", zero_division=0),
            "macro_recall": sk.recall_score(labels, predicted, average="macro", zero_division=0),
            "macro_f1": sk.f1_score(labels, predicted, average="macro", zero_division=0),
        }
    assert {name: found.metrics[name] for name in expected} == pytest.approx(expected)
    report = sk.classification_report(labels, predicted, labels=range(classes), output_dict=True, zero_division=0)
    for number, row in enumerate(found.per_class):
        theirs = report[str(number)]
        names = {"precision": "precision", "recall": "recall", "f1": "f1-score", "support": "support"}
        assert {name: row[name] for name in names} == pytest.approx({a: theirs[b] for a, b in names.items()})


@pytest.mark.parametrize("names", [("a", "b"), ("a", "b", "c", "d")])
def test_every_output_has_one_class_name(names: tuple[str, ...]) -> None:
    """A confusion matrix of another width puts answers beside the wrong truth."""
    expected = f"class_names: expected 3, one for each output; received {len(names)}"
    with pytest.raises(FFNNError, match=expected):
        score(np.eye(3), np.array([0, 1, 1]), names, loss=0.0)
    with pytest.raises(FFNNError, match=expected):
        evaluate(Objective(Network([Linear(3)], 2, "numpy"), LOSSES.create("cross_entropy")), [], names)


@pytest.mark.parametrize("label", [3, -1])
def test_every_label_is_a_class(label: int) -> None:
    with pytest.raises(FFNNError, match=f"Label {label} found"):
        score(np.eye(3), np.array([0, label, 1]), NAMES, loss=0.0)


def test_rows_of_the_confusion_matrix_are_truth() -> None:
    """Three images of class a, all taken for b; one of c, right; class b absent and wrongly predicted."""
    probabilities = np.array([[0.1, 0.8, 0.1]] * 3 + [[0.2, 0.2, 0.6]])
    result = score(probabilities, np.array([0, 0, 0, 2]), NAMES, 0.0)
    assert result.confusion.tolist() == [[0, 3, 0], [0, 0, 0], [0, 0, 1]]
    assert result.per_class[1] == {"class": "b", "precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}
    assert result.metrics["balanced_accuracy"] == pytest.approx(0.5)  # recall 0 of a and 1 of c; b has no images


def test_cross_entropy_is_that_of_the_probabilities_whatever_was_trained_on() -> None:
    probabilities = np.array([[0.5, 0.5], [0.25, 0.75], [1.0, 0.0]])
    metrics = score(probabilities, np.array([0, 1, 0]), ("a", "b"), loss=7.0).metrics
    assert metrics["cross_entropy"] == pytest.approx(-(np.log(0.5) + np.log(0.75)) / 3)
    outputs_of_least_squares = np.array([[1.1, -0.2], [0.4, 0.7]])
    assert not {"cross_entropy", "ece"} & set(
        score(outputs_of_least_squares, np.array([0, 1]), ("a", "b"), 0.0).metrics
    )


@pytest.mark.parametrize("name", list(LOSSES))
@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_cross_entropy_of_logits_is_the_loss_of_that_name_however_large_they_are(engine: str, name: str) -> None:
    """Of an image 500 beside its label the probability is 0 in float32, and the cross-entropy is 500."""
    network = Network([Linear(3)], 3, engine)
    network.parameters["linear1.weight"].value[...] = network.engine.array(np.eye(3))
    logits, labels = np.array([[500.0, 0, 1], [1000, 992, 0], [0, 0, 0]]), np.array([1, 0, 2])
    batches = [(network.engine.array(logits), network.engine.array(labels, np.int64))]
    metrics = evaluate(Objective(network, LOSSES.create(name)), batches, NAMES).metrics
    if not LOSSES[name].takes_logits:
        assert "cross_entropy" not in metrics  # its outputs are no distribution
    else:
        assert metrics["cross_entropy"] == pytest.approx((500 + np.log1p(np.exp(-8)) + np.log(3)) / 3, rel=1e-6)
    if name == "cross_entropy":
        assert metrics["cross_entropy"] == metrics["loss"]


def test_confidently_wrong_come_most_confident_first() -> None:
    probabilities = np.array([[0.6, 0.4], [0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    wrong = score(probabilities, np.array([1, 1, 1, 0]), ("a", "b"), 0.0).confidently_wrong()
    assert wrong.tolist() == [1, 3, 0]


def test_calibration_error_by_hand() -> None:
    """Two bins are used: three answers of confidence 0.9 of which two are right, one of 0.6, right.

    (3 * |2/3 - 0.9| + 1 * |1 - 0.6|) / 4 = (0.7 + 0.4) / 4 = 0.275.
    """
    probabilities = np.array([[0.9, 0.1]] * 3 + [[0.6, 0.4]])
    assert expected_calibration_error(probabilities, np.array([0, 0, 1, 0])) == pytest.approx(0.275)


@given(st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_calibration_error_is_a_fraction_and_zero_for_certain_truth(rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(4), rows)
    assert 0 <= expected_calibration_error(probabilities, rng.integers(0, 4, rows)) <= 1
    labels = rng.integers(0, 4, rows)
    assert expected_calibration_error(np.eye(4)[labels], labels) == pytest.approx(0)


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_running_means_weigh_rows_alike_and_ties_go_to_the_lower_class(engine: str) -> None:
    made = create_engine(engine, "float64")
    means = RunningMeans(made)
    means.add(3.0, 3.0, made.array([[2.0, 1.0], [0.0, 3.0], [5.0, 5.0]]), made.array([0, 1, 0], np.int64))
    means.add(5.0, 1.0, made.array([[5.0, 5.0]]), made.array([1], np.int64))
    assert means.loss == pytest.approx(2.0)
    assert means.accuracy == pytest.approx(0.75)


def test_outputs_that_are_not_finite_have_no_class() -> None:
    probabilities = np.array([[0.9, 0.1], [np.nan, np.nan], [0.2, 0.8]])
    with pytest.raises(FFNNError, match="not finite for 1 of 3 images, the first being number 1"):
        score(probabilities, np.array([0, 0, 1]), ("a", "b"), 0.5)
