"""A name that somebody else wrote cannot command a terminal, a page or a spreadsheet: it is shown as it is."""

import ast
import io
import re
from pathlib import Path

import numpy as np
import pytest

from ffnn.cli import main
from ffnn.errors import FFNNError
from ffnn.words import visible

HOSTILE = "\x1b]0;owned\x07\x1b[2J\r\x9b31m\u202eevil\u2066\u200b\x00\n\tffnn: all is well"
"""Sets a terminal's title, clears it, recolours it, turns letters around, hides and forges a line."""

SHOWN = r"\x1b]0;owned\x07\x1b[2J\r\x9b31m\u202eevil\u2066\u200b\x00\n\tffnn: all is well"
DOORS = {
    "ffnn/terminal.py", "ffnn/bench/worker.py", "ffnn/bench/card.py", "ffnn/studies/peak_memory.py",
    "ffnn/sweep/guard.py",
}  # fmt: skip
"""The one for lines; and processes whose numbers another process reads."""


def unseen(text: str) -> set[str]:
    """What of a hostile name is still in a text."""
    return set(text) & (set(HOSTILE) - set(SHOWN) - {"\n", "\t"})


def test_what_no_one_sees_is_made_visible_and_all_else_stays() -> None:
    assert visible(HOSTILE) == SHOWN
    assert visible(SHOWN) == SHOWN
    ordinary = "Ärger, 猫, кот, قطة, নাম\u200dটি, 👩\u200d👩\u200d👦, ½ °C\ufffd"
    assert visible(ordinary) == ordinary
    visible("".join(map(chr, range(0x110000)))).encode()  # no half of a character is left


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Images of two classes, one with a hostile name, in an archive."""
    path = tmp_path / "images.npz"
    rng = np.random.default_rng(0)
    names = np.array([HOSTILE, "$$ \\frac_{"])
    np.savez(path, images=rng.integers(0, 256, (60, 3, 3), np.uint8), labels=np.arange(60) % 2, class_names=names)
    return path


def called(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int | str | None:
    monkeypatch.setattr("sys.argv", ["ffnn", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def test_a_terminal_shows_names_and_obeys_none(
    images: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("FORCE_COLOR", "1")  # Rich's own colours stay
    assert called(monkeypatch, "data", "info", "npz", f"--path={images}") in (None, 0)
    out = capsys.readouterr().out
    assert SHOWN in out
    assert unseen(out) <= {"\x1b"}
    assert "\x1b]0" not in out
    assert "\x1b[2J" not in out
    assert called(monkeypatch, "report", "there is no \x1b[2J\x85\u202esuch") == 2
    said = capsys.readouterr().err
    assert r"no \x1b[2J" in said
    assert not unseen(said)


def test_rich_shows_a_text_object_too() -> None:
    from rich.table import Table
    from rich.text import Text

    from ffnn.console import Console

    file = io.StringIO()
    table = Table(title=HOSTILE)
    table.add_column(HOSTILE.partition("\n")[0])
    table.add_row(Text(HOSTILE))
    Console(file=file, width=200).print(table, HOSTILE)
    assert not unseen(file.getvalue())


MARKUP = "[old] [/b] :cat:"
"""Colours, an end of none, and a picture, to Rich."""


def test_rich_reads_no_markup_in_a_name() -> None:
    from rich.table import Table

    from ffnn.console import Console

    file = io.StringIO()
    table = Table(MARKUP, title=MARKUP)
    table.add_row(MARKUP)
    Console(file=file, width=200).print(table, MARKUP)
    assert file.getvalue().count(MARKUP) == 4


def test_an_evaluation_and_the_doctor_show_a_name_like_markup(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from ffnn.diagnosis.present import present_findings
    from ffnn.lab.present import present_evaluation
    from ffnn.training.metrics import Evaluation

    row = {"class": MARKUP, "precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 0}
    present_evaluation(
        Evaluation({"accuracy": 1.0}, np.array([[1]]), [row], np.ones((1, 1)), np.zeros(1, np.int64)), "test"
    )
    out = capsys.readouterr().out
    assert f"class {MARKUP} in test" in out
    assert out.count(MARKUP) == 2
    present_findings({tmp_path / MARKUP: []}, {tmp_path / MARKUP: 5})
    assert MARKUP in capsys.readouterr().out


def test_everything_for_a_person_leaves_by_the_doors(repository: Path) -> None:
    found = [
        f"{name}:{node.lineno}: {called}"
        for path in sorted(repository.glob("ffnn/**/*.py"))
        for name in [str(path.relative_to(repository))]
        if name not in DOORS
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for called in _passes_by(node)
    ]
    assert [place for place in found if not place.startswith("ffnn/commands/sweep.py")] == []  # clears its own line
    assert len(found) <= 1


def _passes_by(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "click.echo", "click.secho", "rich.print"):
        return [ast.unparse(node.func)]
    named = [name.name for name in node.names] if isinstance(node, ast.ImportFrom) else []
    return ["rich.console.Console"] if "Console" in named and getattr(node, "module", "") == "rich.console" else []


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on classes of hostile names, with a note of the kind."""
    from ffnn.lab.config import make_config
    from ffnn.lab.run import train
    from ffnn.training.callbacks import Callback

    folder = tmp_path_factory.mktemp("hostile")
    names = np.array([HOSTILE, "$$ \\frac_{", "_hidden", "<b>&amp;</b>", "=1+1"])
    pixels = np.random.default_rng(0).integers(0, 256, (150, 3, 3), np.uint8)
    np.savez(folder / "images.npz", images=pixels, labels=np.arange(150) % 5, class_names=names)
    dataset = {"name": "npz", "path": str(folder / "images.npz")}
    settings = {"dataset": dataset, "epochs": 2, "hidden_layers": [4], "wandb": "disabled", "engine": "numpy"}
    config = make_config({**settings, "notes": HOSTILE.replace("\0", ""), "tags": [HOSTILE.replace("\0", "")]})
    config = config.model_copy(update={"runs_dir": str(folder / "runs")})
    return train(config, lambda line: None, Callback()).path


