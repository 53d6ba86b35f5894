"""Confusion of classes in an experiment: the best condition, the one to hold it against, and what lies between them.

Matrices are sums over a condition's runs, so that one run's luck does not show as a habit.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ffnn.report.advice import best_condition
from ffnn.report.document import Block, Heading, Row
from ffnn.report.markup import literal
from ffnn.report.pictures import Pictures
from ffnn.report.sources import ExperimentFolder
from ffnn.tracking import RunRecord
from ffnn.tracking.formats import class_names
from ffnn.words import count_of


def confusion_blocks(folder: ExperimentFolder, pictures: Pictures) -> list[Block]:
    """The matrices of the best condition and of a baseline, and their difference."""
    from ffnn.figures import draw_confusion, draw_confusion_difference

    matrices = {name: m for name, runs in folder.records.items() if (m := _total(runs)) is not None}
    best, baseline = _best_and_baseline(folder, list(matrices))
    if best is None:
        return []
    classes = _classes(folder.records[best])
    role = {best: "best on validation", **({baseline: "the baseline"} if baseline else {})}
    figures = [
        pictures.draw(
            f"confusion-{number}",
            partial(draw_confusion, matrices[name], classes, shares=True),
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


def _total(runs: Sequence[RunRecord]) -> NDArray[np.int64] | None:
    """The sum of the runs' confusion matrices; None where no run was tested."""
    matrices = [np.asarray(run.summary["test/confusion"], np.int64) for run in runs if "test/confusion" in run.summary]
    return np.sum(matrices, axis=0) if len({matrix.shape for matrix in matrices}) == 1 else None


def _classes(runs: Sequence[RunRecord]) -> list[str]:
    run = next(run for run in runs if "test/confusion" in run.summary)
    return class_names(run.environment.get("data", {}).get("classes", ()), len(run.summary["test/confusion"]))
