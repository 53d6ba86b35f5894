"""The chapter on one run: how it learnt, what went on inside, what it answers, and how to repeat it.

Curves and tables come from the run directory alone; what needs the network's answers is in `ffnn.report.answers`.
"""

import json
import shlex
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from ffnn.catalogue import LAYERS, is_share, label_of
from ffnn.data.splits import missing_classes
from ffnn.lab.config import Config, name_of
from ffnn.report.answers import answer_blocks
from ffnn.report.curves import in_rows
from ffnn.report.document import Block, Cell, Code, Details, Heading, Note, Paragraph, Table, percent
from ffnn.report.markup import literal
from ffnn.report.pictures import Pictures
from ffnn.tracking import RunRecord
from ffnn.tracking.formats import class_names

METRICS = ("test/accuracy", "test/balanced_accuracy", "test/macro_f1", "test/ece", "test/loss", "test/cross_entropy")


INSIDE = {
    "grad_norm/": ("gradients", True, "Norm of each layer's gradient at the end of each epoch, before clipping."),
    "grad_variance/": ("gradient-spread", True, "Variance of the entries of each layer's gradient."),
    "update_ratio/": (
        "updates", True, "Norm of the last step relative to the weights; about 0.001, dotted, is usual.",
    ),
    "weight_norm/": ("weights", False, "Norm of each layer's weights."),
    "activation_std/": (
        "activation-spread", False, "Standard deviation of each hidden layer's outputs on a fixed batch.",
    ),
    "dead_fraction/": ("dead", False, "Fraction of hidden units that answer every image of a fixed batch alike."),
}  # fmt: skip
"""By the prefix of a figure of each layer: its picture's name, whether it is drawn logarithmically, the caption."""


def run_blocks(run: RunRecord, pictures: Pictures) -> list[Block]:
    """The chapter, with its figures drawn."""
    return [
        *_outcome(run),
        *doctor_blocks(run),
        *_learning(run, pictures),
        *_inside(run, pictures),
        *_confusion(run, pictures),
        *answer_blocks(run, pictures),
        *_repeat(run),
    ]


def title_of(run: RunRecord) -> str:
    """The run's name."""
    return run.path.resolve().name


def run_abstract(run: RunRecord) -> str:
    """What was trained on what, and what came out, in two sentences."""
    config, summary = run.config, run.summary
    sizes = "-".join(map(str, config.get("hidden_layers") or [])) or "no"
    outcome = (
        f"A network with {sizes} hidden units, on {literal(name_of(config.get('dataset', '?')))}, trained with "
        f"{literal(name_of(config.get('optimizer', '?')))} at a learning rate of {config.get('learning_rate', '?')}: "
        f"{literal(summary.get('status', 'under way'))} after {summary.get('epochs', len(run.history))} epochs."
    )
    if "test/accuracy" not in summary:
        return outcome
    return (
        f"{outcome} At its best epoch, {summary.get('best/epoch')}, it classifies "
        f"**{100 * summary['test/accuracy']:.2f} %** of the test images correctly."
    )


def _outcome(run: RunRecord) -> list[Block]:
    summary = run.summary
    blocks: list[Block] = [Heading("Outcome")]
    if summary.get("reason"):
        blocks.append(Note(literal(f"{summary.get('status')}: {summary['reason']}"), "warning"))
    forms = {
        **{name: (f"{label_of(name)}, %", "%") if is_share(name) else (label_of(name), ".4f") for name in METRICS},
        "best/epoch": ("best epoch", ""),
        "time/train_seconds": (_seconds_in_words(summary), ".3g"),
        "parameters": (label_of("parameters"), ","),
    }
    rows: list[list[str | Cell]] = [
        [label, _formed(summary[name], form)] for name, (label, form) in forms.items() if name in summary
    ]
    if "test/accuracy" not in summary:
        blocks.append(Note("The run has not been tested: it has no epoch to take weights from, or it is not over."))
    return [*blocks, Table(["what", "value"], rows, alignment="lr")] if rows else blocks


def _formed(value: Any, form: str) -> Cell:
    if form == "%":
        return percent(value)
    return Cell(format(value, form), order=value) if form else Cell(value)


def doctor_blocks(run: RunRecord) -> list[Block]:
    """What is wrong with the run, with evidence and remedy; no block where nothing is found."""
    from ffnn.diagnosis import Course, diagnose

    blocks: list[Block] = []
    for finding in diagnose(Course.of(run)):
        follows = f" Probably follows from it: {literal('; '.join(finding.consequences))}." * bool(finding.consequences)
        # Remedies are the doctor's own words, whose backticks are meant; evidence has names out of the run's files.
        text = f"**{literal(finding.headline)}.** {literal(finding.evidence)} Try: {finding.remedy}{follows}"
        blocks.append(Note(text, "warning"))
    return [Heading("What the doctor says"), *blocks] if blocks else []


