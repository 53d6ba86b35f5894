"""The chapter on runs that somebody put together: what they have in common, how they differ, and how they compare."""

from collections.abc import Sequence
from typing import Any

from ffnn.lab.config import BOOKKEEPING
from ffnn.report.curves import NO_CURVES, curve_figure, in_rows
from ffnn.report.document import Block, Cell, Heading, Note, Paragraph, Table, percent
from ffnn.report.markup import code
from ffnn.report.pictures import Pictures
from ffnn.report.run import flat
from ffnn.report.sources import Runs
from ffnn.tracking import RunRecord

MOST_CURVES = 24
"""Runs whose lines can be told apart in colour or dashes."""


def several_blocks(runs: Runs, pictures: Pictures) -> list[Block]:
    """The chapter, with its figures drawn."""
    names = differing(runs.records)
    rows = [_row(run, names) for run in runs.records]
    columns = ["run", "test acc. %", "val acc. %", "best epoch", "train s", "status", *names]
    how = f"They differ in {', '.join(map(code, names))}." if names else "All their settings are the same."
    return [
        Heading("Runs"),
        Paragraph(how),
        Table(columns, rows, "A click on a column's head sorts the page's table.", sortable=True),
        *_curves(runs.records, pictures),
    ]


def differing(records: Sequence[RunRecord]) -> list[str]:
    """Settings in which the runs differ, apart from those that only say where they go."""
    settings = [_settings(run) for run in records]
    names = dict.fromkeys(name for values in settings for name in values)
    return [name for name in names if len({str(values.get(name)) for values in settings}) > 1]


def _settings(run: RunRecord) -> dict[str, Any]:
    return flat({name: value for name, value in run.config.items() if name not in BOOKKEEPING})


def _row(run: RunRecord, names: Sequence[str]) -> list[Any]:
    summary, settings = run.summary, _settings(run)
    return [
        run.path.resolve().name,
        *(percent(summary.get(name)) for name in ("test/accuracy", "best/val/accuracy")),
        summary.get("best/epoch"),
        summary.get("time/train_seconds"),
        summary.get("status", "?"),
        *(_cell(settings.get(name)) for name in names),
    ]


def _cell(value: Any) -> Cell:
    return Cell(value if isinstance(value, str | int | float) and not isinstance(value, bool) else str(value))


def _curves(records: Sequence[RunRecord], pictures: Pictures) -> list[Block]:
    histories = {run.path.resolve().name: [run.history] for run in records if run.history}
    if not histories:
        return [NO_CURVES]
    blocks: list[Block] = [Heading("Learning")]
    if len(histories) > MOST_CURVES:
        blocks.append(Note(f"Curves of the first {MOST_CURVES} runs; more lines could not be told apart."))
        histories = dict(list(histories.items())[:MOST_CURVES])
    figures = [curve_figure(histories, pictures, metric, "run") for metric in ("val/loss", "val/accuracy")]
    return [*blocks, *in_rows(figures)]
