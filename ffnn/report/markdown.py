"""A report as GitHub's Markdown, with figures by relative path, so that it can be read where the code is.

Every sign that Markdown or HTML would interpret is escaped.
"""

import html
import os
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from ffnn.files import replacing, storing
from ffnn.report.document import (
    Block,
    Bullets,
    Cell,
    Code,
    Details,
    Document,
    Figure,
    Heading,
    Note,
    Paragraph,
    Row,
    Table,
)
from ffnn.report.markup import Span, spans

ALERTS = {"info": "NOTE", "warning": "WARNING"}


def write_markdown(document: Document, path: Path) -> None:
    """Write a Markdown file, whose folder is made; figures stay where they are and are named relative to it."""
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    parts = [f"# {_escaped(document.title)}"]
    parts += [_escaped(document.subtitle)] if document.subtitle else []
    parts += [_inline(document.abstract)] if document.abstract else []
    parts += _rendered(document.blocks, path.parent)
    with replacing(path) as file:
        file.write("\n\n".join(parts) + "\n")


def _rendered(blocks: Sequence[Block], folder: Path) -> list[str]:
    return [_block(block, folder) for block in blocks]


def _block(block: Block, folder: Path) -> str:
    match block:
        case Heading(text, level):
            markdown = f"{'#' * level} {_escaped(text)}"
        case Paragraph(text):
            markdown = _inline(text)
        case Bullets(points):
            markdown = "\n".join(f"- {_inline(point)}" for point in points)
        case Code(text):
            markdown = _fenced(text)
        case Note(text, kind):
            markdown = f"> [!{ALERTS[kind]}]\n> {_inline(text)}"
        case Table():
            markdown = _table(block)
        case Figure():
            markdown = _pictures([block], folder)
        case Row(figures):
            markdown = _pictures(figures, folder)
        case Details(title, inner):
            markdown = "\n\n".join(
                [f"<details>\n<summary>{html.escape(title)}</summary>", *_rendered(inner, folder), "</details>"]
            )
    return markdown


def _table(table: Table) -> str:
    rules = {"left": ":--", "center": ":-:", "right": "--:"}
    lines = [
        " | ".join(_escaped(column) for column in table.columns),
        " | ".join(rules[side] for side in table.sides),
        *(" | ".join(_cell(cell) for cell in row) for row in table.cells),
    ]
    rows = "\n".join(f"| {line} |" for line in lines)
    return f"{_inline(table.caption)}\n\n{rows}" if table.caption else rows


def _cell(cell: Cell) -> str:
    text = _escaped(cell.text)
    return f"**{text}**" if cell.mood in ("good", "bad", "strong") and text else text


def _pictures(figures: Sequence[Figure], folder: Path) -> str:
    """Images, several of them in one line, then their captions."""
    width = "" if len(figures) == 1 else f' width="{100 // min(len(figures), 2) - 1}%"'
    images = "\n".join(
        f'<img src="{_address(figure.source, folder)}" alt="{html.escape(figure.alt)}"{width}>' for figure in figures
    )
    captions = [f"*{_inline(figure.caption)}*" for figure in figures if figure.caption]
    return "\n\n".join([images, *captions])


def _address(file: Path, folder: Path) -> str:
    return quote(Path(os.path.relpath(file, folder)).as_posix())


def _fenced(text: str) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def _inline(text: str) -> str:
    return "".join(_span(span) for span in spans(text))


def _span(span: Span) -> str:
    match span.kind:
        case "code":
            return f"`{span.text}`"
        case "bold":
            return f"**{_escaped(span.text)}**"
        case "link":
            return f"[{_escaped(span.text)}]({span.target})"
        case _:
            return _escaped(span.text)


def _escaped(text: str) -> str:
    """Text in one line without a meaning to Markdown or HTML."""
    signs = re.sub(r"([\\`*_{}\[\]|~#$])", r"\\\1", re.sub(r"\s+", " ", text))
    text = html.escape(signs, quote=False).replace("&gt;", ">")
    return re.sub(r"^(\d*)([-+>.)])(?=\s)", r"\1\\\2", text)
