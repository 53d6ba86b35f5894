"""The chapter on an experiment: what was asked, what was found with what certainty, and what to try next.

Numbers and words come from comparison.json, which the experiment left; curves and matrices from its runs.
"""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ffnn.catalogue import USUAL_UPDATE, label_of
from ffnn.comparison.measures import CHOICE, MEASURES, Measure
from ffnn.report.advice import advice, best_condition
from ffnn.report.document import (
    Block,
    Bullets,
    Cell,
    Code,
    Details,
    Figure,
    Heading,
    Mood,
    Note,
    Paragraph,
    Row,
    Table,
    literal,
)
from ffnn.report.pictures import Pictures
from ffnn.report.run import in_rows
from ffnn.report.sources import ExperimentFolder
from ffnn.tracking import RunRecord
from ffnn.tracking.formats import class_names
from ffnn.words import count_of

if TYPE_CHECKING:
    from ffnn.figures import Interval

MOODS: Mapping[str, Mood] = {
    "confirmed": "good",
    "better": "good",
    "contradicted": "bad",
    "worse": "bad",
    "undecided": "unsure",
    "reference": "quiet",
}
FEW = 8
"""Conditions whose curves can be told apart in one figure."""

CURVES = ("train/loss", "val/loss", "train/accuracy", "val/accuracy")


def experiment_blocks(folder: ExperimentFolder, pictures: Pictures) -> list[Block]:
    """The chapter, with its figures drawn."""
    told = folder.comparison
    return [
        Heading("Expected and found"),
        Paragraph(f"**Expected:** {literal(told['expected'])}"),
        Paragraph(f"**Found:** {literal(told['found'])}."),
        Paragraph(f"**Verdict:** {literal(told['certainty'])}."),
        *(Note(literal(line), "warning") for line in told.get("caveats", [])),
        *_gaps(folder),
        Heading("Results"),
        *result_tables(folder),
        *in_rows([*comparison_figures(folder, pictures), *_cost(folder, pictures)]),
        *_learning(folder, pictures),
        *_inside(folder, pictures),
        *_confusions(folder, pictures),
        Heading("What to try next"),
        Bullets(
            advice(folder) or ["The expected finding is settled by these runs, and nothing in them asks for more."]
        ),
        *_runs(folder),
    ]


def abstract(folder: ExperimentFolder) -> str:
    """What was found, in two sentences."""
    told = folder.comparison
    return f"{literal(told['question'])} {literal(told['certainty'][:1].upper() + told['certainty'][1:])}."


def _gaps(folder: ExperimentFolder) -> list[Block]:
    if not folder.missing:
        return []
    return [Note(f"{len(folder.missing)} runs of the table are not there any more; figures lack them.", "warning")]


def _measure(folder: ExperimentFolder) -> tuple[str, Measure]:
    name = str(folder.comparison["metric"])
    return name, MEASURES[name]


def result_tables(folder: ExperimentFolder) -> list[Block]:
    """A table of the conditions and one of the claims."""
    name, measure = _measure(folder)
    told, rows = folder.comparison, folder.comparison["conditions"]
    seeds = max(row["runs"] for row in rows)
    table = Table(
        ["condition", *([] if name == CHOICE else [MEASURES[CHOICE].heading]), measure.heading, "train s",
         "difference", "p", "effect", "verdict"],
        [_row(folder, row) for row in rows],
        f"Mean ± 95 % interval over {seeds} seed{'s' * (seeds > 1)}, on one split; test figures at the epoch that was "
        f"best on validation. Difference to {literal(told['reference'])}, paired by seed; p: t test of pairs, "
        f"Holm-corrected over its table; effect: Hedges' g of pairs, from three on; equal: within ±{_margin(folder)}."
        + "".join(f" {literal(line)}" for line in told.get("notes", [])),
        sortable=True,
    )  # fmt: skip
    if not told.get("claims"):
        return [table]
    claims = Table(
        ["expected", "difference", "p", "effect", "verdict"],
        [claim_row(one) for one in told["claims"]],
        "The expected finding, claim by claim; p is Holm-corrected over the claims.",
        alignment="lrrrl",
    )
    return [table, claims]


