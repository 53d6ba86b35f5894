"""A study whose runs are there: what its page is made from, and the register of what each study adds to it.

The parts of a page that all studies have are in `ffnn.studies.page`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ffnn.comparison.measures import MEASURES
from ffnn.experiment.claims import Judged
from ffnn.experiment.comparison import Comparison
from ffnn.registry import Registry
from ffnn.report.document import Block, Figure
from ffnn.report.pictures import Pictures
from ffnn.studies.file import Said, Study
from ffnn.tracking import RunRecord


@dataclass(frozen=True)
class Finished:
    """A study and everything that its runs have left.

    Attributes
    ----------
    study : Study
    path : Path
        Of the study's file.
    folder : Path
        Where page, tables and figures go; the runs lie below it.
    records : mapping from condition to its runs
    comparison : Comparison
    command : str
        What was typed, for the page.
    """

    study: Study
    path: Path
    folder: Path
    records: Mapping[str, Sequence[RunRecord]]
    comparison: Comparison
    command: str

    def shown(self, condition: str, measure: str) -> str:
        """A measure over a condition's runs as people read it, such as "85.27 ± 0.41"."""
        mean = self.comparison.mean(condition, measure)
        return mean.format(MEASURES[measure].scale, MEASURES[measure].digits)

    def judged(self, conclusion: Said) -> list[Judged]:
        """What the runs say to each claim of a conclusion."""
        return [one for one in self.comparison.judged if one.claim.text in conclusion.tests]

    def confusion(self, condition: str) -> Any:
        """The confusion matrix of the condition's first run; None if it has none."""
        counts = [run.summary["test/confusion"] for run in self.records[condition] if "test/confusion" in run.summary]
        return np.array(counts[0]) if counts else None

    def figure(self, name: str, draw: Callable[[Path], object], alt: str, caption: str = "") -> Figure:
        """Have a figure drawn for the page; see `ffnn.report.pictures.Pictures.draw`."""
        return Pictures(self.folder / "figures").draw(name, draw, alt, caption)


Sections = Callable[[Finished], Sequence[Block]]

SECTIONS: Registry[Any] = Registry("study")
"""By the name of a study's file: a class whose call gives the part of the page that is its own."""
