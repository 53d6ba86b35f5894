"""Plain values turned into the tables, images, charts and artifacts of Weights & Biases.

Each function is handed the client's module, because one other file alone imports it.
"""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffnn.tracking.plain import finite
from ffnn.tracking.tracker import DatasetReference, EvaluationReport
from ffnn.words import visible

BINS = 64
LARGEST = 1e300  # beyond it the width of a histogram's range would overflow
MAX_CHART_ROWS = 10_000  # a W&B table's limit


def histogram(values: NDArray[Any], bins: int = BINS) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
    """Counts and edges over the finite values; None where there are none.

    The range is that of the values, widened where it is too narrow to be divided (all values equal).

    Examples
    --------
    >>> counts, edges = histogram(np.array([0.0, 1.0, 1.0, np.nan]), bins=2)
    >>> counts, edges
    (array([1, 2]), array([0. , 0.5, 1. ]))
    """
    flat = np.asarray(values, np.float64).reshape(-1)
    flat = flat[np.abs(flat) <= LARGEST]  # false for NaN
    if not flat.size:
        return None
    low, high = float(flat.min()), float(flat.max())
    narrowest = max(8 * bins * np.spacing(max(abs(low), abs(high))), 1e-300)
    if high - low < narrowest:
        low, high = low - narrowest, high + narrowest
    return np.histogram(flat, bins=bins, range=(low, high))


def histograms(wandb: Any, prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """`wandb.Histogram` of each array, under `prefix/name`; arrays without a finite value are left out."""
    counts = {f"{prefix}/{name}": histogram(array) for name, array in arrays.items()}
    return {name: wandb.Histogram(np_histogram=result) for name, result in counts.items() if result}


def confusion_and_tables(wandb: Any, report: EvaluationReport) -> dict[str, Any]:
    """The confusion matrix as a chart, which W&B draws, the per-class table and the wrong images, by name."""
    names, part = [visible(name) for name in report.class_names], report.part
    payload = {f"{part}/confusion_matrix": confusion_chart(wandb, report.confusion, names)}
    if report.per_class:
        rows = [finite(row) for row in report.per_class]
        columns = list(report.per_class[0])
        payload[f"{part}/per_class"] = wandb.Table(
            columns, [[_cell(row.get(name)) for name in columns] for row in rows]
        )
    if report.wrong:
        columns = ["index", "image", "label", "predicted", "confidence"]
        cells = [
            [w.index, wandb.Image(w.image), names[w.label], names[w.predicted], finite(w.confidence)]
            for w in report.wrong
        ]
        payload[f"{part}/wrong_images"] = wandb.Table(columns, cells)
    return payload


def _cell(value: Any) -> Any:
    return visible(value) if isinstance(value, str) else value


def confusion_chart(wandb: Any, confusion: NDArray[np.int64], names: list[str]) -> Any:
    """The chart of `wandb.plot.confusion_matrix`, from counts.

    That function takes one label and one prediction for every example and counts them in Python.
    """
    counts = {(i, j): int(confusion[i, j]) for i in range(len(names)) for j in range(len(names))}
    if len(counts) > MAX_CHART_ROWS:
        counts = {cell: count for cell, count in counts.items() if count}
    columns = ["Actual", "Predicted", "nPredictions"]
    table = wandb.Table(columns, [[names[i], names[j], count] for (i, j), count in counts.items()])
    fields = {column: column for column in columns}
    return wandb.plot_table("wandb/confusion_matrix/v1", table, fields, {"title": "Confusion matrix"})


def model_artifacts(
    wandb: Any, name: str, checkpoints: Path, metadata: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, Any]]:
    """An alias and an artifact, one version of the model each, for those of `best` and `last` that exist.

    The files `best.npz` and `last.npz` are referred to where they are, not copied, by their full paths: they may be
    sent from another working directory. `metadata` has score and epoch of each.
    """
    for alias in ("best", "last"):
        path = checkpoints / f"{alias}.npz"
        if path.is_file():
            artifact = wandb.Artifact(name, "model", metadata=finite(metadata.get(alias, {})))
            artifact.add_file(str(path.resolve()), name="model.npz", policy="immutable")
            yield alias, artifact


def dataset_artifact(wandb: Any, dataset: DatasetReference, folder: Path) -> Any:
    """An artifact that stands for a data set: a card with its name, digest and counts, and no data.

    The same data give the same card, so W&B keeps one version however many runs use it. It is written into `folder`.
    """
    card = folder / "dataset.json"
    facts = {"name": dataset.name, "digest": dataset.digest, "counts": finite(dataset.counts)}
    card.write_text(json.dumps(facts, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    artifact = wandb.Artifact("data-" + re.sub(r"[^A-Za-z0-9_.-]+", "-", dataset.name), "dataset", metadata=facts)
    artifact.add_file(str(card.resolve()), name="dataset.json", policy="immutable")
    return artifact


def code_artifact(artifact: Any, code: Mapping[str, Path], folder: Path) -> Any:
    """The artifact filled with the files of the code by their names.

    It refers to copies in `folder`, as the files may be changed before they are sent; the client's own `log_code`
    copies them through temporary files, which takes longer.
    """
    for name, path in code.items():
        copy = folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        artifact.add_file(str(copy.resolve()), name=name, policy="immutable")
    return artifact
