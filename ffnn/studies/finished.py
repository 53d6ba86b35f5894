"""A study whose runs are there: what its page is made from, and the register of what each study adds to it.

The parts of a page that all studies have are in `ffnn.studies.page`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ffnn.comparison.measures import MEASURES
from ffnn.comparison.statistics import Mean
from ffnn.experiment.claims import Judged
from ffnn.experiment.comparison import Comparison
from ffnn.registry import Registry
from ffnn.report.document import Block, Figure
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

    def mean(self, condition: str, measure: str) -> Mean:
        """Mean, deviation and interval of a measure over a condition's runs."""
        return self.comparison.mean(condition, measure)

    def shown(self, condition: str, measure: str) -> str:
        """The same as people read it, such as "85.27 ± 0.41"."""
        known = MEASURES[measure]
        return self.mean(condition, measure).format(known.scale, known.digits)

    def judged(self, said: Said) -> list[Judged]:
        """What the runs say to each claim of a conclusion."""
        return [one for one in self.comparison.judged if one.claim.text in said.tests]

    def confusion(self, condition: str) -> Any:
        """The confusion matrix of the condition's first run; None if it has none."""
        counts = [run.summary["test/confusion"] for run in self.records[condition] if "test/confusion" in run.summary]
        return np.array(counts[0]) if counts else None

    def figure(self, name: str, draw: Callable[[Path], object], alt: str, caption: str = "") -> Figure:
        """Have a figure drawn as PNG and SVG, and give it back for the page.

        Parameters
        ----------
        name : str
            Of the files, without ending and without a dot.
        draw : callable
            Takes that path, as the functions of `ffnn.figures` do.
        alt, caption : str
            See `ffnn.report.document.Figure`.
        """
        path = self.folder / "figures" / name
        draw(path)
        return Figure(path.with_suffix(".png"), alt, caption, path.with_suffix(".svg"))


Sections = Callable[[Finished], Sequence[Block]]

SECTIONS: Registry[Any] = Registry("study")
"""By the name of a study's file: a class whose call gives the part of the page that is its own."""
