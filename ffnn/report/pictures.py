"""Figures as a document holds them: drawn into a folder, with words for those who cannot see them.

What there is nothing to draw of is not drawn, so no page shows an empty plot.
"""

import re
from collections.abc import Callable
from pathlib import Path

from ffnn.report.document import Figure


class Pictures:
    """Draws figures into one folder, PNG and SVG of each; the prefix of names tells the chapters of a report apart."""

    def __init__(self, folder: Path, prefix: str = "") -> None:
        self.folder, self.prefix = folder, prefix

    def chapter(self, name: str) -> "Pictures":
        """Pictures in the same folder whose names begin with this one."""
        return type(self)(self.folder, f"{self.prefix}{slug(name)}-")

    def draw(
        self, name: str, draw: Callable[[Path], object], alt: str, caption: str = "", photo: bool = False
    ) -> Figure:
        """Have a figure drawn and give it as a block; `alt`, `caption` and `photo` are those of `Figure`.

        The name is that of the files, without an ending; `draw` takes the path of the PNG and leaves an SVG beside it.
        """
        png = self.folder / f"{self.prefix}{name}.png"
        draw(png)
        return Figure(png, alt, caption, png.with_suffix(".svg"), photo)


def slug(text: str) -> str:
    """A name of letters, digits and dashes.

    Examples
    --------
    >>> slug("exp3 / optimizers_digits")
    'exp3-optimizers-digits'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "part"
