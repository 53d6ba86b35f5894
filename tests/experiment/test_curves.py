"""Curves of many conditions: each can be told from all others, and small panels follow."""

from pathlib import Path
from typing import Any

import pytest

from ffnn.figures import curves
from ffnn.figures.curves import draw_curves


@pytest.mark.parametrize("count", [8, 14, 16])
def test_no_two_conditions_look_alike(count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures: list[Any] = []
    monkeypatch.setattr(curves, "save_figure", lambda figure, path: figures.append(figure))
    histories = {
        f"condition{number}": [[{"epoch": epoch, "val/loss": number / epoch} for epoch in (1, 2)]]
        for number in range(count)
    }
    draw_curves(histories, {"val/loss": "loss"}, "", tmp_path / "curves.png")
    (figure,) = figures
    lines = figure.axes[0].get_lines()
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == count
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(histories)
    # A dash and the gap after it, twice, have room beside the mark in the middle.
    assert legend.handlelength >= 3.5
