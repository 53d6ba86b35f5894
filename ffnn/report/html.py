"""A report as one page: a single file that opens without a network, on a phone and in the dark.

Everything is inside it; a content security policy keeps the browser from fetching or running anything else.
"""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from ffnn.files import replacing, storing
from ffnn.report.document import Block, Document, Figure, Heading, walk
from ffnn.report.markup import spans

TEMPLATES = Path(__file__).parent / "templates"
KINDS = {".png": "image/png", ".svg": "image/svg+xml"}


def write_html(document: Document, path: Path) -> None:
    """Write a self-contained page, whose folder is made.

    OSError when a figure's file cannot be read; a StorageError when the page cannot be written.
    """
    page = render_html(document)
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(page)


def render_html(document: Document) -> str:
    """The page's text; what `write_html` writes."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["spans"] = spans
    environment.filters["inlined"] = _inlined
    environment.filters["identity"] = id
    script = (TEMPLATES / "sort.js").read_text(encoding="utf-8")
    anchors = _anchors(document.blocks)
    page = environment.get_template("page.html.j2").render(
        document=document,
        kind=lambda block: type(block).__name__,
        anchors=anchors,
        contents=[
            (anchors[id(block)], block.text)
            for block in document.blocks
            if isinstance(block, Heading) and block.level == 2
        ],
        style=(TEMPLATES / "page.css").read_text(encoding="utf-8"),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    return str(page)


def _anchors(blocks: Sequence[Block]) -> dict[int, str]:
    """A name for each heading, so that the contents can lead to it; headings are told apart by identity."""
    headings = (block for block in walk(blocks) if isinstance(block, Heading))
    return {id(heading): f"part-{number}" for number, heading in enumerate(headings, start=1)}


def _inlined(figure: Figure) -> str:
    source = figure.source
    data = base64.b64encode(source.read_bytes()).decode()
    return f"data:{KINDS[source.suffix]};base64,{data}"