def _learning(run: RunRecord, pictures: Pictures) -> list[Block]:
    from ffnn.figures import draw_lines, draw_parts

    if not run.history:
        return [Heading("Learning"), Note("No epoch has ended, so there are no curves.", "warning")]
    best = run.summary.get("best/epoch")
    figures = [
        pictures.draw(name, partial(draw_parts, run.history, name, name, best=best), f"{name} over epochs", caption)
        for name, caption in (
            ("loss", "Loss on the training part (while its weights changed) and on validation."),
            ("accuracy", "Fraction right on the training part (while its weights changed) and on validation."),
        )
    ]
    if any("learning_rate" in record for record in run.history):
        label = label_of("learning_rate")
        draw = partial(draw_lines, run.history, {"learning_rate": label}, label, logarithmic=True)
        caption = "Learning rate at the end of each epoch."
        figures.append(pictures.draw("learning-rate", draw, f"{label} over epochs", caption))
    return [Heading("Learning"), *in_rows(figures)]


def _inside(run: RunRecord, pictures: Pictures) -> list[Block]:
    from ffnn.figures import draw_fans, draw_lines
    from ffnn.figures.curves import layers_of

    figures = []
    for prefix, (name, logarithmic, caption) in INSIDE.items():
        lines = {prefix + layer: layer for layer in layers_of([run.history], prefix)}
        if lines:
            label, guide = LAYERS[prefix].meaning, LAYERS[prefix].usual
            draw = partial(draw_lines, run.history, lines, label, logarithmic=logarithmic, guide=guide)
            figures.append(pictures.draw(name, draw, f"{label} of each layer over epochs", caption))
    if not figures:
        return []
    blocks: list[Block] = [Heading("Inside the network"), *in_rows(figures)]
    missing = []
    for name, prefix, what in (
        ("weight-quantiles", "weight_quantiles/", "weights"),
        ("activation-quantiles", "activation_quantiles/", "outputs of hidden units"),
    ):
        if layers_of([run.history], prefix):
            caption = f"How the {what} of each layer are distributed: median, middle 50 % and middle 90 %."
            draw = partial(draw_fans, run.history, prefix, what)
            blocks.append(pictures.draw(name, draw, f"quantiles of {what} over epochs", caption))
        else:
            missing.append(what)
    if missing:
        text = f"Left out: the distribution of {' and of '.join(missing)} over time, which is not recorded."
        blocks.append(Note(text))
    return blocks


def _confusion(run: RunRecord, pictures: Pictures) -> list[Block]:
    from ffnn.figures import draw_confusion

    summary = run.summary
    if "test/confusion" not in summary:
        return []
    classes = class_names(run.environment.get("data", {}).get("classes", ()), len(summary["test/confusion"]))
    matrix = np.asarray(summary["test/confusion"], np.int64)
    draw = partial(draw_confusion, matrix, classes)
    caption = "Test images by true and predicted class."
    picture = pictures.draw("confusion", draw, "confusion matrix on the test images", caption)
    blocks: list[Block] = [Heading("Classes"), picture]
    if summary.get("test/per_class"):
        columns = ["class", "precision %", "recall %", "F1 %", "test images"]
        counted = [entry for entry in summary["test/per_class"] if "support" in entry]
        names = [str(entry.get("class", "?")) for entry in counted]
        missing = missing_classes(names, [entry["support"] for entry in counted], "test")
        caption = "A class that is never predicted has precision 0."
        if missing:
            caption += f" {literal(missing[0].upper() + missing[1:])}."
        blocks.append(Table(columns, class_rows(summary), caption, sortable=True))
    return blocks


def class_rows(summary: Mapping[str, Any]) -> list[list[Any]]:
    """A row of a table for each class: its name, precision, recall, F1 and test images."""
    return [
        [
            str(entry.get("class", "?")),
            *(percent(entry.get(key), 1) for key in ("precision", "recall", "f1")),
            entry.get("support"),
        ]
        for entry in summary.get("test/per_class", [])
    ]


def _repeat(run: RunRecord) -> list[Block]:
    command = shlex.join(["ffnn", "train", "--config", str(run.path / "config.yaml")])
    environment = {name: value for name, value in run.environment.items() if name not in ("data",)}
    blocks: list[Block] = [
        Heading("How to repeat it"),
        Paragraph("The same settings give the same numbers, to the bit, on the same machine with the same versions."),
        Code(command),
        Details("Settings that are not the default", [_settings(run.config)]),
    ]
    if run.environment:
        blocks.append(Details("Environment", [_table_of(flat(environment), "what", "value")]))
    if run.environment.get("data"):
        blocks.append(Details("Data", [_table_of(flat(run.environment["data"]), "what", "value")]))
    return blocks


def _settings(config: Mapping[str, Any]) -> Block:
    changed = {
        name: value
        for name, value in config.items()
        if name not in Config.model_fields or value != Config.model_fields[name].get_default(call_default_factory=True)
    }
    return _table_of(flat(changed), "setting", "value") if changed else Paragraph("None: all are the default.")


def _table_of(values: Mapping[str, Any], name: str, value: str) -> Table:
    return Table([name, value], [[key, str(entry)] for key, entry in values.items()])


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested names as one name with dots; lists as JSON.

    Examples
    --------
    >>> flat({"cpu": {"cores": 2}, "layers": [8, 4]})
    {'cpu.cores': 2, 'layers': '[8, 4]'}
    """
    entries: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            entries |= flat(value, f"{prefix}{name}.")
        else:
            entries[f"{prefix}{name}"] = json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value
    return entries


def _seconds_in_words(summary: Mapping[str, Any]) -> str:
    size = int(summary.get("stack", 1))
    return "seconds of training" if size == 1 else f"seconds of training, of {size} networks together"