def comparison_figures(folder: ExperimentFolder, pictures: Pictures) -> list[Figure]:
    """Means with their intervals; none where no condition has a result."""
    from ffnn.figures import draw_intervals

    _, measure = _measure(folder)
    known, reference = _intervals(folder), folder.comparison["reference"]
    if not known:
        return []
    margin = measure.scale * folder.comparison["margin"]
    figure = pictures.draw(
        "comparison",
        partial(draw_intervals, known, reference, margin, measure.heading, "", ends=_ends(measure)),
        f"{measure.heading} of each condition with its 95 % interval",
        f"Means and 95 % intervals; the grey band is {literal(reference)} ± {_margin(folder)}.",
    )
    return [figure]


def _cost(folder: ExperimentFolder, pictures: Pictures) -> list[Figure]:
    from ffnn.figures import draw_cost

    _, measure = _measure(folder)
    known, time = _intervals(folder), "time/train_seconds"
    seconds = {
        row["condition"]: _interval(row, time, 1.0)[0]
        for row in folder.comparison["conditions"]
        if row["condition"] in known and row.get(f"{time} mean", 0) > 0
    }
    if len(seconds) < 2:
        return []
    reached = {condition: known[condition] for condition in seconds}
    figure = pictures.draw(
        "time",
        partial(draw_cost, seconds, reached, measure.heading, ends=_ends(measure)),
        f"{measure.heading} against seconds of training for each condition",
        "What was reached against the time that training took; up and left is better. Times depend on what "
        "else the machine did.",
    )
    return [figure]


def _margin(folder: ExperimentFolder) -> str:
    _, measure = _measure(folder)
    return f"{measure.scale * folder.comparison['margin']:g}{f' {measure.unit}' if measure.unit else ''}"


def _ends(measure: Measure) -> tuple[float, float]:
    return (0.0, 100.0) if measure.scale == 100 else (-math.inf, math.inf)


def _intervals(folder: ExperimentFolder) -> "dict[str, Interval]":
    """Of each condition that has a result."""
    from ffnn.figures import Interval

    name, measure = _measure(folder)
    return {
        row["condition"]: Interval(*_interval(row, name, measure.scale))
        for row in folder.comparison["conditions"]
        if row.get(f"{name} mean") is not None
    }


def _row(folder: ExperimentFolder, row: Mapping[str, Any]) -> list[Cell | str]:
    name, measure = _measure(folder)
    is_reference = row["condition"] == folder.comparison["reference"]
    remarks = [f"{row[key]} {word}" for key, word in (("diverged", "diverged"), ("missing", "missing")) if row.get(key)]
    shown = f"{row['condition']} ({', '.join(remarks)})" if remarks else row["condition"]
    cells: list[Cell | str] = [Cell(shown, "strong" if is_reference else "")]
    if name != CHOICE:
        cells.append(_mean(row, CHOICE, MEASURES[CHOICE]))
    cells += [_mean(row, name, measure), _mean(row, "time/train_seconds", MEASURES["time/train_seconds"])]
    return [*cells, *_tested(row, measure, is_reference)]


def claim_row(one: Mapping[str, Any]) -> list[Cell | str]:
    """A claim, its difference, p, effect and verdict."""
    return [one["claim"], *_tested(one, MEASURES[one["measure"]])]


def _tested(row: Mapping[str, Any], measure: Measure, is_reference: bool = False) -> list[Cell | str]:
    """Difference, p, effect and verdict."""
    from ffnn.comparison.rows import format_effect, format_p
    from ffnn.comparison.statistics import Mean

    difference, p, effect = (
        float(row[key]) if row.get(key) is not None else math.nan for key in ("difference", "p (Holm)", "Hedges g")
    )
    half = row.get("difference ± 95 %")
    mean = Mean(difference, math.nan if half is None else float(half), 0 if math.isnan(difference) else 1)
    verdict = Cell(row["verdict"], MOODS.get(row["verdict"], ""))
    if is_reference:
        return [Cell(None), Cell(None), Cell(None), verdict]
    return [
        Cell(mean.format(measure.scale, measure.digits, "+"), order=difference),
        Cell(None if math.isnan(p) else format_p(p), order=p),
        Cell(None if math.isnan(effect) else format_effect(effect), order=effect),
        verdict,
    ]


