"""The document model: its markup says what it means, and any text can be shown as it is."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffnn.report.document import DASH, Bullets, Cell, Code, Figure, Paragraph, Table
from ffnn.report.markup import Span, code, literal, spans


@given(st.text())
def test_a_literal_is_shown_as_it_is(text: str) -> None:
    assert "".join(span.text for span in spans(literal(text))) == text
    assert {span.kind for span in spans(literal(text))} <= {"text"}


@given(st.text(), st.text())
def test_a_literal_keeps_to_itself_between_markup(one: str, other: str) -> None:
    found = spans(f"**{literal(one + 'a')}** {literal(other)} `x`")
    assert found[0] == Span("bold", one + "a")
    assert found[-1] == Span("code", "x")
    assert "".join(span.text for span in found[1:-1]) == f" {other} "


@given(st.text(min_size=1))
def test_code_stays_one_piece(text: str) -> None:
    (span,) = spans(code(text))
    assert span == Span("code", text.replace("`", "'"))


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("https://example.org/a", "link"), ("http://example.org", "link"), ("#part", "link"), ("figures/a.png", "link"),
        ("javascript:alert", "text"), ("JavaScript:alert", "text"), ("data:text/html,x", "text"),
        ("//example.org", "text"), ("vbscript:x", "text"), ("file:///etc/passwd", "text"),
    ],
)  # fmt: skip
def test_links_lead_only_to_pages(target: str, kind: str) -> None:
    assert spans(f"[words]({target})")[0].kind == kind


def test_a_row_with_another_number_of_cells_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 2 cells"):
        Table(["a", "b"], [[1]])
    with pytest.raises(ValueError, match="letters of l, c, r"):
        Table(["a", "b"], [[1, 2]], alignment="lx")


def test_cells_sort_by_their_numbers_and_gaps_have_none() -> None:
    assert Cell("84.5 ± 0.4", order=0.845).sort_key == "0.845"
    assert [Cell(value).sort_key for value in (None, float("nan"), 3, "word")] == ["", "", "3.0", "word"]
    assert [Cell(value).text for value in (None, float("nan"), 1 / 3)] == [DASH, DASH, "0.3333"]


def test_numbers_stand_right_and_words_left() -> None:
    table = Table(["a", "b", "c"], [["x", 1, None], [None, Cell("1 ± 2", order=1.0), None]])
    assert table.sides == ("left", "right", "left")


def test_a_figure_shows_its_svg_unless_it_is_large(tmp_path: Path) -> None:
    png, svg = tmp_path / "a.png", tmp_path / "a.svg"
    figure = Figure(png, "alt", svg=svg)
    assert figure.source == png
    svg.write_text("<svg/>")
    assert figure.source == svg
    svg.write_text(" " * (Figure.LARGEST_SVG + 1))
    assert figure.source == png


def test_blocks_are_values() -> None:
    assert Paragraph("a") == Paragraph("a")
    assert hash(Code("a")) == hash(Code("a"))
    with pytest.raises(AttributeError):
        Bullets(["a"]).points = []  # type: ignore[misc]
