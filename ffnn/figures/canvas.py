"""What all figures share: colours, sizes, and how they are saved.

Colours are Okabe and Ito's eight, which the colour-blind can tell apart; lines differ in dashes and marks as well.
"""

import math
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ffnn.files import storing

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
DASHES = ("-", "--", ":")
MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")
WORTH_A_LOG = 5.0

GAP = 0.05
"""Inches between what must not touch."""

PAGE = b"#set page(width: auto, height: auto, margin: 0pt)\n#image(sys.inputs.name)"
"""For Typst: nothing but the picture of that name."""


class Style(NamedTuple):
    """How one of several lines is drawn."""

    colour: str
    dashes: str
    mark: str


def style(number: int) -> Style:
    """The style of the line with this number, from 0; 21 differ in colour or dashes.

    Yellow is left to areas: no thin line of it can be seen on white.
    """
    colours = COLOURS[:-1]
    return Style(
        colours[number % len(colours)], DASHES[number // len(colours) % len(DASHES)], MARKS[number % len(MARKS)]
    )


def new_figure(width: float, height: float, columns: int = 1) -> tuple[Any, Any]:
    """A figure, width and height in inches, and its axes."""
    # Figures are made without pyplot, which would keep them all and ask for a display.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(1, columns)


def new_grid(
    count: int, columns: int, width: float, height: float, xlabel: str, **shared: Any
) -> tuple[Any, list[Any]]:
    """A figure of `count` panels, each so large in inches, in rows of `columns`; `shared` goes to `subplots`.

    The label stands below the last panel of each column.
    """
    from matplotlib.figure import Figure

    columns = min(columns, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False, **shared).flat)
    for panel in panels[count:]:
        panel.remove()
    for panel in panels[max(0, count - columns) : count]:
        panel.set_xlabel(xlabel, fontsize=9)
        panel.tick_params(labelbottom=True)
    return figure, panels[:count]


def log_scale(axis: Any, values: Iterable[float]) -> None:
    """Make an axis, `axes.xaxis` or `axes.yaxis`, logarithmic, with plain numbers, if its values differ enough.

    They do if the largest is at least 5 times as large as the smallest; what is not above 0 is not counted.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    shown = [value for value in values if value > 0 and math.isfinite(value)]
    ratio = max(shown) / min(shown) if shown else 1.0
    if ratio < WORTH_A_LOG:
        return
    (axis.axes.set_xscale if axis is axis.axes.xaxis else axis.axes.set_yscale)("log")
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if ratio < 50 else (1,), numticks=8))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def legend_below(figure: Any, entries: tuple[Any, Any], columns: int) -> None:
    """A legend of handles and labels under everything else, its lines long enough to show their dashes."""
    figure.legend(*entries, loc="outside lower center", ncols=columns, frameon=False, fontsize=8, handlelength=3.6)


def place_alike(figure: Any, panels: Sequence[Any]) -> None:
    """Give panels of a grid that share both axes their places, by what the first of the last row needs around it.

    Matplotlib's own layout, in charge where a title is wider than a panel, measures each twice, which takes longer
    than to draw them. To be done when all else is there: names, ticks and a legend below.
    """
    grid, dpi, (width, height) = panels[0].get_gridspec(), figure.dpi, figure.get_size_inches()
    if max(panel.title.get_window_extent().width for panel in panels) > 0.9 * width / grid.ncols * dpi:
        return
    figure.set_layout_engine(None)
    corner = panels[-1 - (len(panels) - 1) % grid.ncols]
    inner, outer = corner.get_window_extent(), corner.get_tightbbox()
    left = (max(text.get_window_extent().x1 for text in figure.texts) + inner.x0 - outer.x0) / dpi + GAP
    below = max((legend.get_window_extent().y1 for legend in figure.legends), default=0.0)
    bottom, top = (below + inner.y0 - outer.y0) / dpi + GAP, (outer.y1 - inner.y1) / dpi + GAP
    right = max(outer.x1 - inner.x1, 0.0) / dpi + GAP
    # The first number of the horizontal axis reaches to the left of the panel, and its neighbour's last to the right.
    between = right + max(inner.x0 - corner.xaxis.get_tightbbox().x0, 0.0) / dpi + GAP
    across = (width - left - right - (grid.ncols - 1) * between) / grid.ncols
    up = (height - bottom - top - (grid.nrows - 1) * (top + GAP)) / grid.nrows
    figure.subplots_adjust(
        left / width, bottom / height, 1 - right / width, 1 - top / height, between / across, (top + GAP) / up
    )


def save_figure(figure: Any, path: Path) -> None:
    """Save a figure as SVG and as PNG; `path` names either, the other is beside it.

    Its folder is made; StorageError where the disk does not take it.
    """
    import typst
    from matplotlib import rc_context

    svg = path.with_suffix(".svg")
    # The same numbers give the same bytes: no date, and no names drawn by lot.
    with storing(svg), warnings.catch_warnings(), rc_context({"svg.hashsalt": "ffnn"}):
        path.parent.mkdir(parents=True, exist_ok=True)
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        if engine := figure.get_layout_engine():
            # An engine that is left in the figure would have it drawn twice, once to find where everything goes.
            engine.execute(figure)
            figure.set_layout_engine(None)
        figure.savefig(svg, metadata={"Date": None})
        # To read its shapes takes a fraction of the time in which Matplotlib would draw them again.
        options: dict[str, Any] = {"root": path.parent, "ignore_system_fonts": True, "sys_inputs": {"name": svg.name}}
        path.with_suffix(".png").write_bytes(typst.compile(PAGE, format="png", ppi=130, **options))
