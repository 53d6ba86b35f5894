"""The chapter on a sweep: what was best, what mattered, and every trial in a table that sorts.

Everything comes from the sweep's own files, trials.csv and sweep.json.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ffnn.catalogue import find_metric
from ffnn.report.document import Block, Cell, Code, Heading, Note, Paragraph, Row, Table
from ffnn.report.markup import literal
from ffnn.report.pictures import Pictures
from ffnn.report.sources import SweepFolder
from ffnn.words import count_of

OWN = ("trial", "status", "seconds", "run")
"""Columns of trials.csv that are neither the metric nor a parameter."""

DECADES = 2.0
"""A parameter above 0 that spans so many is drawn on a logarithmic scale where the sweep does not say."""

COUNTED = ("finished", "diverged", "stopped by hyperband")


def sweep_blocks(folder: SweepFolder, pictures: Pictures) -> list[Block]:
    """The chapter, with its figures drawn."""
    metric = metric_of(folder)
    trials = [row for row in folder.trials if row["status"] in COUNTED and _number(row[metric]) is not None]
    blocks: list[Block] = [Heading("Result")]
    if not trials:
        return [*blocks, Note("No trial has a result yet.", "warning"), *_trials(folder, metric)]
    best = (max if _maximized(folder) else min)(trials, key=lambda row: float(row[metric]))
    blocks.append(
        Paragraph(
            f"Of {count_of(len(folder.trials), 'trial')} ({literal(_in_numbers(folder.trials))}), "
            f"{literal(best['trial'])} is best: {literal(metric)} **{_number(best[metric]):.4f}**."
        )
    )
    file = folder.path / "sweep" / "best.yaml"
    if file.is_file():
        blocks += [Paragraph("Train it:"), Code(f"ffnn train --config {file}")]
    settings: list[list[Cell | str]] = [[name, _shown(best[name])] for name in parameters(folder)]
    blocks.append(Table(["parameter", "best trial"], settings, alignment="ll"))
    blocks += [Note(f"{literal(sentence)}.") for sentence in folder.about.get("edges", [])]
    return [*blocks, *_figures(folder, trials, metric, pictures), *_trials(folder, metric), *_repeat(folder)]


def sweep_abstract(folder: SweepFolder) -> str:
    """How many trials there were, of what."""
    about = folder.about.get("description")
    searched = ", ".join(literal(name) for name in parameters(folder))
    method = f" ({literal(about)})" if about else ""
    trials = count_of(len(folder.trials), "trial")
    return f"{trials}{method} over {searched or 'nothing'}, judged by {literal(metric_of(folder))}."


def metric_of(folder: SweepFolder) -> str:
    """What the sweep improves: what it says, or the third column, where trials.csv has it."""
    return str(folder.about.get("metric") or list(folder.trials[0])[2])


def parameters(folder: SweepFolder) -> list[str]:
    """The searched parameters."""
    return [name for name in folder.trials[0] if name not in (*OWN, metric_of(folder))]


def _maximized(folder: SweepFolder) -> bool:
    if "maximize" in folder.about:
        return bool(folder.about["maximize"])
    metric = find_metric(metric_of(folder))
    return metric is None or metric.better != "smaller"


def _figures(folder: SweepFolder, trials: Sequence[Mapping[str, str]], metric: str, pictures: Pictures) -> list[Block]:
    from ffnn.figures.sweeps import draw_best_so_far, draw_importances, draw_parallel, draw_slices

    values = [float(row[metric]) for row in trials]
    names = [name for name in parameters(folder) if len({row[name] for row in trials}) > 1]
    rows = [{name: _value(row[name]) for name in names} for row in trials]
    axes = {name: _logarithmic(folder, name, [row[name] for row in rows]) for name in names}
    weights = {name: float(weight) for name, weight in folder.about.get("importances", {}).items()}
    first = [
        pictures.draw(
            "best-so-far",
            partial(draw_best_so_far, values, _maximized(folder), metric),
            f"{metric} of each trial and the best so far",
            "Each trial in the order they were begun, and the best up to there.",
        )
    ]
    doubt = f"; {literal(folder.about['caveat'])}" if folder.about.get("caveat") else ""
    if weights:
        first.append(
            pictures.draw(
                "importances",
                partial(draw_importances, weights, metric),
                "importance of each parameter",
                f"The part of the variance that each parameter explains (functional analysis of variance){doubt}.",
            )
        )
    blocks: list[Block] = [Heading("Course and importances"), Row(first)]
    if not weights:
        blocks.append(
            Note("Left out: importances, which this sweep did not leave (fewer than 4 trials, or all equal).")
        )
    if len(values) > 1 and names:
        parallel = pictures.draw(
            "parallel",
            partial(draw_parallel, rows, values, axes, _maximized(folder), metric),
            "parallel coordinates of all trials",
            f"A line a trial through its parameters to its {literal(metric)}; the lighter, the higher. The best one is "
            "thick.",
        )
        slices = pictures.draw(
            "slices",
            partial(draw_slices, rows, values, axes, metric),
            f"{metric} over each parameter",
            f"{literal(metric)} over each parameter.",
        )
        blocks += [Heading("Parameters"), parallel, slices]
    return blocks


def _trials(folder: SweepFolder, metric: str) -> list[Block]:
    names = parameters(folder)
    rows: list[list[Any]] = [
        [
            row["trial"],
            _shown(row.get(metric, "")),
            row["status"],
            _shown(row.get("seconds", "")),
            *(_shown(row[name]) for name in names),
        ]
        for row in folder.trials
    ]
    sign = -1 if _maximized(folder) else 1
    rows.sort(key=lambda row: (row[1].value is None, sign * (row[1].order or 0.0)))
    columns = ["trial", metric, "status", "seconds", *names]
    return [
        Heading("Trials"),
        Table(columns, rows, "A click on a column's head sorts the page's table.", sortable=True),
    ]


def _repeat(folder: SweepFolder) -> list[Block]:
    command = folder.about.get("command")
    return [Heading("How to repeat it"), Code(command)] if command else []


def _in_numbers(trials: Sequence[Mapping[str, str]]) -> str:
    counts = Counter(row["status"] for row in trials)
    return ", ".join(f"{count} {status}" for status, count in counts.items())


def _logarithmic(folder: SweepFolder, name: str, values: Sequence[Any]) -> bool:
    if "logarithmic" in folder.about:
        return bool(folder.about["logarithmic"].get(name, False))
    numbers = [value for value in values if isinstance(value, int | float)]
    spread = len(numbers) == len(values) > 8 and min(numbers) > 0
    return spread and math.log10(max(numbers) / min(numbers)) > DECADES


def _shown(text: str) -> Cell:
    number = _number(text)
    if number is None:
        return Cell(text or None)
    return Cell(f"{number:.4g}", order=number)


def _value(text: str) -> Any:
    number = _number(text)
    if number is None:
        return text
    return int(number) if number.is_integer() and "." not in text else number


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
