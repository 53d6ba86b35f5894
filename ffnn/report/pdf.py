"""A report as a PDF, set by Typst from a fixed template that reads the document as JSON.

No text of ours is ever Typst source, so nothing in it, a run's name for example, can be taken for a command.
"""

import json
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ffnn.files import replacing, storing
from ffnn.report.document import Block, Bullets, Code, Details, Document, Figure, Heading, Note, Paragraph, Row, Table
from ffnn.report.markup import spans

TEMPLATE = Path(__file__).parent / "templates" / "page.typ"


def write_pdf(document: Document, path: Path) -> None:
    """Write A4 pages with numbers, and tables that go on over pages; their folder is made.

    StorageError when it cannot be written, or a figure's file cannot be read.
    """
    import typst

    with storing(path), tempfile.TemporaryDirectory(prefix="ffnn-report-") as name:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(name)
        described = {
            "title": document.title,
            "subtitle": document.subtitle,
            "abstract": _inline(document.abstract),
            "blocks": _described(document.blocks, folder),
        }
        (folder / "document.json").write_text(json.dumps(described), encoding="utf-8")
        shutil.copy(TEMPLATE, folder / TEMPLATE.name)
        pages = typst.compile(folder / TEMPLATE.name, root=folder, format="pdf")
    with replacing(path, "wb") as file:
        file.write(pages)


def _described(blocks: Sequence[Block], folder: Path) -> list[dict[str, Any]]:
    return [entry for block in blocks for entry in _block(block, folder)]


def _block(block: Block, folder: Path) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]]
    match block:
        case Heading(text, level):
            entries = [{"kind": "heading", "text": text, "level": level}]
        case Paragraph(text):
            entries = [{"kind": "paragraph", "text": _inline(text)}]
        case Bullets(points):
            entries = [{"kind": "bullets", "points": [_inline(point) for point in points]}]
        case Code(text):
            entries = [{"kind": "code", "text": text}]
        case Note(text, kind):
            entries = [{"kind": "note", "text": _inline(text), "mood": kind}]
        case Table():
            entries = [_table(block)]
        case Figure():
            entries = [{"kind": "row", "figures": [_figure(block, folder)]}]
        case Row(figures):
            entries = [{"kind": "row", "figures": [_figure(figure, folder) for figure in figures]}]
        case Details(title, inner):
            entries = [{"kind": "heading", "text": title, "level": 3}, *_described(inner, folder)]
    return entries


def _table(table: Table) -> dict[str, Any]:
    return {
        "kind": "table",
        "columns": [_breakable(column) for column in table.columns],
        "sides": list(table.sides),
        "rows": [[{"text": _breakable(cell.text), "mood": cell.mood} for cell in row] for row in table.cells],
        "caption": _inline(table.caption),
    }


def _figure(figure: Figure, folder: Path) -> dict[str, Any]:
    copy = folder / f"figure-{len(list(folder.glob('figure-*')))}{figure.source.suffix}"
    shutil.copy(figure.source, copy)
    return {"path": copy.name, "alt": figure.alt, "caption": _inline(figure.caption)}


def _inline(text: str) -> list[dict[str, str]]:
    return [{"kind": kind, "text": _breakable(words), "target": target} for kind, words, target in spans(text)]


def _breakable(text: str) -> str:
    """Text in which a line may also end after the signs of long names, at a space of no width."""
    return re.sub(r"(?<=[\w)\]])([-_/=,.]+)(?=\w{3})", "\\1\u200b", text)
