"""Metrics: how good a network's answers are, during training and in full at the end.

Fractions lie in [0, 1]. Loss and accuracy are counted by the engine batch by batch; everything
else is computed once from the probabilities.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffnn.backend.engine import Array, Engine, unexplained
from ffnn.backend.fit import check_classes
from ffnn.backend.vocabulary import row_argmax, where
from ffnn.errors import FFNNError
from ffnn.nn.cross_entropy import SoftmaxCrossEntropy
from ffnn.nn.loss import Loss
from ffnn.nn.network import Objective


def hit(outputs, label):
    """1 where the largest output is that of the label, else 0."""
    return where(row_argmax(outputs) == label, 1.0, 0.0)


class RunningMeans:
    """Mean loss and accuracy over the batches seen since the last `reset`, however they were divided.

    A tie between outputs goes to the lower class number, as argmax has it.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._hit = unexplained(engine.rows(hit))
        self._sum = engine.zeros((1,), np.float64)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.rows, self._loss, self._weight, self._hits = 0, 0.0, 0.0, 0.0

    def add(self, loss: float, weight: float, outputs: Array, labels: Array) -> None:
        """Take in a batch: the sum of its losses, what they weigh (`Loss.divisor`), and its outputs and labels.

        Where labels are targets, the largest one counts.
        """
        rows = len(labels)
        if labels.ndim == 2:
            labels = self._engine.argmax(labels)
        self._hit((self._sum,), (outputs, labels), ())
        self.rows += rows
        self._loss += loss
        self._weight += weight
        self._hits += self._engine.read(self._sum)

    def state_dict(self) -> list[float]:
        """The sums so far."""
        return [self.rows, self._loss, self._weight, self._hits]

    def load_state_dict(self, state: Sequence[float]) -> None:
        """Take over what `state_dict` gave."""
        rows, self._loss, self._weight, self._hits = state
        self.rows = int(rows)

    @property
    def loss(self) -> float:
        """Mean loss over everything added."""
        return self._loss / self._weight

    @property
    def accuracy(self) -> float:
        """Fraction of rows whose largest output is the label's."""
        return self._hits / self.rows


def loss_and_accuracy(objective: Objective, batches: Iterable[tuple[Array, Array]]) -> tuple[float, float]:
    """Both, in evaluation mode, over all batches."""
    means = RunningMeans(objective.network.engine)
    for inputs, labels in batches:
        outputs = objective.network.forward(inputs)
        add_batch(means, objective.loss, outputs, labels)
    return means.loss, means.accuracy


def add_batch(means: RunningMeans, loss: Loss, outputs: Array, labels: Array) -> None:
    """Measure a batch and take it in."""
    loss.forward(outputs, labels)
    means.add(loss.total, loss.divisor, outputs, labels)


@dataclass(frozen=True)
class Evaluation:
    """Everything measured once on a held-out set.

    `metrics` are loss (the training loss), accuracy, balanced_accuracy, macro_precision, macro_recall, macro_f1; where
    the outputs are distributions also cross_entropy and ece. Classes are averaged as scikit-learn does by default: over
    those of the labels for balanced_accuracy, of labels and predictions for the macro figures. Rows of `confusion` (K,
    K) are true classes, columns predicted ones. `per_class` has class, precision, recall, f1, support; what would be
    divided by 0 is 0, as the precision of a class never predicted and the recall of one without an image. Probabilities
    are (rows, K), labels (rows,).
    """

    metrics: dict[str, float]
    confusion: NDArray[np.int64]
    per_class: list[dict[str, Any]]
    probabilities: NDArray[np.float64]
    labels: NDArray[np.int64]

    def confidently_wrong(self, count: int = 64) -> NDArray[np.int64]:
        """Rows answered wrongly, the most confident first."""
        predicted = self.probabilities.argmax(axis=1)
        wrong = np.flatnonzero(predicted != self.labels)
        confidence = self.probabilities[wrong, predicted[wrong]]
        return wrong[np.argsort(-confidence, kind="stable")][:count]