@pytest.mark.slow
def test_a_report_shows_names_on_its_page_in_its_pdf_and_in_its_figures(run: Path, tmp_path: Path) -> None:
    from xml.etree import ElementTree

    from ffnn.report.make import make_report

    page = make_report([run], tmp_path / "report")
    text = page.read_text(encoding="utf-8")
    assert not unseen(text)
    assert r"\x1b]0;owned\x07" in text
    assert page.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    drawings = [*tmp_path.rglob("*.svg"), *run.rglob("*.svg")]
    assert drawings
    for drawing in drawings:
        assert not unseen(drawing.read_text(encoding="utf-8")), drawing
        ElementTree.parse(drawing)  # a control in a comment would make it no XML


def test_every_kind_of_block_is_shown_in_every_format(tmp_path: Path) -> None:
    from ffnn.report import document as d
    from ffnn.report.html import render_html
    from ffnn.report.markdown import write_markdown
    from ffnn.report.markup import code, literal
    from ffnn.report.pdf import write_pdf

    hostile = HOSTILE + "\ud800\ufffe\x85"
    blocks = [
        d.Heading(hostile), d.Paragraph(f"{literal(hostile)} **{hostile}** {code(hostile)}"), d.Code(hostile),
        d.Bullets([hostile]), d.Note(hostile), d.Table([hostile], [[d.Cell(hostile, "good")], [hostile]], hostile),
        d.Details(hostile, [d.Paragraph(hostile)]),
    ]  # fmt: skip
    report = d.Document(hostile, blocks, hostile, hostile)
    write_markdown(report, tmp_path / "report.md")
    write_pdf(report, tmp_path / "report.pdf")
    for text in (render_html(report), (tmp_path / "report.md").read_text(encoding="utf-8")):
        assert not unseen(text)
        assert not set(text) & set("\ud800\ufffe\x85")
        assert text.count("ud800") >= 9


