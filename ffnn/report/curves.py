"""Curves over epochs in a report: of an experiment's conditions or of single runs, and of a network's layers.

What no run has recorded has no figure, so that no page shows an empty one.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ffnn.catalogue import LAYERS, label_of
from ffnn.report.document import Block, Figure, Heading, Note, Row
from ffnn.report.pictures import Pictures
from ffnn.report.sources import ExperimentFolder

Histories = Mapping[str, Sequence[Sequence[Mapping[str, Any]]]]
"""By the name of a condition or of a run: the histories behind its line."""

FEW = 8
"""Conditions whose curves can be told apart in one figure."""

CURVES = ("train/loss", "val/loss", "train/accuracy", "val/accuracy")
BAND = ": mean over seeds, with a band from least to most"

NO_CURVES = Note("No run has finished an epoch, so there are no curves.", "warning")

INSIDE = {
    "grad_norm/": (
        "gradients",
        "Norm of each layer's gradient at the end of each epoch, before clipping; from the first layer, dark, to "
        "the last, light. Lines far apart mean that gradients vanish or explode with depth.",
    ),
    "update_ratio/": (
        "updates",
        "Norm of the last step relative to the norm of the weights, layer by layer. About 0.001, the dotted line, "
        "is usual; 0.1 is too much.",
    ),
}
"""By the prefix of a figure of each layer: the name of its picture, and the caption."""


def learning_blocks(folder: ExperimentFolder, pictures: Pictures) -> list[Block]:
    """Losses and accuracies over epochs, a line for each condition."""
    if not histories_of(folder):
        return [Heading("Learning"), NO_CURVES]
    figures = [figure for metric in CURVES for figure in curve_figures(folder, pictures, metric)]
    each = each_figures(folder, pictures) if len(folder.records) > FEW else []
    return [Heading("Learning"), *in_rows(figures), *each]


def each_figures(folder: ExperimentFolder, pictures: Pictures) -> list[Figure]:
    """Validation accuracy over epochs, a panel for each condition; none where no run has finished an epoch."""
    from ffnn.figures import draw_each

    histories = histories_of(folder)
    if not histories:
        return []
    figure = pictures.draw(
        "curves-each",
        partial(draw_each, histories, "val/accuracy", label_of("val/accuracy")),
        "validation accuracy over epochs, a panel for each condition",
        "Validation accuracy of each condition (thin: single seeds) before all others, grey.",
    )
    return [figure]


def curve_figures(folder: ExperimentFolder, pictures: Pictures, metric: str) -> list[Figure]:
    """A metric over epochs, a line for each condition; none where no run has recorded it."""
    histories = histories_of(folder)
    if not any(metric in record for runs in histories.values() for run in runs for record in run):
        return []
    return [curve_figure(histories, pictures, metric, "condition", BAND)]


def curve_figure(histories: Histories, pictures: Pictures, metric: str, line: str, remark: str = "") -> Figure:
    """A metric over epochs; `line` is what each line stands for."""
    from ffnn.figures import draw_curves

    label = label_of(metric)
    return pictures.draw(
        f"curves-{metric.replace('/', '-')}",
        partial(draw_curves, histories, {metric: label}, ""),
        f"{label} over epochs, a line for each {line}",
        f"{label.capitalize()}{remark}.",
    )


def inside_blocks(folder: ExperimentFolder, pictures: Pictures) -> list[Block]:
    """Gradients and updates, layer by layer, a panel for each condition."""
    from ffnn.figures import draw_layers
    from ffnn.figures.curves import layers_of

    figures = []
    for prefix, (name, caption) in INSIDE.items():
        histories = {label: runs for label, runs in histories_of(folder).items() if layers_of(runs, prefix)}
        if histories:
            metric = LAYERS[prefix]
            draw = partial(draw_layers, histories, prefix, metric.meaning, guide=metric.usual)
            alt = f"{metric.meaning} of each layer over epochs, a panel for each condition"
            figures.append(pictures.draw(name, draw, alt, caption))
    return [Heading("Gradients and updates"), *figures] if figures else []


def histories_of(folder: ExperimentFolder) -> dict[str, list[list[dict[str, Any]]]]:
    """The histories of each condition that has one."""
    histories = {name: [run.history for run in runs if run.history] for name, runs in folder.records.items()}
    return {name: runs for name, runs in histories.items() if runs}


def in_rows(figures: Sequence[Figure]) -> list[Block]:
    """Figures in pairs."""
    return [Row(figures[start : start + 2]) for start in range(0, len(figures), 2)]
