"""Two more tables: how near a step is to what the card can do, and what training several networks at once is worth.

The first is arithmetic on what was measured of the card, the second on the race's own samples.
"""

import statistics
from collections.abc import Sequence
from typing import Any

from ffnn.bench.arithmetic import ASSUMED, bounds
from ffnn.bench.card import Card
from ffnn.bench.contenders import contender_class
from ffnn.bench.contenders.ffnn_stack import FFNNStack
from ffnn.bench.present import ABSENT, TextTable, shown_microseconds
from ffnn.bench.results import CellResult, champion


def floor_table(results: Sequence[CellResult], names: Sequence[str], card: Card) -> TextTable:
    """Of each cell: the first contender's step, its three bounds, and the step over the largest of them."""
    first = champion(results, names)
    rows = []
    for result in results:
        floor, taken = bounds(result.cell, card), result.step_microseconds(first)
        ratio = f"{taken / floor.by[floor.tightest]:.2f} ({floor.tightest})" if taken is not None else ABSENT
        limits = [f"{value:.1f}" for value in floor.by.values()]
        rows.append([result.cell.network, str(result.cell.batch_size), shown_microseconds(taken), *limits, ratio])
    headings = ["network", "batch", f"{first} µs", *ASSUMED, "/ largest"]
    return TextTable("The floor by arithmetic: microseconds that a step must take", headings, rows)


def floor_lines(card: Card) -> list[str]:
    """What was measured of the card, and what each bound assumes."""
    return [*card.lines(), *(f"{name}: {assumption}" for name, assumption in ASSUMED.items())]


def floor_record(results: Sequence[CellResult], card: Card) -> list[dict[str, Any]]:
    """The bounds of each cell, in plain values for a JSON file."""
    return [
        {"network": r.cell.network, "batch_size": r.cell.batch_size, "microseconds": dict(bounds(r.cell, card).by)}
        for r in results
    ]


def stack_tables(results: Sequence[CellResult], names: Sequence[str]) -> list[TextTable]:
    """Of contenders that train several networks at once: their time over that of one, and networks a second."""
    stacks = {name: contender for name in names if issubclass(contender := contender_class(name), FFNNStack)}
    tables = []
    for name, contender in stacks.items():
        count, alone, rival = contender.networks, contender.alone, contender.rival
        rows = [
            [
                result.cell.network,
                str(result.cell.batch_size),
                _times(result.ratio(name, alone), count),
                *(_per_second(result, other) for other in (name, alone, rival)),
                _times(result.ratio(rival, name), 1),
            ]
            for result in results
            if name in result.seconds
        ]
        headings = ["network", "batch", "all/one", name, alone, rival, f"/ {rival}"]
        title = f"{name}: time of {count} networks over that of one; networks a second, for an epoch of each"
        tables += [TextTable(title, headings, rows)] if rows else []
    return tables


def _times(ratio: float | None, factor: float) -> str:
    return ABSENT if ratio is None else f"{factor * ratio:.2f}"


def _per_second(result: CellResult, name: str) -> str:
    return f"{1 / statistics.median(result.seconds[name]):.2f}" if name in result.seconds else ABSENT
