"""What a person sees while the race runs: a bar on a terminal, a line a cell elsewhere.

Nothing is drawn while a contender computes: the bar moves between cells only.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ffnn.bench.results import CellResult

if TYPE_CHECKING:
    from ffnn.console import Console


def follow(cells: Iterable[CellResult], total: int, console: "Console") -> Iterator[CellResult]:
    """All results, each told of and handed on when it comes."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, auto_refresh=False) as progress:
        bar = progress.add_task("racing", total=total)
        progress.refresh()
        for number, result in enumerate(cells, start=1):
            cell = f"{result.cell.network} batch {result.cell.batch_size}"
            progress.update(bar, advance=1, description=cell)
            progress.refresh()
            if not console.is_terminal:
                console.print(f"{number}/{total} {cell}: {result.images} images an epoch", soft_wrap=True)
            yield result
