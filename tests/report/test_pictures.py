"""The pictures of a report: each is drawn once, on as many cores as wished, and again only where something changed."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from report.test_reports import write_experiment

from ffnn.figures import draw_confusion, draw_lines
from ffnn.report import pictures as module
from ffnn.report.make import make_report
from ffnn.report.pictures import DRAWN, Pictures


def mark(text: str, values: np.ndarray, png: Path, note: str = "") -> None:
    """A picture that leaves a line in a log, whichever process draws it."""
    with (png.parent / "log.txt").open("a") as log:
        log.write(f"{png.stem}\n")
    png.write_text(text + note)
    png.with_suffix(".svg").write_text(str(values.sum()))


def asked(folder: Path, **changes: object) -> Pictures:
    folder.mkdir(exist_ok=True)
    pictures = Pictures(folder)
    chapter = pictures.chapter("One")
    values = {"a": 1.0, "b": 2.0, "c": float("nan"), **changes}
    for name, value in values.items():
        chapter.draw(name, partial(mark, "text", np.array([value, 1.0]), note="n"), "alt")
    return pictures


def drawn(folder: Path) -> list[str]:
    """What has been drawn since the last time."""
    log = folder / "log.txt"
    lines = log.read_text().split() if log.exists() else []
    log.unlink(missing_ok=True)
    return sorted(lines)


def test_only_what_changed_is_drawn_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    every = ["one-a", "one-b", "one-c"]
    assert sorted(png.stem for png in asked(tmp_path).finish()) == every
    assert drawn(tmp_path) == every
    assert asked(tmp_path).finish() == []
    assert drawn(tmp_path) == []
    asked(tmp_path, b=3.0).finish()
    assert drawn(tmp_path) == ["one-b"]
    assert (tmp_path / "one-b.svg").read_text() == "4.0"
    (tmp_path / "one-a.svg").write_text("cut")
    (tmp_path / "one-c.png").unlink()
    asked(tmp_path, b=3.0).finish()
    assert drawn(tmp_path) == ["one-a", "one-c"]
    (tmp_path / DRAWN).write_text("{ damaged")
    asked(tmp_path, b=3.0).finish()
    assert drawn(tmp_path) == every
    monkeypatch.setattr(module, "version", lambda name: "another release")
    asked(tmp_path, b=3.0).finish()
    assert drawn(tmp_path) == every


def test_what_a_picture_is_asked_for_tells_its_values_apart() -> None:
    values = [np.array([1.0, 2.0]), np.array([1.0, 2.0], np.float32), np.array([[1.0, 2.0]]), [1.0, 2.0], "[1.0, 2.0]"]
    assert len({module._described(partial(mark, "", value)) for value in values}) == len(values)
    assert len({module._described(partial(one, "")) for one in (draw_confusion, draw_lines)}) == 2


def test_several_processes_draw_each_picture_once_and_the_same(tmp_path: Path) -> None:
    matrices = {f"m{number}": np.array([[number + 1, 1], [0, 2]]) for number in range(7)}
    for processes in (1, 3):
        pictures = asked(tmp_path / str(processes), d=4.0, e=5.0)
        for name, matrix in matrices.items():
            pictures.draw(name, partial(draw_confusion, matrix, ("a", "b")), "alt")
        assert len(pictures.finish(processes)) == 12
        assert drawn(tmp_path / str(processes)) == [f"one-{name}" for name in "abcde"]
    one, three = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in "13")
    assert len(one) == 2 * 12 + 1
    assert one == three


def test_page_and_pdf_share_one_drawing_of_each_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[str] = []
    save = Figure.savefig

    def counted(self: Figure, path: Path, **options: object) -> None:
        saved.append(path.stem)
        save(self, path, **options)

    monkeypatch.setattr(Figure, "savefig", counted)
    experiment = write_experiment(tmp_path / "e-digits")
    page = make_report([experiment])
    left = {path.stem for path in (page.parent / "figures").glob("*.svg")}
    assert len(left) == 11
    assert sorted(saved) == sorted(left)
    before = page.read_bytes()
    saved.clear()
    assert make_report([experiment]).read_bytes() == before
    assert saved == []
    comparison = json.loads((experiment / "comparison.json").read_text())
    (experiment / "comparison.json").write_text(json.dumps({**comparison, "margin": 0.1}))
    assert make_report([experiment]).read_bytes() != before
    assert saved == ["comparison"]
