"""Tobio's page: the 47 classes and how unequal they are, who is taken for whom, and how noise hurts.

Noise is added to test images at every strength with the same draw for every network.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np

from ffnn.figures.grids import draw_against_level, draw_bars
from ffnn.lab.robustness import PERTURBATIONS, evaluate_perturbed
from ffnn.lab.run import load_run
from ffnn.report.answers import NOISE
from ffnn.report.document import Block, Figure, Heading, Paragraph, Row, Table
from ffnn.studies.finished import Finished

UNDER_NOISE = ("M0", "M1e", "M1g", "M3a", "M3b")


def sections(finished: Finished) -> Sequence[Block]:
    """What the page shows beyond the common part."""
    return [
        Heading("The classes"),
        _distribution(finished),
        Heading("Cross-entropy and accuracy of train, validation and test"),
        _table(finished),
        Heading("Who is taken for whom"),
        Row([finished.confusion_figure("M3b", "Confusion matrix of M3b, 47 classes")]),
        Heading("Under noise"),
        *_under_noise(finished),
    ]


def _distribution(finished: Finished) -> Figure:
    run = finished.records["M0"][0]
    counts = np.sum(run.summary["test/confusion"], axis=1)
    names = run.environment["data"]["classes"]
    most, least = int(counts.max()), int(counts.min())
    return finished.pictures.draw(
        "classes",
        partial(draw_bars, names, counts, "images in the test part"),
        "Number of test images of each class",
        f"The most frequent class has {most / max(least, 1):.1f} times the images of the least frequent one.",
    )


def _table(finished: Finished) -> Table:
    rows = []
    for condition, runs in finished.records.items():
        best = [run.history[run.summary["best/epoch"] - 1] for run in runs if run.summary.get("best/epoch")]
        cells = [
            f"{np.mean([scale * record[f'{part}/{name}'] for record in best]):.{digits}f}" if best else "-"
            for name, scale, digits in (("accuracy", 100, 2), ("loss", 1, 4))
            for part in ("train", "val")
        ]
        crossed = [run.summary["test/cross_entropy"] for run in runs if "test/cross_entropy" in run.summary]
        rows.append([condition, *cells, f"{np.mean(crossed):.4f}" if crossed else "-"])
    columns = ["network", "train acc. %", "val acc. %", "train loss", "val loss", "test cross-entropy"]
    return Table(columns, rows, "At the epoch that was best on validation; means over seeds.", "lrrrrr", sortable=True)


def _under_noise(finished: Finished) -> list[Block]:
    lines: dict[str, list[float]] = {}
    for condition in UNDER_NOISE:
        measured = []
        for record in finished.records.get(condition, []):
            _, parts = load_run(record.path)
            evaluations = evaluate_perturbed(parts, "noise", NOISE)
            measured.append([100 * evaluation.metrics["accuracy"] for evaluation in evaluations])
        if measured:
            lines[condition] = [float(value) for value in np.mean(measured, axis=0)]
    rows = [[name, *(f"{value:.2f}" for value in values)] for name, values in lines.items()]
    columns = ["network", *(f"noise {level:g}" for level in NOISE)]
    figure = finished.pictures.draw(
        "noise",
        partial(draw_against_level, NOISE, lines, (PERTURBATIONS["noise"][0], "test accuracy %")),
        "Test accuracy against the strength of noise, a line a network",
    )
    return [
        Paragraph("Gaussian noise on pixels in [0, 1], cut off at both ends; means over seeds."),
        Table(columns, rows, "Test accuracy %.", "l" + "r" * len(NOISE), sortable=True),
        Row([figure]),
    ]
