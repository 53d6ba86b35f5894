"""The chapter on an experiment: what was asked, what was found with what certainty, and what to try next.

Numbers and words come from comparison.json, which the experiment left; curves and matrices from its runs.
"""

from collections.abc import Mapping
from typing import Any

from ffnn.report.advice import advice
from ffnn.report.confusions import confusion_blocks
from ffnn.report.curves import in_rows, inside_blocks, learning_blocks
from ffnn.report.document import Block, Bullets, Cell, Code, Details, Heading, Note, Paragraph, Table
from ffnn.report.markup import literal
from ffnn.report.pictures import Pictures
from ffnn.report.results import comparison_figures, cost_figures, finding, result_tables
from ffnn.report.sources import ExperimentFolder


def experiment_blocks(folder: ExperimentFolder, pictures: Pictures) -> list[Block]:
    """The chapter, with its figures drawn."""
    comparison = folder.comparison
    return [
        Heading("Expected and found"),
        Paragraph(f"**Expected:** {literal(comparison['expected'])}"),
        *finding(comparison),
        *(Note(literal(line), "warning") for line in comparison.get("caveats", [])),
        *_gaps(folder),
        Heading("Results"),
        *result_tables(folder),
        *in_rows([*comparison_figures(folder, pictures), *cost_figures(folder, pictures)]),
        *learning_blocks(folder, pictures),
        *inside_blocks(folder, pictures),
        *confusion_blocks(folder, pictures),
        Heading("What to try next"),
        Bullets(
            advice(folder) or ["The expected finding is settled by these runs, and nothing in them asks for more."]
        ),
        *_runs(folder),
    ]


def abstract(folder: ExperimentFolder) -> str:
    """What was found, in two sentences."""
    question, certainty = folder.comparison["question"], folder.comparison["certainty"]
    return f"{literal(question)} {literal(certainty[:1].upper() + certainty[1:])}."


def _gaps(folder: ExperimentFolder) -> list[Block]:
    if not folder.missing:
        return []
    return [Note(f"{len(folder.missing)} runs of the table are not there any more; figures lack them.", "warning")]


def _runs(folder: ExperimentFolder) -> list[Block]:
    comparison = folder.comparison
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
    if comparison.get("experiment"):
        from ffnn.tracking import plain

        file = Code(_as_yaml(plain(comparison["experiment"])))
        blocks.append(Details("The experiment's file; what the command sets wins over it", [file]))
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
