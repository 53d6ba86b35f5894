"""What a report says, apart from how it looks: headings, paragraphs, tables and figures as plain frozen values.

A page, a PDF and a Markdown file are made from the same `Document`, so that they cannot tell different things.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ffnn.words import visible

Mood = Literal["", "good", "bad", "unsure", "quiet", "strong"]
"""What a cell's colour says: a verdict for, against, undecided; an aside; the row that counts."""

Value = str | int | float | None
DASH = "\N{EN DASH}"


@dataclass(frozen=True)
class Heading:
    """A heading; level 2 opens a part of the document and is listed in its contents."""

    text: str
    level: Literal[2, 3, 4] = 2


@dataclass(frozen=True)
class Paragraph:
    """A paragraph in the tiny markup of `ffnn.report.markup`."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """A list of points, each in the tiny markup."""

    points: Sequence[str]


@dataclass(frozen=True)
class Code:
    """Lines to be read or copied as they are."""

    text: str


@dataclass(frozen=True)
class Note:
    """Something the reader should not miss, in the tiny markup."""

    text: str
    kind: Literal["info", "warning"] = "info"


@dataclass(frozen=True)
class Cell:
    """A table's cell: text as it stands (no markup), its mood, and the number by which it is sorted.

    As a value, None and NaN are shown as a dash, a float with four significant digits. `order` is what the column is
    sorted by where `value` is a text such as "84.5 ± 0.4"; by default the value itself.
    """

    value: Value
    mood: Mood = ""
    order: float | None = None

    @property
    def text(self) -> str:
        """What is shown.

        Examples
        --------
        >>> Cell(0.123456).text, Cell(None).text, Cell(12000).text
        ('0.1235', '–', '12000')
        """
        if self.value is None or (isinstance(self.value, float) and math.isnan(self.value)):
            return DASH
        return f"{self.value:.4g}" if isinstance(self.value, float) else str(self.value)

    @property
    def sort_key(self) -> str:
        """A number as text, empty where nothing is known; words sort as they are shown."""
        if self.order is not None:
            return "" if math.isnan(self.order) else repr(float(self.order))
        if isinstance(self.value, int | float):
            return "" if math.isnan(self.value) else repr(float(self.value))
        return "" if self.value is None else self.value


def percent(share: float | None, digits: int = 2) -> Cell:
    """A share in percent, sorted by the share itself; a dash where it is not known."""
    return Cell(None) if share is None else Cell(f"{100 * share:.{digits}f}", order=share)


@dataclass(frozen=True)
class Table:
    """Rows under columns.

    The alignment is one of l, c, r for each column; by default columns of numbers stand to the right, others to the
    left. If `sortable`, a click on a column's head sorts the page's table by it. ValueError when a row or the alignment
    has not one entry for each column.

    Examples
    --------
    >>> Table(["run", "accuracy"], [["a", 0.91], [Cell("b", "strong"), None]]).sides
    ('left', 'right')
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell | Value]]
    caption: str = ""
    alignment: str = ""
    sortable: bool = False

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"expected {len(self.columns)} cells in each row; received {len(row)}: {row}")
        if self.alignment and (len(self.alignment) != len(self.columns) or set(self.alignment) - set("lcr")):
            raise ValueError(f"expected {len(self.columns)} letters of l, c, r; received {self.alignment!r}")

    @property
    def cells(self) -> list[list[Cell]]:
        """All rows, every entry a Cell."""
        return [[entry if isinstance(entry, Cell) else Cell(entry) for entry in row] for row in self.rows]

    @property
    def sides(self) -> tuple[str, ...]:
        """left, center or right for each column."""
        if self.alignment:
            return tuple({"l": "left", "c": "center", "r": "right"}[letter] for letter in self.alignment)
        columns = zip(*self.cells, strict=True) if self.rows else ((),) * len(self.columns)
        return tuple("right" if _numeric(column) else "left" for column in columns)


def _numeric(column: Sequence[Cell]) -> bool:
    """Whether a column holds numbers, apart from gaps."""
    kinds = [cell for cell in column if cell.value is not None]
    return bool(kinds) and all(cell.order is not None or isinstance(cell.value, int | float) for cell in kinds)


@dataclass(frozen=True)
class Figure:
    """A picture as files that ffnn drew.

    `alt` says what it shows, for those who cannot see it; `svg` is the same without pixels, used where it is not too
    large. Of a `photo`, colours are meant as they are; other figures are inverted on a dark page.
    """

    png: Path
    alt: str
    caption: str = ""
    svg: Path | None = None
    photo: bool = False

    LARGEST_SVG = 400_000

    @property
    def source(self) -> Path:
        """The file to show: the SVG, unless it is missing or so large (bytes) that it would slow the page down."""
        if self.svg is not None and self.svg.is_file() and self.svg.stat().st_size <= self.LARGEST_SVG:
            return self.svg
        return self.png


@dataclass(frozen=True)
class Row:
    """Figures side by side where there is room, one below the other on a phone."""

    figures: Sequence[Figure]


@dataclass(frozen=True)
class Details:
    """Blocks behind a title that a click opens; a PDF shows them all."""

    title: str
    blocks: Sequence["Block"]


Block = Heading | Paragraph | Bullets | Table | Figure | Row | Code | Note | Details


@dataclass(frozen=True)
class Document:
    """A whole report.

    The subtitle is one plain line below the title, the abstract two or three sentences of the tiny markup.
    """

    title: str
    blocks: Sequence[Block]
    subtitle: str = ""
    abstract: str = ""

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, _shown(getattr(self, field.name)))


def _shown(value: Any) -> Any:
    """The same text, blocks or cells, with what no one sees made visible: Typst refuses it, a browser obeys it."""
    if isinstance(value, str):
        return visible(value, keep="\n")
    if isinstance(value, list | tuple):
        return [_shown(part) for part in value]
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: _shown(getattr(value, field.name)) for field in fields(value)})
    return value


def walk(blocks: Sequence[Block]) -> Iterator[Block]:
    """Every block in order, also those behind titles."""
    for block in blocks:
        yield block
        if isinstance(block, Details):
            yield from walk(block.blocks)
