"""What `ffnn compare` prints: one row a group, at the width of the terminal, and below it what the figures are."""

import math
from collections.abc import Sequence

from rich import box
from rich.markup import escape
from rich.table import Table

from ffnn.comparison.groups import Compared, Group
from ffnn.comparison.settings import SEEDS
from ffnn.comparison.sparkline import sparkline
from ffnn.console import Console
from ffnn.experiment.findings import format_p
from ffnn.experiment.present import STYLES
from ffnn.words import count_of

ON_PAPER = 110
"""Letters of a line where there is no terminal that says how many it has."""

MOST_LISTED = 6
"""Settings that the legend names."""


def present_groups(compared: Compared) -> None:
    """Print the table and what its figures are."""
    console = Console(markup=True, highlight=False)
    if not console.is_terminal:
        console = Console(markup=True, highlight=False, width=ON_PAPER)
    measure, groups = compared.measure, compared.groups
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column(escape(", ".join(compared.by) or "group"), overflow="fold")
    for heading in ("n", escape(measure.heading), "difference", "pairs", "p"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    if compared.curve:
        table.add_column("epochs", no_wrap=True)
    seen = [value for group in groups for value in group.curve if math.isfinite(value)]
    low, high = min(seen, default=0.0), max(seen, default=0.0)
    for group in groups:
        style = STYLES.get(group.verdict)
        verdict = f"[{style}]{group.verdict}[/{style}]" if style else group.verdict
        paired = group.paired
        against = ["", "", ""]
        if paired:
            difference = paired.pairs.mean.format(measure.scale, measure.digits, "+")
            against = [difference, str(paired.count), format_p(group.p)]
        cells = [escape(_named(group)), str(group.known), _mean(compared, group), *against, verdict]
        table.add_row(*cells, *([sparkline(group.curve, low, high)] if compared.curve else []))
    console.print(table)
    console.print(f"\n[dim]{escape(' '.join(_legend(compared)))}[/dim]")
    if compared.curve:
        console.print(f"[dim]epochs: {escape(compared.curve)}, mean over runs, from {low:.4g} to {high:.4g}.[/dim]")
    for remark in _remarks(compared):
        console.print(f"[yellow]{escape(remark)}[/yellow]")


def _mean(compared: Compared, group: Group) -> str:
    scale, digits = compared.measure.scale, compared.measure.digits
    text = group.mean.format(scale, digits)
    return text if math.isnan(group.spread) else f"{text} spread {scale * group.spread:.{digits}f}"


def _named(group: Group) -> str:
    diverged = sum(bool(run.summary.get("diverged")) for run in group.runs)
    unfinished = sum(run.summary.get("status") not in ("finished", "diverged") for run in group.runs)
    unknown = len(group.runs) - group.known
    counts = {"diverged": diverged, "not finished": unfinished, "without it": unknown}
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
        within = f"±{measure.scale * compared.margin:g} {measure.unit}".rstrip() if compared.margin is not None else ""
        text.append(
            f"p: t test of pairs{once}, Holm-corrected over the rows{f'; equal: within {within}' * bool(within)}."
        )
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
    guessed = sum(group.guessed for group in compared.groups)
    if guessed:
        remarks.append(
            f"Counted as guessing, for what divergence kept from being measured: {count_of(guessed, 'run')}."
        )
    lonely = [group.name for group in compared.groups if group.paired and not group.paired.count]
    if lonely:
        remarks.append(f"No pairs with the reference: {'; '.join(lonely)}.")
    for group in compared.groups:
        paired = group.paired
        if paired and paired.count and paired.partial:
            own, other = (f"{measure.scale * value:.{measure.digits}f}" for value in (paired.own, paired.other))
            over = f"over their {count_of(paired.count, 'pair')}"
            remarks.append(
                f"Some runs have no partner: {over} ({group.name}) has {own} and ({reference.name}) {other}."
            )
    return remarks
