"""Tables with commas, in which no cell is a formula: the one place that writes them, and the one that reads them.

A spreadsheet computes a cell that begins with = + - or @, and a name there may have been written by somebody else.
"""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ffnn.errors import FFNNError
from ffnn.files import replacing
from ffnn.words import visible

# With their broad forms, which some spreadsheets take for the same; the apostrophes are those put before.
_FORMULA = re.compile("'*[=+@\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH COMMERCIAL AT}-]")
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
"""A number in a cell."""


def inert(value: Any) -> Any:
    """A cell that no spreadsheet computes: text that would be a formula begins with an apostrophe.

    Examples
    --------
    >>> inert("=1+1"), inert("-0.5"), inert(-0.5), inert("-x"), inert("a-b")
    ("'=1+1", '-0.5', -0.5, "'-x", 'a-b')
    """
    if not isinstance(value, str):
        return value
    shown = visible(value)
    return f"'{shown}" if _FORMULA.match(shown) and not NUMBER.fullmatch(shown) else shown


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table in UTF-8, each row with one entry a column, replacing an older one in a single step."""
    with replacing(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([inert(column) for column in columns])
        writer.writerows([inert(value) for value in row] for row in rows)


def write_records(path: Path, columns: Sequence[str], records: Iterable[Mapping[str, Any]]) -> None:
    """As `write_csv`, from mappings; what a record lacks is an empty cell."""
    write_csv(path, columns, ([record.get(column, "") for column in columns] for record in records))


def read_csv(path: Path, columns: Sequence[str] = ()) -> list[dict[str, str]]:
    """The rows of a table that `write_csv` wrote, text by column, without the apostrophes put there.

    FFNNError if it cannot be read, or lacks one of `columns`.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, restval=""))
    except (OSError, csv.Error, UnicodeDecodeError) as problem:
        raise FFNNError(f"{path}: expected a table with commas; {visible(problem)}") from problem
    missing = [name for name in columns if rows and name not in rows[0]]
    if missing:
        raise FFNNError(f"{path}: expected the columns {', '.join(columns)}; there is no {', '.join(missing)}")
    return [
        {_unmarked(str(name)): _unmarked(str(value)) for name, value in row.items() if name is not None} for row in rows
    ]


def _unmarked(text: str) -> str:
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text
