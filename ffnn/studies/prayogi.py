"""Prayogi and Iqbal's page: what each side costs, the digits on their first two principal components, and 3 against 8.

The regression on the components is a network without hidden layers, trained by ffnn itself.
"""

import ast
import json
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ffnn
from ffnn.analysis.components import principal_components
from ffnn.backend import create_engine
from ffnn.comparison.measures import MEASURES
from ffnn.data import load
from ffnn.figures.plane import draw_points, draw_regions
from ffnn.nn import Adam, Linear, Network, Objective, SoftmaxCrossEntropy
from ffnn.report.document import Block, Heading, Paragraph, Row, Table
from ffnn.studies.finished import Finished
from ffnn.studies.page import note_on_time
from ffnn.tracking import RunRecord

BY_HAND = ("nn", "backend/numpy_engine.py", "backend/engine.py", "backend/workspace.py", "backend/vocabulary.py")
"""What a network needs on the numpy engine."""

IN_TORCH = ("reference/torch_network.py", "reference/torch_reference.py")

PAIR = (3, 8)
REGRESSION_STEPS = 400


def sections(finished: Finished) -> Sequence[Block]:
    """What the page shows beyond the common part."""
    config = next(iter(finished.records.values()))[0].config
    dataset = load(config["dataset"], config["data_dir"])
    test = dataset.images[-dataset.official_test :].astype(np.float64) / dataset.top
    labels = dataset.labels[-dataset.official_test :]
    components = principal_components("images", test)
    points, shares = components.points, components.explained[:2]
    axes = tuple(f"component {n}, {100 * share:.1f} % of the variance" for n, share in enumerate(shares, start=1))
    return [
        Heading("What each side costs"),
        _costs(finished),
        note_on_time(),
        Heading("The test images in two dimensions"),
        Paragraph(
            "Eigenvectors of the covariance matrix of the pixels, the two with the largest eigenvalues: "
            "C = (X - m)ᵀ(X - m) / (n - 1), and each image's coordinates are (x - m)ᵀv."
        ),
        finished.pictures.draw(
            "pca",
            partial(draw_points, points, labels, dataset.class_names, (axes[0], axes[1])),
            "Test images on their first two principal components, coloured by digit",
        ),
        Heading("3 against 8 on these two components"),
        *_three_or_eight(finished, points, labels, (axes[0], axes[1])),
    ]


def _costs(finished: Finished) -> Table:
    rows = []
    measures = ("end/train/loss", "test/accuracy", "time/train_seconds")
    lines = {"torch": lines_of_code(IN_TORCH)}
    for condition, runs in finished.records.items():
        means = [finished.shown(condition, name) for name in measures]
        peak = peak_memory(runs[0])
        rows.append([condition, *means, f"{peak:.0f}", str(lines.get(condition, lines_of_code(BY_HAND)))])
    return Table(
        ["condition", *(MEASURES[name].heading for name in measures), "peak memory, MiB", "statements"],
        rows,
        "Peak memory: of a process of its own that trains one epoch, data and imports included. Statements of Python, "
        "without docstrings: by hand all layers, losses, optimizers and the engine; for PyTorch only what calls it.",
        "lrrrrr",
    )


def lines_of_code(places: Sequence[str]) -> int:
    """Statements in modules of ffnn, docstrings and comments not counted."""
    root = Path(ffnn.__file__).parent
    files = [
        file for place in places for file in ([root / place] if place.endswith(".py") else (root / place).glob("*.py"))
    ]
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in files]
    return sum(
        isinstance(node, ast.stmt) and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for tree in trees
        for node in ast.walk(tree)
    )


def peak_memory(run: RunRecord) -> float:
    """MiB that a process of its own needs at most to train one epoch of a run's config."""
    settings = {**run.config, "epochs": 1, "wandb": "disabled", "group": "memory", "name": None}
    command = [sys.executable, "-m", "ffnn.studies.peak_memory", json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def _three_or_eight(
    finished: Finished, points: NDArray[Any], labels: NDArray[Any], axes: tuple[str, str]
) -> Sequence[Block]:
    chosen = np.isin(labels, PAIR)
    x, y = points[chosen], (labels[chosen] == PAIR[1]).astype(np.int64)
    half = len(x) // 2
    decide, accuracy = fit_regression(x[:half], y[:half], x[half:], y[half:])
    names = [str(digit) for digit in PAIR]
    figure = finished.pictures.draw(
        "three-or-eight",
        partial(draw_regions, decide, x, y, names, axes),
        "Decision regions of logistic regression for the digits 3 and 8",
        f"Logistic regression on the two components, fitted to one half of the test images of these digits: "
        f"{100 * accuracy:.1f} % of the other half are right.",
    )
    return [Row([figure])]


def fit_regression(x: NDArray[Any], y: NDArray[Any], x_test: NDArray[Any], y_test: NDArray[Any]) -> tuple[Any, float]:
    """Logistic regression as a network without hidden layers.

    Gives what makes probabilities (M, 2) of points (M, 2), and the accuracy on the test points.
    """
    engine = create_engine("numpy", "float64")
    network = Network([Linear(2)], input_size=2, engine=engine, seed=0)
    loss = SoftmaxCrossEntropy()
    objective, optimizer = Objective(network, loss), Adam(learning_rate=0.1)
    optimizer.connect(network.parameters)
    for _ in range(REGRESSION_STEPS):
        objective.gradients(x, y)
        optimizer.step()

    def decide(points: NDArray[Any]) -> NDArray[Any]:
        return np.array(loss.probabilities(network.predict(points)))

    return decide, float(np.mean(decide(x_test).argmax(axis=1) == y_test))
