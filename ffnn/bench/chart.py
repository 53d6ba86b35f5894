"""The race as a picture: how many times as long as ffnn each contender takes, a panel for each network.

The scale is logarithmic, because some take ten times as long.
"""

from collections.abc import Sequence
from pathlib import Path

from ffnn.bench.present import network_titles
from ffnn.bench.results import FLOORS, CellResult, champion
from ffnn.figures import COLOURS
from ffnn.figures.drawing import own_style
from ffnn.files import storing

GROUP = 0.86
"""Part of the axis between two batch sizes that bars fill."""

GREY = "#999999"
TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 4, 8, 16, 32)


@own_style()
def draw_race(results: Sequence[CellResult], names: Sequence[str], path: Path) -> None:
    """Bars of `ratio to the champion`; the file's ending decides the format."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    first = champion(results, names)
    others = [name for name in names if name != first and any(name in result.seconds for result in results)]
    panels = network_titles(results)
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(7.5 * columns, 3.6 * rows + 0.9), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    colours = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(others)} | dict.fromkeys(FLOORS, GREY)
    width = GROUP / max(1, len(others))
    for axes, (title, cells) in zip(grid, panels.items(), strict=False):
        for number, name in enumerate(others):
            ratios = [cell.ratio(name, first) or float("nan") for cell in cells]
            places = [place - GROUP / 2 + (number + 0.5) * width for place in range(len(cells))]
            axes.bar(places, [r - 1 for r in ratios], width * 0.92, 1, color=colours[name], label=name)
        axes.axhline(1, color="black", linewidth=1)
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(FixedLocator(TICKS))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_xticks(range(len(cells)), [str(cell.cell.batch_size) for cell in cells])
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("batch size")
        axes.grid(axis="y", alpha=0.3)
        axes.set_axisbelow(True)
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    for axes in grid[::columns]:
        axes.set_ylabel(f"time of a step / {first}'s")
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4 * columns, frameon=False)
    figure.suptitle(f"Training steps: bars above the line are slower than {first}", fontsize=12)
    with storing(path):
        figure.savefig(path, dpi=130)
