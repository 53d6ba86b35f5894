"""The figures as tables: on the terminal, and as Markdown for a README.

Both are made from the same rows of text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ffnn.bench.results import CellResult, Summary, champion, floor_of, summarize

if TYPE_CHECKING:
    from rich.table import Table

ABSENT = "-"


@dataclass(frozen=True)
class TextTable:
    """A title, headings and rows of text."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]

    def rich(self) -> "Table":
        """For a terminal."""
        from rich.table import Table

        # Long names in two lines: all columns fit into 80 characters.
        headings = [heading.replace("-", "-\n").replace(" ", "\n") for heading in self.headings]
        table = Table(*headings, title=self.title, title_justify="left", box=None, pad_edge=False)
        for column in table.columns:
            column.justify = "right"
        for row in self.rows:
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        """For a README."""
        lines = [self.headings, ["--:"] * len(self.headings), *self.rows]
        return "\n".join([f"**{self.title}**", "", *(f"| {' | '.join(line)} |" for line in lines)])


def network_tables(results: Sequence[CellResult], names: Sequence[str]) -> list[TextTable]:
    """A table for each network: a row for each batch size, a column for each contender that took part."""
    first, bare = champion(results, names), floor_of(names)
    peers = [name for name in names if name not in (first, bare) and any(name in result.seconds for result in results)]
    headings = ["batch", f"{first} µs", *peers, f"/ {bare}"]
    return [
        TextTable(
            title,
            headings,
            [
                [
                    str(result.cell.batch_size),
                    shown_microseconds(result.step_microseconds(first)),
                    *(_number(result.ratio(name, first), ".2f") for name in peers),
                    _number(result.ratio(first, bare), ".2f"),
                ]
                for result in rows
            ],
        )
        for title, rows in network_titles(results).items()
    ]


def summary_lines(results: Sequence[CellResult], names: Sequence[str]) -> list[str]:
    """How to read the tables, a line for each peer, and one for the floor."""
    first, bare = champion(results, names), floor_of(names)
    legend = (
        f"microseconds of a step of {first}; the time of others divided by it, so above 1 they are slower; "
        f"{first}'s divided by that of the bare matrix products"
    )
    peers = [summarize(results, name, first) for name in names if name not in (first, bare)]
    lines = [legend, *(f"{peer.name}: {_spread(peer)} the time of {first}" for peer in peers if peer)]
    floor = summarize(results, first, bare)
    return [*lines, f"{first}: {_spread(floor)} the time of the bare matrix products"] if floor else lines


def markdown(tables: Sequence[TextTable], lines: Sequence[str]) -> str:
    """Tables, and lines about them, as one Markdown text."""
    return "\n\n".join([*(table.markdown() for table in tables), "\n".join(f"- {line}" for line in lines)]) + "\n"


def network_titles(results: Sequence[CellResult]) -> Mapping[str, list[CellResult]]:
    """Results by network, each network under its name and rule."""
    groups: dict[str, list[CellResult]] = {}
    for result in results:
        groups.setdefault(f"{result.cell.network}, {_rule(result)}", []).append(result)
    return groups


def _rule(result: CellResult) -> str:
    """The optimizer, and what else the network has."""
    description = result.cell.description
    extras = [f"dropout {description.dropout:g}"] if description.dropout else []
    extras += ["batch norm"] if description.batch_norm else []
    return description.optimizer + (f" with {' and '.join(extras)}" if extras else "")


def shown_microseconds(value: float | None) -> str:
    """With a tenth where it tells."""
    return _number(value, ".0f" if value is None or value >= 100 else ".1f")


def _number(value: float | None, form: str) -> str:
    return ABSENT if value is None else format(value, form)


def _spread(summary: Summary) -> str:
    cells = f"{summary.cells} cell{'s' * (summary.cells != 1)}"
    return f"{summary.least:.2f} to {summary.most:.2f} times (median {summary.median:.2f}, {cells})"
