"""What `ffnn compare` prints: one row a group, at the width of the terminal."""

import math
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ffnn.comparison.groups import Group
from ffnn.comparison.sparkline import sparkline
from ffnn.lab.experiment.findings import count_of, format_p
from ffnn.lab.experiment.measures import Measure
from ffnn.lab.experiment.present import STYLES

ON_PAPER = 110
"""Letters of a line where there is no terminal that says how many it has."""


def present_groups(
    groups: Sequence[Group], by: Sequence[str], measure: Measure, partners: Sequence[str], curve: str | None,
    margin: float,
) -> None:  # fmt: skip
    """Print the table and what its figures are.

    Parameters
    ----------
    groups : sequence of Group
        One of them the reference.
    by : sequence of str
        What they are grouped by.
    measure : Measure
    partners : sequence of str
        Settings in which the runs of a pair agree.
    curve : str, optional
        The name of the history that the sparklines show.
    margin : float
    """
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=ON_PAPER)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column(escape(", ".join(by) or "group"), overflow="fold")
    for heading in ("n", measure.heading, "difference", "p"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    if curve:
        table.add_column("epochs", no_wrap=True)
    seen = [value for group in groups for value in group.curve if math.isfinite(value)]
    low, high = min(seen, default=0.0), max(seen, default=0.0)
    for group in groups:
        style = STYLES.get(group.verdict)
        verdict = f"[{style}]{group.verdict}[/{style}]" if style else group.verdict
        difference = group.pairs.mean.format(measure.scale, measure.digits, "+") if group.pairs else ""
        p = format_p(group.p) if group.pairs else ""
        mean = group.mean.format(measure.scale, measure.digits)
        cells = [escape(_named(group)), str(len(group.runs)), mean, difference, p, verdict]
        table.add_row(*cells, *([sparkline(group.curve, low, high)] if curve else []))
    console.print(table)
    console.print(f"\n[dim]{escape(_legend(groups, measure, partners, margin))}[/dim]")
    if curve:
        console.print(f"[dim]epochs: {escape(curve)}, mean over runs, from {low:.4g} to {high:.4g}.[/dim]")
    lonely = [group.name for group in groups if group.pairs and not group.pairs.mean.count]
    if lonely:
        console.print(f"[yellow]No pairs with the reference: {escape('; '.join(lonely))}.[/yellow]")


def _named(group: Group) -> str:
    diverged = sum(bool(run.summary.get("diverged")) for run in group.runs)
    unfinished = sum(run.summary.get("status") not in ("finished", "diverged") for run in group.runs)
    remarks = [f"{diverged} diverged"] * bool(diverged) + [f"{unfinished} not finished"] * bool(unfinished)
    return f"{group.name} ({', '.join(remarks)})" if remarks else group.name


def _legend(groups: Sequence[Group], measure: Measure, partners: Sequence[str], margin: float) -> str:
    runs = sum(len(group.runs) for group in groups)
    text = f"{count_of(runs, 'run')}; mean ± 95 % interval."
    reference = next((group.name for group in groups if group.pairs is None), None)
    if len(groups) > 1 and reference is not None:
        paired = f", paired by {' and '.join(partners)}" if partners else ""
        within = f"±{measure.scale * margin:g} {measure.unit}".rstrip()
        text += (
            f" Difference to ({reference}){paired}; p: t test of pairs, Holm-corrected over the rows; equal: within "
            f"{within}."
        )
    if groups and max(len(group.runs) for group in groups) < 2:
        text += " One run a group: no interval and no test."
    return text
