"""What all figures share: colours, sizes, and how they are saved.

Colours are Okabe and Ito's eight, which the colour-blind can tell apart; lines differ in dashes and marks as well.
"""

import math
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from ffnn.files import storing

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
DASHES = ("-", "--", ":")
MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")
WORTH_A_LOG = 5.0

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
        colours[number % len(colours)],
        DASHES[number // len(colours) % len(DASHES)],
        MARKS[number % len(MARKS)],
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
