"""Comparisons on a terminal: the tables of all commands, and what `ffnn compare` prints around its own.

A row is a group; below it stands what the figures are.
"""

import math
from collections.abc import Sequence

from rich import box
from rich.markup import escape
from rich.table import Table

from ffnn.comparison.by_settings import Compared, mean_curve
from ffnn.comparison.groups import Group
from ffnn.comparison.measures import Measure, counted_as_guessing
from ffnn.comparison.rows import MOODS, numbers_of, texts_of
from ffnn.comparison.settings import SEEDS
from ffnn.comparison.sparkline import sparkline
from ffnn.comparison.statistics import Pairs
from ffnn.console import Console
from ffnn.words import count_of

ON_PAPER = 110
"""Letters of a line where there is no terminal that says how many it has."""

MOST_LISTED = 6
"""Settings that the legend names."""

STYLES = {"good": "green", "bad": "red", "unsure": "yellow", "quiet": "bold"}


def coloured(verdict: str, text: str) -> str:
    """A text in the colour of a verdict, as Rich's markup."""
    style = STYLES[MOODS[verdict]] if verdict in MOODS else ""
    return f"[{style}]{escape(text)}[/{style}]" if style else escape(text)


def table_of(first: str, headings: Sequence[str]) -> Table:
    """An empty table of names, figures and verdicts; figures never break."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column(escape(first), overflow="fold")
    for heading in headings:
        table.add_column(escape(heading), justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    return table


def tested_cells(measure: Measure, pairs: Pairs | None, p: float, verdict: str) -> list[str]:
    """Difference, p, effect and verdict; of the reference only its verdict."""
    difference, p_shown, effect, _ = texts_of(numbers_of(pairs, p, verdict), measure) if pairs else [""] * 4
    return [difference, p_shown, effect, coloured(verdict, verdict)]


def present_groups(compared: Compared) -> None:
    """Print the table and what its figures are."""
    console = Console(markup=True, highlight=False)
    if not console.is_terminal:
        console = Console(markup=True, highlight=False, width=ON_PAPER)
    measure, groups = compared.measure, compared.groups
    table = table_of(", ".join(compared.by) or "group", ["n", measure.heading, "difference", "pairs", "p"])
    curves = [mean_curve(group.runs, compared.curve) if compared.curve else [] for group in groups]
    if compared.curve:
        table.add_column("epochs", no_wrap=True)
    finite = [value for curve in curves for value in curve if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    for group, curve in zip(groups, curves, strict=True):
        difference, p, _, verdict = tested_cells(measure, group.pairs, group.p, group.verdict)
        pairs = str(group.paired.count) if group.paired else ""
        cells = [escape(_named(compared, group)), str(_known(compared, group)), _mean(compared, group)]
        table.add_row(*cells, difference, pairs, p, verdict, *([sparkline(curve, low, high)] if compared.curve else []))
    console.print(table)
    console.print(f"\n[dim]{escape(' '.join(_legend(compared)))}[/dim]")
    if compared.curve:
        console.print(f"[dim]epochs: {escape(compared.curve)}, mean over runs, from {low:.4g} to {high:.4g}.[/dim]")
    for remark in _remarks(compared):
        console.print(f"[yellow]{escape(remark)}[/yellow]")


def _known(compared: Compared, group: Group) -> int:
    """Runs that have the metric."""
    return sum(math.isfinite(compared.measure.of(run)) for run in group.runs)


def _mean(compared: Compared, group: Group) -> str:
    text = compared.measure.format(group.mean)
    return text if math.isnan(group.spread) else f"{text} spread {compared.measure.shown(group.spread)}"


def _named(compared: Compared, group: Group) -> str:
    unfinished = sum(run.summary.get("status") not in ("finished", "diverged") for run in group.runs)
    unknown = len(group.runs) - _known(compared, group)
    counts = {"diverged": group.diverged, "not finished": unfinished, "without it": unknown}
    remarks = [f"{count} {what}" for what, count in counts.items() if count]
    return f"{group.name} ({', '.join(remarks)})" if remarks else group.name


def _legend(compared: Compared) -> list[str]:
    groups, measure, others = compared.groups, compared.measure, compared.averaged
    text = [f"{count_of(sum(len(group.runs) for group in groups), 'run')}."]
    if others:
        text.append(f"Besides seeds, runs of a group differ in {_listed(others)}.")
    if any(math.isfinite(group.mean.half_width) for group in groups):
        text.append(
            f"Mean ± 95 % interval over seeds{', each the mean over those settings; n counts runs' * bool(others)}."
        )
    if any(math.isfinite(group.spread) for group in groups):
        text.append(
            "Spread: the standard deviation of runs with different settings, which says nothing of how certain the "
            "mean is."
        )
    if len(groups) > 1:
        agree = " and ".join(
            ["seed"] * any(name in SEEDS for name in compared.varied) + ["those settings"] * bool(others)
        )
        text.append(f"Difference to ({compared.reference.name}){f', paired by {agree}' if agree else ''}.")
        if measure.better is None:
            text.append("Neither larger nor smaller is better.")
    if any(math.isfinite(group.p) for group in groups):
        once = ", a seed's pairs averaged to one" if others else ""
        equal = f"; equal: within ±{measure.within(compared.margin)}" if compared.margin is not None else ""
        text.append(f"p: t test of pairs{once}, Holm-corrected over the rows{equal}.")
    elif not any(math.isfinite(group.mean.half_width) for group in groups):
        text.append("No group has two seeds with the same settings: no interval and no test.")
    return text


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_LISTED
    return " and ".join(names) if more <= 0 else f"{', '.join(names[:MOST_LISTED])} and {more} more"


def _remarks(compared: Compared) -> list[str]:
    """What one must know to read the figures right."""
    measure, reference = compared.measure, compared.reference
    remarks = []
    guessing = sum(counted_as_guessing(run, measure) for group in compared.groups for run in group.runs)
    if guessing:
        remarks.append(
            f"Counted as guessing, for what divergence kept from being measured: {count_of(guessing, 'run')}."
        )
    lonely = [group.name for group in compared.groups if group.paired and not group.paired.count]
    if lonely:
        remarks.append(f"No pairs with the reference: {'; '.join(lonely)}.")
    for group in compared.groups:
        paired = group.paired
        if paired and paired.count and paired.partial:
            remarks.append(
                f"Some runs have no partner: over their {count_of(paired.count, 'pair')} ({group.name}) has "
                f"{measure.shown(paired.mean)} and ({reference.name}) {measure.shown(paired.reference_mean)}."
            )
    return remarks