def _mean(row: Mapping[str, Any], name: str, measure: Measure) -> Cell:
    from ffnn.comparison.statistics import Mean

    middle, half = _interval(row, name, 1.0)
    text = Mean(middle, half, 0 if math.isnan(middle) else 1).format(measure.scale, measure.digits)
    return Cell(text, order=middle)


def _interval(row: Mapping[str, Any], name: str, scale: float) -> tuple[float, float]:
    middle, half = row.get(f"{name} mean"), row.get(f"{name} ± 95 %")
    return (math.nan if middle is None else scale * middle, math.nan if half is None else scale * half)


def _learning(folder: ExperimentFolder, pictures: Pictures) -> list[Block]:
    if not _histories(folder):
        return [Heading("Learning"), Note("No run has finished an epoch, so there are no curves.", "warning")]
    figures = [figure for metric in CURVES for figure in curve_figures(folder, pictures, metric)]
    each = each_figures(folder, pictures) if len(folder.records) > FEW else []
    return [Heading("Learning"), *in_rows(figures), *each]


def each_figures(folder: ExperimentFolder, pictures: Pictures) -> list[Figure]:
    """Validation accuracy over epochs, a panel for each condition; none where no run has finished an epoch."""
    from ffnn.figures import draw_each

    histories = _histories(folder)
    if not histories:
        return []
    figure = pictures.draw(
        "curves-each",
        partial(draw_each, histories, "val/accuracy", "validation accuracy"),
        "validation accuracy over epochs, a panel for each condition",
        "Validation accuracy of each condition (thin: single seeds) before all others, grey.",
    )
    return [figure]


def curve_figures(folder: ExperimentFolder, pictures: Pictures, metric: str) -> list[Figure]:
    """A metric over epochs, a line for each condition; none where no run has recorded it."""
    from ffnn.figures import draw_curves

    histories, label = _histories(folder), label_of(metric)
    if not any(metric in record for runs in histories.values() for run in runs for record in run):
        return []
    figure = pictures.draw(
        f"curves-{metric.replace('/', '-')}",
        partial(draw_curves, histories, {metric: label}, ""),
        f"{label} over epochs, a line for each condition",
        f"{label.capitalize()}: mean over seeds, with a band from least to most.",
    )
    return [figure]


def _inside(folder: ExperimentFolder, pictures: Pictures) -> list[Block]:
    from ffnn.figures import draw_layers
    from ffnn.figures.curves import layers_of

    histories = _histories(folder)
    blocks: list[Block] = []
    for prefix, name, label, guide, caption in (
        ("grad_norm/", "gradients", "norm of the gradient", 0.0,
         "Norm of each layer's gradient at the end of each epoch, before clipping; from the first layer, dark, to "
         "the last, light. Lines far apart mean that gradients vanish or explode with depth."),
        ("update_ratio/", "updates", "step / weight", USUAL_UPDATE,
         "Norm of the last step relative to the norm of the weights, layer by layer. About 0.001, the dotted line, "
         "is usual; 0.1 is too much."),
    ):  # fmt: skip
        there = {name: runs for name, runs in histories.items() if layers_of(runs, prefix)}
        if there:
            blocks.append(
                pictures.draw(
                    name,
                    partial(draw_layers, there, prefix, label, guide=guide),
                    f"{label} of each layer over epochs, a panel for each condition",
                    caption,
                )
            )
    return [Heading("Gradients and updates"), *blocks] if blocks else []