def evaluate(objective: Objective, batches: Iterable[tuple[Array, Array]], class_names: tuple[str, ...]) -> Evaluation:
    """Measure a network on all batches, in evaluation mode; FFNNError unless each output has a class name."""
    engine = objective.network.engine
    _check_names(objective.network.output_size, class_names)
    means = RunningMeans(engine)
    crossed, of_logits = RunningMeans(engine), SoftmaxCrossEntropy() if objective.loss.takes_logits else None
    if of_logits:
        of_logits.connect(engine, len(class_names))
    probabilities, labels = [], []
    with engine.quiet():
        for inputs, batch_labels in batches:
            outputs = objective.network.forward(inputs)
            add_batch(means, objective.loss, outputs, batch_labels)
            if of_logits:
                add_batch(crossed, of_logits, outputs, batch_labels)
            probabilities.append(np.array(engine.host(objective.loss.probabilities(outputs)), np.float64))
            labels.append(np.array(engine.host(batch_labels)))
    cross_entropy = crossed.loss if of_logits else None
    return score(np.concatenate(probabilities), np.concatenate(labels), class_names, means.loss, cross_entropy)


def score(
    probabilities: NDArray[np.float64],
    labels: NDArray[np.int64],
    class_names: tuple[str, ...],
    loss: float,
    cross_entropy: float | None = None,
) -> Evaluation:
    """All metrics of given probabilities.

    FFNNError where probabilities are not finite, or class names or labels do not fit them. The loss is passed through;
    so is the cross-entropy where it is known from logits. That of probabilities is at most 87.3 an image, as that is
    -log of the smallest one of float32.
    """
    _check_names(probabilities.shape[1], class_names)
    check_classes(labels, len(class_names))
    finite = np.isfinite(probabilities).all(axis=1)
    if not finite.all():
        count = f"{np.count_nonzero(~finite)} of {len(labels)} images"
        raise FFNNError(
            f"the network's outputs are not finite for {count}, the first being number {int(np.argmin(finite))}, so no "
            "class can be read from them: its weights or inputs are too large, or not finite"
        )
    # By hand, as scikit-learn takes a second to import, a quarter of a short run; the tests compare with its metrics.
    predicted, classes = probabilities.argmax(axis=1), len(class_names)
    confusion = np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)
    hits, support, answers = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    precision, recall, f1 = _ratio(hits, answers), _ratio(hits, support), _ratio(2 * hits, answers + support)
    per_class = [
        {"class": name, "precision": float(p), "recall": float(r), "f1": float(f), "support": int(s)}
        for name, p, r, f, s in zip(class_names, precision, recall, f1, support, strict=True)
    ]
    labelled = support > 0
    occurring = labelled | (answers > 0)
    metrics = {
        "loss": loss,
        "accuracy": float(np.mean(predicted == labels)),
        "balanced_accuracy": float(recall[labelled].mean()),
        "macro_precision": float(precision[occurring].mean()),
        "macro_recall": float(recall[occurring].mean()),
        "macro_f1": float(f1[occurring].mean()),
    }
    if probabilities.min() >= 0 and np.allclose(probabilities.sum(axis=1), 1, atol=1e-3):
        of_label = np.maximum(probabilities[np.arange(len(labels)), labels], np.finfo(np.float32).tiny)
        metrics["cross_entropy"] = float(-np.log(of_label).mean()) if cross_entropy is None else cross_entropy
        metrics["ece"] = expected_calibration_error(probabilities, labels)
    return Evaluation(metrics, confusion, per_class, probabilities, labels)


def _check_names(outputs: int, class_names: Sequence[str]) -> None:
    if outputs != len(class_names):
        raise FFNNError(f"class_names: expected {outputs}, one for each output; received {len(class_names)}")


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """Their quotients; 0 where the whole is 0."""
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)


def expected_calibration_error(probabilities: NDArray[np.float64], labels: NDArray[np.int64], bins: int = 15) -> float:
    """Mean gap between confidence and accuracy, over equally wide bins of confidence weighted by their rows.

    Naeini et al., AAAI 2015, with 15 bins as in Guo et al., ICML 2017. Bins are (low, high].

    Examples
    --------
    >>> sure_and_half_right = np.array([[1.0, 0.0], [1.0, 0.0]])
    >>> expected_calibration_error(sure_and_half_right, np.array([0, 1]))
    0.5
    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    bin_of = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(bin_of, correct - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels))
