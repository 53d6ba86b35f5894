"""The catalogue of metrics: every figure that a run records, what it means, its unit and which way is better.

Training writes these names; the check of a sweep file, comparisons, reports and the W&B workspace read them here.
"""

from dataclasses import dataclass
from typing import Literal

PARTS = {"train/": "training", "val/": "validation", "test/": "test"}
"""Parts of the data, before the names of what is measured on each; with words for them."""

MOMENTS = ("best/", "end/", "curve/")
"""Of the best epoch, of the last one, of all: before the part."""


@dataclass(frozen=True)
class Metric:
    """What is known of a figure by its name.

    `meaning` is some words for a label; `unit` that of differences, in text: "points" are shown as 100 times the
    figure. `better` is "larger", "smaller" or None. A difference within `margin` counts as none; it is None where no
    one difference would suit every run, as of a loss or a time. It is recorded `when` an epoch is over, "epoch", or
    once, after training, "end". `usual` is about what a network has that learns well; 0 where no one figure would suit
    every run.
    """

    meaning: str
    unit: str = ""
    better: Literal["larger", "smaller"] | None = None
    margin: float | None = None
    when: Literal["epoch", "end"] = "epoch"
    usual: float = 0.0


MARGIN = 0.003
"""Of two accuracies or their like: a smaller difference counts as none, where nobody says otherwise."""


def _share(meaning: str) -> Metric:
    return Metric(meaning, "points", "larger", MARGIN)


MEASURED = {"loss": Metric("loss", better="smaller"), "accuracy": _share("accuracy")}
"""On a part of the data, in every epoch and at the end."""

TESTED = {
    **MEASURED,
    "balanced_accuracy": _share("balanced accuracy"),
    "macro_precision": _share("macro precision"),
    "macro_recall": _share("macro recall"),
    "macro_f1": _share("macro F1"),
    "ece": Metric("expected calibration error", "points", "smaller"),
    "cross_entropy": Metric("cross-entropy", better="smaller"),
}
"""On the test part, of the best weights."""

LAYERS = {
    "grad_norm/": Metric("norm of the gradient"),
    "grad_mean/": Metric("mean of gradients"),
    "grad_variance/": Metric("variance of gradients"),
    "grad_max/": Metric("largest gradient"),
    "weight_norm/": Metric("norm of the weights"),
    "weight_growth/": Metric("norm of the weights / at the beginning"),
    "weight_quantiles/": Metric("quantile of the weights"),
    "update_ratio/": Metric("step / weight", usual=1e-3),
    "activation_mean/": Metric("mean of outputs"),
    "activation_std/": Metric("deviation of outputs"),
    "activation_quantiles/": Metric("quantile of outputs"),
    "dead_fraction/": Metric("fraction dead", "points", "smaller"),
    "saturated_fraction/": Metric("fraction saturated", "points", "smaller"),
}
"""Of each layer, whose name follows, in every epoch."""

OTHERS = {
    "epoch": Metric("epoch"),
    "step": Metric("step"),
    "learning_rate": Metric("learning rate"),
    "l2_penalty": Metric("L2 penalty"),
    "input_mean": Metric("mean of the inputs"),
    "input_std": Metric("deviation of the inputs"),
    "predicted_classes": Metric("classes predicted"),
    "time/train_seconds": Metric("seconds of training", "s", "smaller"),
    "time/epoch_seconds": Metric("seconds of an epoch", "s", "smaller"),
    "time/examples_per_second": Metric("images a second", better="larger"),
    "time/augment_us_per_image": Metric("microseconds of augmentation an image", better="smaller"),
    "time/augment_wait_fraction": Metric("fraction of time waited for augmentation", "points", "smaller"),
    "epochs": Metric("epochs", when="end"),
    "steps": Metric("steps", when="end"),
    "diverged_step": Metric("step of divergence", when="end"),
    "parameters": Metric("parameters", when="end"),
    "stack": Metric("runs trained together", when="end"),
    "time/epochs_seconds": Metric("seconds of all epochs", "s", "smaller", when="end"),
    "time/compile_seconds": Metric("seconds of compiling", "s", "smaller", when="end"),
    "time/total_seconds": Metric("seconds", "s", "smaller", when="end"),
}
"""Of the run as a whole."""


def find_metric(name: str) -> Metric | None:
    """What the catalogue says of a figure, by its exact name; None where it has no such name.

    Examples
    --------
    >>> find_metric("best/val/accuracy").better, find_metric("saturated_fraction/tanh1").better
    ('larger', 'smaller')
    >>> find_metric("my_accuracy") is None
    True
    """
    moment = next((moment for moment in MOMENTS if name.startswith(moment)), "")
    plain = name.removeprefix(moment)
    part = next((part for part in PARTS if plain.startswith(part)), "")
    figure = plain.removeprefix(part)
    if part == "test/":
        known = TESTED.get(figure)
        return known and Metric(known.meaning, known.unit, known.better, known.margin, "end")
    if part and figure in MEASURED:
        return MEASURED[figure]
    prefix, stroke, layer = figure.partition("/")
    return OTHERS.get(figure) or (LAYERS.get(prefix + stroke) if layer else None)


def is_share(name: str) -> bool:
    """Whether a figure is a fraction that is shown in percent."""
    metric = find_metric(name)
    return metric is not None and metric.unit == "points"


def names(when: Literal["epoch", "end"]) -> list[str]:
    """All names of figures recorded at this time, the usual ones first; those of layers are left out.

    Examples
    --------
    >>> names("epoch")[:3], "test/macro_f1" in names("end")
    (['best/val/accuracy', 'best/val/loss', 'best/train/accuracy'], True)
    """
    if when == "end":
        listed = [f"test/{name}" for name in TESTED]
    else:
        monitored = [f"{part}/{name}" for part in ("val", "train") for name in ("accuracy", "loss")]
        listed = [*(f"best/{name}" for name in monitored), *monitored, "train/l2_penalty"]
    return [*listed, *(name for name, metric in OTHERS.items() if metric.when == when and name != "l2_penalty")]


def label_of(name: str) -> str:
    """Words for a figure on an axis or in a table.

    Examples
    --------
    >>> label_of("val/loss"), label_of("test/macro_f1"), label_of("grad_norm/linear1"), label_of("mine")
    ('validation loss', 'test macro F1', 'norm of the gradient', 'mine')
    """
    metric = find_metric(name)
    if metric is None:
        return name
    plain = name
    for moment in MOMENTS:
        plain = plain.removeprefix(moment)
    return f"{next((word + ' ' for part, word in PARTS.items() if plain.startswith(part)), '')}{metric.meaning}"


def is_time(name: str) -> bool:
    """Whether a figure depends on what else the machine does."""
    return name.startswith("time/") or name == "log10/train_seconds"