def _confusions(folder: ExperimentFolder, pictures: Pictures) -> list[Block]:
    from ffnn.figures import draw_confusion, draw_confusion_difference

    matrices = {name: m for name, runs in folder.records.items() if (m := _confusion(runs)) is not None}
    best, baseline = _best_and_baseline(folder, list(matrices))
    if best is None:
        return []
    classes = _classes(folder.records[best])
    role = {best: "best on validation", **({baseline: "the baseline"} if baseline else {})}
    figures = [
        pictures.draw(
            f"confusion-{number}",
            partial(draw_confusion, matrices[name], classes, shares=True, svg=True),
            f"confusion matrix of {name} on the test images",
            f"{literal(name)}, {role[name]}: percent of each true class, "
            f"over {count_of(len(folder.records[name]), 'run')}.",
        )
        for number, name in enumerate(role)
    ]
    blocks: list[Block] = [Heading("Confusion of classes"), Row(figures)]
    if baseline and matrices[best].shape == matrices[baseline].shape:
        label = "difference, points of the true class"
        difference = pictures.draw(
            "confusion-difference",
            partial(draw_confusion_difference, matrices[best], matrices[baseline], classes, label),
            f"difference of the confusion matrices of {best} and {baseline}",
            f"{literal(best)} minus {literal(baseline)}: orange where {literal(best)} answers so more often, purple "
            "where less. On the diagonal, orange is better; beside it, purple.",
        )
        blocks.append(difference)
    return blocks


def _best_and_baseline(folder: ExperimentFolder, names: Sequence[str]) -> tuple[str | None, str | None]:
    """The best condition, and the one to hold it against: the reference, or else the first of the file."""
    best = best_condition(folder)
    if best not in names:
        return (names[0] if names else None), None
    reference = str(folder.comparison["reference"])
    others = [name for name in (reference, *names) if name != best and name in names]
    return best, others[0] if others else None


def _confusion(runs: Sequence[RunRecord]) -> NDArray[np.int64] | None:
    """The sum of the runs' confusion matrices; None where no run was tested."""
    found = [np.asarray(run.summary["test/confusion"], np.int64) for run in runs if "test/confusion" in run.summary]
    return np.sum(found, axis=0) if found and len({matrix.shape for matrix in found}) == 1 else None


def _classes(runs: Sequence[RunRecord]) -> list[str]:
    run = next(run for run in runs if "test/confusion" in run.summary)
    return class_names(run.environment.get("data", {}).get("classes", ()), len(run.summary["test/confusion"]))


def _histories(folder: ExperimentFolder) -> dict[str, list[list[dict[str, Any]]]]:
    found = {name: [run.history for run in runs if run.history] for name, runs in folder.records.items()}
    return {name: runs for name, runs in found.items() if runs}


def _runs(folder: ExperimentFolder) -> list[Block]:
    told = folder.comparison
    rows = [
        [
            condition, run.config.get("seed"), Cell(_percent(run.summary.get("test/accuracy"))),
            Cell(_percent(run.summary.get("best/val/accuracy"))), run.summary.get("best/epoch"),
            run.summary.get("time/train_seconds"), run.summary.get("status", "?"), run.path.name,
        ]
        for condition, runs in folder.records.items()
        for run in runs
    ]  # fmt: skip
    columns = ["condition", "seed", "test acc. %", "val acc. %", "best epoch", "train s", "status", "run"]
    blocks: list[Block] = [Heading("How to repeat it"), *command_of(folder)]
    if told.get("experiment"):
        from ffnn.tracking import plain

        blocks.append(
            Details(
                "The experiment's file; what the command sets wins over it", [Code(_as_yaml(plain(told["experiment"])))]
            )
        )
    table = Table(columns, rows, sortable=True, alignment="lrrrrrll")
    return [*blocks, Details(f"All {len(rows)} runs", [table])]


def command_of(folder: ExperimentFolder) -> list[Block]:
    """How to run an experiment again."""
    command = folder.comparison.get("command")
    if not command:
        return [Paragraph("The command was not recorded; an older ffnn made these runs.")]
    return [
        Paragraph("Finished runs are kept, and only missing ones are trained; `--fresh` trains all of them again."),
        Code(command),
    ]


def _percent(value: object) -> float | None:
    return round(100 * float(value), 2) if isinstance(value, int | float) else None


def _as_yaml(values: Mapping[str, Any]) -> str:
    from io import StringIO

    from ffnn.tracking import dump_yaml

    text = StringIO()
    dump_yaml({name: value for name, value in values.items() if value not in (None, {}, [])}, text)
    return text.getvalue().rstrip()
