"""Metrics against counts made by hand and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from ffnn.backend import create_engine
from ffnn.training.metrics import RunningMeans, expected_calibration_error, score

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
