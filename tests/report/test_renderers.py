"""Page, PDF and Markdown: the same content in each, hostile text as text, and nothing fetched from elsewhere."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report.samples import HOSTILE, everything

from ffnn.files import StorageError
from ffnn.report.document import Code, Document, Figure, Heading, Paragraph, Table
from ffnn.report.html import write_html
from ffnn.report.markdown import write_markdown
from ffnn.report.markup import literal
from ffnn.report.pdf import write_pdf


class Reader(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Document:
    return everything(tmp_path_factory.mktemp("figures"))


@pytest.fixture(scope="module")
def page(document: Document, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "new" / "report.html"
    write_html(document, path)
    return path.read_text(encoding="utf-8")


def test_the_page_shows_hostile_text_and_obeys_none(page: str) -> None:
    read = Reader(page)
    assert len(read.all("script")) == 1
    assert len(read.all("img")) == 3
    assert read.text.count(HOSTILE) >= 9
    assert {
        attribute for _, attributes in read.elements for attribute in attributes if attribute.startswith("on")
    } == set()
    assert [a["href"] for a in read.all("a") if not str(a["href"]).startswith("#")] == ["https://example.org/"]


def test_the_page_needs_nothing_but_itself(page: str) -> None:
    read = Reader(page)
    for image in read.all("img"):
        assert str(image["src"]).startswith("data:image/svg+xml;base64,")
    assert {str(link["href"]).partition(",")[0] for link in read.all("link")} == {"data:"}
    (policy,) = (meta["content"] for meta in read.all("meta") if "http-equiv" in meta)
    assert str(policy).startswith("default-src 'none'")
    style = page.partition("<style>")[2].partition("</style>")[0]
    assert not re.search(r"url\(|@import", style)


def test_the_contents_lead_to_every_part(page: str) -> None:
    read = Reader(page)
    identifiers = {attributes["id"] for _, attributes in read.elements if "id" in attributes}
    targets = [str(a["href"])[1:] for a in read.all("a") if str(a["href"]).startswith("#")]
    assert len(targets) == 4
    assert set(targets) <= identifiers


def test_every_picture_has_words_and_every_head_a_scope(page: str) -> None:
    read = Reader(page)
    assert all(HOSTILE in str(image["alt"]) for image in read.all("img"))
    assert all(head["scope"] == "col" for head in read.all("th"))


def test_the_pdf_holds_the_text_and_starts_nothing(document: Document, tmp_path: Path) -> None:
    from pypdf import PdfReader

    write_pdf(document, tmp_path / "report.pdf")
    read = PdfReader(tmp_path / "report.pdf")
    text = "".join(page.extract_text() for page in read.pages)
    text = re.sub(r"\s+|\u200b", "", text)
    for expected in ("Title", "Firstpart", "better", "2±1", "ffnntrain", "Inner", "Alinerises."):
        assert expected in text
    assert text.count("".join(HOSTILE.split())) >= 7
    assert read.metadata
    assert read.metadata.title == document.title
    links = [
        annotation.get_object()["/A"]["/URI"] for page in read.pages for annotation in page.get("/Annots", [])
        if "/URI" in annotation.get_object().get("/A", {})
    ]  # fmt: skip
    assert links == ["https://example.org/"]


def test_long_tables_go_on_over_pages_with_their_head(tmp_path: Path) -> None:
    from pypdf import PdfReader

    table = Table(["name of the run", "value"], [[f"run-{number}", number] for number in range(200)])
    write_pdf(Document("Long", [table]), tmp_path / "long.pdf")
    pages = [page.extract_text() for page in PdfReader(tmp_path / "long.pdf").pages]
    assert len(pages) > 2
    assert all("name of the run" in page for page in pages)
    assert "run-199" in re.sub("\u200b", "", pages[-1])


def test_markdown_names_figures_from_where_it_lies_and_escapes(document: Document, tmp_path: Path) -> None:
    write_markdown(document, tmp_path / "deep" / "REPORT.md")
    text = (tmp_path / "deep" / "REPORT.md").read_text()
    assert "<script" not in re.sub(r"```.*?```", "", text, flags=re.S)
    sources = re.findall(r'<img src="([^"]+)"', text)
    assert len(sources) == 3
    for source in sources:
        assert not source.startswith("/")
        assert (tmp_path / "deep" / source).is_file()
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows[:6]}) == 1
    assert "| :-- | --: | :-- |" in rows
    assert "**better**" in text


@pytest.mark.parametrize("sign", ["\\", "*x*", "_x_", "$x$", "#x", "- x", "1. x", "> x", "`x`", "|", "~x~", "[x](y)"])
def test_markdown_shows_signs_as_they_are(sign: str, tmp_path: Path) -> None:
    """What a Markdown parser makes of it, rich's here, has the sign and no markup."""
    from markdown_it import MarkdownIt

    write_markdown(Document("T", [Paragraph(literal(sign))]), tmp_path / "a.md")
    html = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render((tmp_path / "a.md").read_text())
    assert Reader(html).text.split("\n")[1] == sign
    assert {tag for tag, _ in Reader(html).elements} == {"h1", "p"}


def test_a_missing_picture_leaves_the_old_page(tmp_path: Path) -> None:
    write_html(Document("Old", [Heading("a")]), tmp_path / "a.html")
    with pytest.raises(OSError, match=r"gone\.png"):
        write_html(Document("New", [Figure(tmp_path / "gone.png", "")]), tmp_path / "a.html")
    assert "<title>Old</title>" in (tmp_path / "a.html").read_text()


@pytest.mark.parametrize("write", [write_html, write_pdf, write_markdown])
def test_a_folder_that_cannot_be_made_is_one_line(write: Callable[[Document, Path], None], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file/report: cannot be written: "):
        write(Document("Title", [Paragraph("Text.")]), tmp_path / "file" / "report")


def test_fences_are_longer_than_what_they_hold(tmp_path: Path) -> None:
    write_markdown(Document("T", [Code("a\n````\nb")]), tmp_path / "a.md")
    assert "`````\na\n````\nb\n`````" in (tmp_path / "a.md").read_text()
