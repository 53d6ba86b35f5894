"""Burakowski's page: confusion matrices and reports side by side, and what softmax before a loss with softmax costs.

The size of the gradients is taken from ffnn's own layers, where both can be built.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np

from ffnn.backend import create_engine
from ffnn.figures import draw_curves
from ffnn.nn import Linear, Network, Objective, Softmax, SoftmaxCrossEntropy
from ffnn.report.document import Block, Figure, Heading, Paragraph, Row, Table
from ffnn.report.run import class_rows
from ffnn.studies.finished import Finished

SIDE_BY_SIDE = ("by-hand", "torch-double-softmax", "torch")
LEADS = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0)
"""By how much a wrong class's logit is ahead of all others."""


def sections(finished: Finished) -> Sequence[Block]:
    """What the page shows beyond the common part."""
    return [
        Heading("Accuracy every 100 iterations, by hand"),
        _every_hundred(finished),
        Heading("Who is taken for whom"),
        Row([_confusion(finished, name) for name in SIDE_BY_SIDE if finished.confusion(name) is not None]),
        *(_report(finished, name) for name in SIDE_BY_SIDE[:2]),
        Heading("Softmax twice"),
        *_twice(finished),
        Heading("Classes that are never predicted"),
        _never(finished),
    ]


def _every_hundred(finished: Finished) -> Table:
    """A row an iteration, a column a seed."""
    runs = finished.records["by-hand"]
    reached = [{record["step"]: f"{100 * record['val/accuracy']:.2f}" for record in run.history} for run in runs]
    last = max(step for accuracies in reached for step in accuracies)
    rows = [[step, *(accuracies.get(step) for accuracies in reached)] for step in (1, *range(100, last + 1, 100))]
    columns = ["iteration", *(f"seed {run.config['seed']}" for run in runs)]
    return Table(columns, rows, "Percent right of the images kept for validation.", "r" * len(columns))


def _confusion(finished: Finished, condition: str) -> Figure:
    run = finished.records[condition][0]
    caption = f"{condition}, seed {run.config['seed']}: {100 * run.summary['test/accuracy']:.2f} %"
    return finished.confusion_figure(condition, f"Confusion matrix of {condition}", caption)


def _report(finished: Finished, condition: str) -> Table:
    run = finished.records[condition][0]
    columns = ["class", "precision %", "recall %", "F1 %", "images"]
    caption = f"Classification report of {condition}, seed {run.config['seed']}."
    return Table(columns, class_rows(run.summary), caption, "lrrrr")


def _twice(finished: Finished) -> list[Block]:
    rows = [[f"{lead:g}", *(f"{size:.2g}" for size in gradient_sizes(lead))] for lead in LEADS]
    table = Table(
        ["lead of a wrong class", "softmax once", "softmax twice"],
        rows,
        "Norm of the loss's gradient with respect to ten logits, one wrong class ahead of all others. Once, it grows "
        "with the mistake; twice, it vanishes: a network that is sure and wrong is not told so.",
        "rrr",
    )
    shown = [name for name in ("ffnn", "ffnn-double-softmax") if finished.records.get(name)]
    histories = {name: [run.history for run in finished.records[name]] for name in shown}
    curves = finished.pictures.draw(
        "double-softmax",
        partial(
            draw_curves,
            histories,
            {"train/loss": "training loss", "grad_norm/linear1": "gradient norm, first layer"},
            "the same network, by hand, with softmax once and twice",
        ),
        "Training loss and gradient norm with softmax once and twice",
    )
    floor = np.log(9 + np.e) - 1
    text = Paragraph(
        f"The loss of probabilities that are right and sure is log(9 + e) - 1 = {floor:.4f}: no training goes lower."
    )
    return [text, table, Row([curves])]


def gradient_sizes(lead: float) -> tuple[float, float]:
    """Norms of the gradient at ten logits for softmax once and twice, where a wrong class is ahead by `lead`.

    Examples
    --------
    >>> once, twice = gradient_sizes(10.0)
    >>> once > 1, twice < 0.001
    (True, True)
    """
    sizes = []
    for layers in ([Linear(10)], [Linear(10), Softmax()]):
        # One input, always 1: the weights' gradients are those of the logits.
        network = Network(layers, input_size=1, engine=create_engine("numpy", "float64"), seed=0)
        state = network.state_dict()
        network.load_state_dict({**state, "linear1.weight": np.eye(10)[:1] * lead, "linear1.bias": np.zeros(10)})
        objective = Objective(network, SoftmaxCrossEntropy())
        objective.gradients(np.ones((1, 1)), np.array([1]))
        sizes.append(float(np.linalg.norm(next(p.grad for p in network.parameters if p.name == "linear1.bias"))))
    return sizes[0], sizes[1]


def _never(finished: Finished) -> Table:
    rows = []
    for condition, runs in finished.records.items():
        missing = []
        for run in runs:
            counts = zip(run.environment["data"]["classes"], np.sum(run.summary["test/confusion"], axis=0), strict=True)
            missing.append(", ".join(name for name, count in counts if not count) or "none")
        rows.append([condition, "; ".join(missing), finished.shown(condition, "test/accuracy")])
    return Table(["condition", "never predicted, by seed", "test acc. %"], rows, "", "llr")
