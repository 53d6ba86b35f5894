"""A study whose runs are there: what its page is made from.

The parts of a page that all studies have are in `ffnn.studies.page`; a module of a study's name adds its `sections`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ffnn.comparison.measures import MEASURES
from ffnn.experiment.claims import Judged
from ffnn.experiment.comparison import Comparison
from ffnn.figures import draw_confusion
from ffnn.report.document import Figure
from ffnn.report.pictures import Pictures
from ffnn.studies.file import Said, Study
from ffnn.tracking import RunRecord


@dataclass(frozen=True)
class Finished:
    """A study, read from `path`, and everything that its runs, by condition, have left.

    Page, tables and figures go into the folder, and the runs lie below it; the command, for the page, is what was
    typed.
    """

    study: Study
    path: Path
    folder: Path
    records: Mapping[str, Sequence[RunRecord]]
    comparison: Comparison
    command: str
    pictures: Pictures

    def shown(self, condition: str, measure: str) -> str:
        """A measure over a condition's runs as people read it, such as "85.27 ± 0.41"."""
        return MEASURES[measure].format(self.comparison.mean(condition, measure))

    def judged(self, conclusion: Said) -> list[Judged]:
        """What the runs say to each claim of a conclusion."""
        return [result for result in self.comparison.judged if result.claim.text in conclusion.tests]

    def confusion(self, condition: str) -> Any:
        """The confusion matrix of the condition's first run; None if it has none."""
        counts = [run.summary["test/confusion"] for run in self.records[condition] if "test/confusion" in run.summary]
        return np.array(counts[0]) if counts else None

    def confusion_figure(self, condition: str, alt: str, caption: str = "") -> Figure:
        """The same as a figure."""
        names = self.records[condition][0].environment["data"]["classes"]
        draw = partial(draw_confusion, self.confusion(condition), names)
        return self.pictures.draw(f"confusion-{condition}", draw, alt, caption)
