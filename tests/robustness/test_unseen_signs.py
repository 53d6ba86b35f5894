"""A name that somebody else wrote cannot command a terminal, a page or a spreadsheet: it is shown as it is."""

import ast
import io
from pathlib import Path

import numpy as np
import pytest

from ffnn.cli import main
from ffnn.words import visible

HOSTILE = "\x1b]0;owned\x07\x1b[2J\r\x9b31m\u202eevil\u2066\u200b\x00\n\tffnn: all is well"
"""Sets a terminal's title, clears it, recolours it, turns letters around, hides and forges a line."""

SHOWN = r"\x1b]0;owned\x07\x1b[2J\r\x9b31m\u202eevil\u2066\u200b\x00\n\tffnn: all is well"
DOORS = {
    "ffnn/terminal.py", "ffnn/bench/worker.py", "ffnn/bench/card.py", "ffnn/studies/peak_memory.py",
    "ffnn/lab/sweep/guard.py",
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


def test_everything_for_a_person_leaves_by_the_doors(repository: Path) -> None:
    found = [
        f"{name}:{node.lineno}: {called}"
        for path in sorted(repository.glob("ffnn/**/*.py"))
        for name in [str(path.relative_to(repository))]
        if name not in DOORS
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for called in _passes_by(node)
    ]
    assert [place for place in found if not place.startswith("ffnn/lab/sweep/cli.py")] == []  # clears its own line
    assert len(found) <= 1


def _passes_by(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "click.echo", "click.secho", "rich.print"):
        return [ast.unparse(node.func)]
    named = [name.name for name in node.names] if isinstance(node, ast.ImportFrom) else []
    return ["rich.console.Console"] if "Console" in named and getattr(node, "module", "") == "rich.console" else []
