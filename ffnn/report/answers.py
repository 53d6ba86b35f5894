"""What a run's network answers to its test images: calibration, worst mistakes, robustness, first-layer weights.

The weights are loaded and the data read again; where that cannot be done, the page says what was left out and why.
"""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ffnn.errors import FFNNError
from ffnn.report.document import Block, Cell, Heading, Note, Row, Table, percent
from ffnn.report.markup import literal
from ffnn.report.pictures import Pictures
from ffnn.tracking import RunRecord

if TYPE_CHECKING:
    from ffnn.lab.build import Parts
    from ffnn.training.metrics import Evaluation

WRONG = 18
"""Mistakes shown."""

UNITS = 32
"""Units of the first layer shown."""

NOISE = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)


def answer_blocks(run: RunRecord, pictures: Pictures) -> list[Block]:
    """The part of a run's chapter that needs its network and its data."""
    what = "calibration, the most confident mistakes, robustness and the first layer's weights"
    remarks: list[str] = []
    if not (run.path / "checkpoints" / "best.npz").is_file():
        return [Note(f"Left out: {what}, for the run has no weights in checkpoints/best.npz.")]
    try:
        from ffnn.lab.run import load_run

        _, parts = load_run(run.path, notify=remarks.append)
    except FFNNError as problem:
        return [Note(f"Left out: {what}. {literal(problem)}", "warning")]
    notes: list[Block] = [Note(literal(remark), "warning") for remark in remarks]
    return [*notes, *_calibration(parts, pictures), *_robustness(parts, pictures), *_filters(parts, pictures)]


def _calibration(parts: "Parts", pictures: Pictures) -> list[Block]:
    from ffnn.figures import draw_reliability
    from ffnn.training.metrics import evaluate

    evaluation = evaluate(parts.objective, parts.test.epoch(), parts.dataset.class_names)
    blocks = _mistakes(parts, evaluation, pictures)
    if "ece" not in evaluation.metrics:
        return [*blocks, Note("Left out: calibration, for the network's outputs are no probabilities.")]
    confidence = evaluation.probabilities.max(axis=1)
    correct = evaluation.probabilities.argmax(axis=1) == evaluation.labels
    picture = pictures.draw(
        "reliability",
        partial(draw_reliability, confidence, correct),
        "fraction of right answers against their confidence",
        f"Expected calibration error {100 * evaluation.metrics['ece']:.2f} %, over 15 bins. On average the network is "
        f"{100 * confidence.mean():.1f} % sure and {100 * correct.mean():.1f} % right.",
    )
    return [Heading("Calibration"), picture, *blocks]


def _mistakes(parts: "Parts", evaluation: "Evaluation", pictures: Pictures) -> list[Block]:
    from ffnn.figures import draw_images

    rows = evaluation.confidently_wrong(WRONG)
    if not len(rows):
        return [Note("No test image was classified wrongly.")]
    dataset, names = parts.dataset, parts.dataset.class_names
    predicted = evaluation.probabilities.argmax(axis=1)
    images = [dataset.image(int(parts.split.test[row])) for row in rows]
    texts = [
        f"{_pair(names[evaluation.labels[row]], names[predicted[row]])}\n"
        f"{100 * evaluation.probabilities[row, predicted[row]]:.0f} %"
        for row in rows
    ]
    picture = pictures.draw(
        "mistakes",
        partial(draw_images, images, texts),
        "test images that were classified wrongly with the highest confidence",
        "The wrong answers given with the highest confidence: true class → answer, and how sure the network was.",
        photo=True,
    )
    return [Heading("Most confident mistakes"), picture]


def _pair(label: str, answer: str) -> str:
    """The true class and the answer, in one line if there is room below an image."""
    from ffnn.figures.drawing import words

    return f"{words(label, 16)}{' ' if len(label) + len(answer) < 15 else chr(10)}→ {words(answer, 16)}"


def _robustness(parts: "Parts", pictures: Pictures) -> list[Block]:
    from ffnn.figures import draw_robustness
    from ffnn.lab.robustness import PERTURBATIONS, evaluate_perturbed

    evaluations = evaluate_perturbed(parts, "noise", NOISE)
    accuracy = [evaluation.metrics["accuracy"] for evaluation in evaluations]
    by_class = {
        str(entry["class"]): [evaluation.per_class[k]["recall"] for evaluation in evaluations]
        for k, entry in enumerate(evaluations[0].per_class)
    }
    picture = pictures.draw(
        "robustness",
        partial(draw_robustness, NOISE, accuracy, by_class, PERTURBATIONS["noise"][0]),
        "accuracy against the strength of noise, of all test images and of each class",
        "Fraction of the test images still right when Gaussian noise is added to them.",
    )
    rows: list[list[Cell | str]] = [
        [f"{level:g}", percent(value)] for level, value in zip(NOISE, accuracy, strict=True)
    ]
    return [Heading("Robustness"), picture, Table(["noise", "test acc. %"], rows, alignment="rr")]


def _filters(parts: "Parts", pictures: Pictures) -> list[Block]:
    from ffnn.figures import draw_filters

    network = parts.objective.network
    weight = next((p for p in network.parameters if p.value.ndim == 2 and len(p.value) == parts.dataset.features), None)
    if weight is None:
        return []
    values = np.asarray(network.engine.host(weight.value), np.float64)
    largest = np.argsort(-np.linalg.norm(values, axis=0), kind="stable")[:UNITS]
    picture = pictures.draw(
        "first-layer",
        partial(draw_filters, values[:, largest], parts.dataset.shape),
        "weights of the first layer as images",
        f"The weights into {len(largest)} of the first layer's {values.shape[1]} units, those with the largest norm, "
        "as images: red where light excites the unit, blue where it inhibits it.",
        photo=True,
    )
    return [Heading("First-layer weights"), Row([picture])]