@pytest.mark.parametrize("name", ["$$", "$x$", "\\$$", "_a", "$\\frac{", "\x1b", "\ud800", "a\nb", ""])
def test_a_contact_sheet_shows_classes_of_any_name(name: str, tmp_path: Path) -> None:
    from ffnn.data import Dataset
    from ffnn.data.sheet import draw_sheet

    data = Dataset("x", np.zeros((2, 4), np.uint8), np.array([0, 1]), (name, "b"), (2, 2), 255, 0, "memory")
    draw_sheet(data, 1, tmp_path / "sheet.svg", f"title {name}")
    assert not unseen((tmp_path / "sheet.svg").read_text(encoding="utf-8"))


def test_no_cell_of_a_table_is_a_formula_and_each_is_read_back(tmp_path: Path) -> None:
    import csv

    from ffnn.csv_file import read_csv, write_csv

    formulas = ["=1+1", "+cmd|' /C calc'!A0", "-x", "@SUM(A1)", "'=1", "\uff1d1", "=\x1b"]
    plain = ["-0.5", "+1e-3", "a=b", "'quoted'", "", "x\ny", "-", -0.5, 3, None]
    write_csv(tmp_path / "t.csv", ["=name"], [[cell] for cell in formulas + plain])
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        (heading,), *rows = csv.reader(file)
    written = [row[0] if row else "" for row in rows]
    assert heading == "'=name"
    assert [cell[0] for cell in written[: len(formulas)]] == ["'"] * len(formulas)
    assert written[len(formulas) :] == ["-0.5", "+1e-3", "a=b", "'quoted'", "", r"x\ny", "'-", "-0.5", "3", ""]
    back = [row["=name"] for row in read_csv(tmp_path / "t.csv")]
    shown = [visible("" if cell is None else cell) for cell in formulas + plain]
    assert [cell for cell in back if cell] == [cell for cell in shown if cell]
    with pytest.raises(FFNNError, match=r"t\.csv: expected the columns run, =name; there is no run"):
        read_csv(tmp_path / "t.csv", ("run", "=name"))


def test_every_table_is_written_by_one_place(repository: Path) -> None:
    users = [
        path.name
        for path in repository.glob("ffnn/**/*.py")
        if re.search(r"csv\.\w*writer|to_csv", path.read_text(), re.I)
    ]
    assert users == ["csv_file.py"]


def test_the_tables_of_runs_hold_no_formula(run: Path, tmp_path: Path) -> None:
    from ffnn.experiment.tables import write_runs
    from ffnn.report.sources import read_csv
    from ffnn.tracking import read_run

    write_runs({"=cmd": [read_run(run)]}, tmp_path / "runs.csv")
    assert not [line for line in (tmp_path / "runs.csv").read_text().splitlines() if line.startswith("=")]
    assert read_csv(tmp_path / "runs.csv")[0]["condition"] == "=cmd"


def test_weights_and_biases_gets_names_that_can_be_seen() -> None:
    from types import SimpleNamespace

    from ffnn.tracking.tracker import EvaluationReport
    from ffnn.tracking.wandb_payloads import confusion_and_tables

    def table(columns: list[str], rows: list[list[object]]) -> list[object]:
        return [columns, rows]

    wandb = SimpleNamespace(Table=table, plot_table=lambda *parts: parts, Image=str)
    row = {"class": HOSTILE, "precision": 1.0}
    report = EvaluationReport(np.eye(2, dtype=np.int64), (HOSTILE, "b"), [row, {**row, "class": "b"}])
    sent = str(confusion_and_tables(wandb, report))
    assert SHOWN.replace("\\", "\\\\") in sent
