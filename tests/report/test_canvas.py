"""How figures are saved, held against Matplotlib's own drawing."""

from pathlib import Path

import numpy as np
from PIL import Image

from ffnn.figures.canvas import legend_below, new_grid, save_figure
from ffnn.figures.drawing import own_style


def grid(count: int) -> tuple[object, list[object]]:
    figure, panels = new_grid(count, 4, 2.2, 1.55, "epoch", sharex=True, sharey=True)
    for number, panel in enumerate(panels):
        (line,) = panel.plot([0, 10_000], [0, 1e-5 * number])
        panel.set_title(f"condition-{number}", fontsize=9, y=1.0)
    figure.supylabel("norm of the gradient", fontsize=9)
    legend_below(figure, ([line, line], ["first", "last"]), 2)
    return figure, panels


@own_style()
def test_the_png_shows_what_matplotlib_would_draw(tmp_path: Path) -> None:
    figure, panels = grid(5)
    panels[0].imshow(np.arange(12.0).reshape(3, 4), extent=(0, 9000, 0, 5e-5), aspect="auto")
    save_figure(figure, tmp_path / "one $ä (1).png")
    figure.savefig(tmp_path / "reference.png", dpi=130)
    one, reference = (_coarse(tmp_path / name) for name in ("one $ä (1).png", "reference.png"))
    assert one.shape == reference.shape
    assert np.abs(one - reference).mean() < 2
    assert np.abs(one - reference[::-1]).mean() > 10


def _coarse(path: Path) -> np.ndarray:
    """Means over squares of 8 pixels: two programs agree on what is there, not on the edges of letters."""
    image = Image.open(path).convert("RGB")
    return np.asarray(image.resize((image.width // 8, image.height // 8), Image.Resampling.BOX), float)
