"""Davies's page: the master table, its consistency, and time and accuracy over learning rate and batch size.

The grid's conditions are named FRAMEWORK-RATE-BATCH; here they are taken apart again from the runs' configs.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from ffnn.csv_file import write_csv, write_records
from ffnn.figures import draw_curves
from ffnn.figures.grids import draw_against_setting, draw_heatmaps, draw_speed_against_accuracy
from ffnn.report.document import Block, Bullets, Figure, Heading, Row
from ffnn.report.markup import literal
from ffnn.studies.finished import Finished
from ffnn.studies.page import note_on_time
from ffnn.tracking import RunRecord

ACCURACY, SECONDS = "test/accuracy", "time/train_seconds"
CURVES_AT = 0.1
"""The learning rate at which loss curves are averaged: the one that learns fastest."""


def sections(finished: Finished) -> Sequence[Block]:
    """What the page shows beyond the common part."""
    runs = [run for some in finished.records.values() for run in some]
    write_master_table(runs, finished.folder / "tf_vs_np.csv")
    write_histories(runs, finished.folder / "histories")
    return [
        Heading("Are all runs there, and alike?"),
        Bullets([literal(line) for line in check_consistency(finished)]),
        Heading("Speed and accuracy"),
        note_on_time(),
        Row([_scatter(finished, runs)]),
        Row([_against(finished, runs, "batch_size", "batch size", "learning_rate")]),
        Row([_against(finished, runs, "learning_rate", "learning rate", "batch_size")]),
        Heading("Accuracy and seconds, cell by cell"),
        Row([_heatmaps(finished, runs, ACCURACY, 100, "test accuracy %", "accuracy")]),
        Row([_heatmaps(finished, runs, SECONDS, 1, "seconds of training", "seconds")]),
        Heading("Loss curves"),
        Row([_curves(finished, runs, batch) for batch in (32, 512)]),
    ]


def write_master_table(runs: Sequence[RunRecord], path: Path) -> None:
    """`tf_vs_np.csv`: a row a run, with model, learning rate, batch, trial, time and accuracy."""
    settings = ("framework", "learning_rate", "batch_size", "seed")
    write_csv(
        path,
        ["model", "learning_rate", "batch_size", "trial", "time_seconds", "accuracy"],
        (
            [*(run.config[name] for name in settings), run.summary[SECONDS], run.summary.get(ACCURACY, "")]
            for run in runs
        ),
    )


def write_histories(runs: Sequence[RunRecord], folder: Path) -> None:
    """One CSV a run: epoch, losses and accuracies."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ["epoch", "train/loss", "train/accuracy", "val/loss", "val/accuracy", SECONDS]
    for run in runs:
        config = run.config
        label = f"{config['framework']}-{config['learning_rate']:g}-{config['batch_size']}-{config['seed']}"
        write_records(folder / f"{label}.csv", names, run.history)


def check_consistency(finished: Finished) -> list[str]:
    """What is missing or unequal among the runs, in words; or that nothing is."""
    seeds = finished.comparison.seeds
    short = {name: len(runs) for name, runs in finished.records.items() if len(runs) < seeds}
    faults = [f"missing: {name} has {count} of {seeds} runs" for name, count in short.items()]
    epochs = Counter(len(run.history) for runs in finished.records.values() for run in runs)
    if len(epochs) > 1:
        faults.append(f"unequal epochs: {', '.join(f'{count} runs of {number}' for number, count in epochs.items())}")
    total = sum(map(len, finished.records.values()))
    return faults or [f"all {total} runs are there, each of {next(iter(epochs))} epochs"]


def _mean_over(runs: Sequence[RunRecord], *settings: str, of: str) -> dict[tuple[object, ...], float]:
    values = defaultdict(list)
    for run in runs:
        values[tuple(run.config[name] for name in settings)].append(float(run.summary.get(of, np.nan)))
    return {place: float(np.mean(figures)) for place, figures in values.items()}


def _values(runs: Sequence[RunRecord], setting: str) -> list[float]:
    return sorted({run.config[setting] for run in runs})


def _frameworks(runs: Sequence[RunRecord]) -> list[str]:
    return list(dict.fromkeys(run.config["framework"] for run in runs))


def _scatter(finished: Finished, runs: Sequence[RunRecord]) -> Figure:
    groups = {
        name: [
            (r.summary[SECONDS], 100 * r.summary.get(ACCURACY, np.nan)) for r in runs if r.config["framework"] == name
        ]
        for name in _frameworks(runs)
    }
    labels = ("seconds of training", "test accuracy %")
    return finished.pictures.draw(
        "speed-accuracy",
        partial(draw_speed_against_accuracy, groups, labels),
        "Test accuracy against seconds, a point a run",
    )


def _against(finished: Finished, runs: Sequence[RunRecord], setting: str, label: str, other: str) -> Figure:
    places = _values(runs, setting)
    means = {of: _mean_over(runs, "framework", setting, of=of) for of in (ACCURACY, SECONDS)}
    panels = {
        shown: {name: [scale * means[of][name, place] for place in places] for name in _frameworks(runs)}
        for of, scale, shown in ((ACCURACY, 100.0, "test accuracy %"), (SECONDS, 1.0, "seconds of training"))
    }
    return finished.pictures.draw(
        f"against-{setting}",
        partial(draw_against_setting, panels, places, label),
        f"Accuracy and time against {label}",
        f"Mean over every {other.replace('_', ' ')} and trial.",
    )


def _heatmaps(finished: Finished, runs: Sequence[RunRecord], of: str, scale: float, title: str, name: str) -> Figure:
    rates, batches = _values(runs, "learning_rate"), _values(runs, "batch_size")
    means = _mean_over(runs, "framework", "learning_rate", "batch_size", of=of)
    tables = {
        framework: np.array([[scale * means[framework, rate, batch] for batch in batches] for rate in rates])
        for framework in _frameworks(runs)
    }
    rows, columns = [f"{rate:g}" for rate in rates], [f"{batch:g}" for batch in batches]
    return finished.pictures.draw(
        f"heatmaps-{name}",
        partial(draw_heatmaps, tables, rows, columns, ("learning rate", "batch size"), title),
        f"{title} over learning rate and batch size, a heatmap a framework",
    )


def _curves(finished: Finished, runs: Sequence[RunRecord], batch: int) -> Figure:
    histories = {
        name: [
            run.history
            for run in runs
            if run.config["framework"] == name
            and run.config["batch_size"] == batch
            and run.config["learning_rate"] == CURVES_AT
        ]
        for name in _frameworks(runs)
    }
    title = f"batch {batch}, learning rate {CURVES_AT:g}"
    return finished.pictures.draw(
        f"loss-{batch}",
        partial(draw_curves, histories, {"train/loss": "training loss"}, title),
        f"Training loss by epoch at batch {batch}",
        "Mean over trials, with a band from least to most.",
    )
