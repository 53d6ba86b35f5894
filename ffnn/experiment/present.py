"""What `ffnn run` prints: an experiment's table and verdict, and one table over several experiments.

All numbers and words come from the comparison; here they only find their place on a terminal.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path

from rich import box
from rich.markup import escape
from rich.table import Table

from ffnn.comparison.groups import Group
from ffnn.comparison.measures import CHOICE, MEASURES
from ffnn.comparison.present import coloured, table_of, tested_cells
from ffnn.console import Console
from ffnn.experiment.comparison import Comparison
from ffnn.experiment.findings import caveats, certainty_in_words, finding_in_brief, finding_in_words, notes
from ffnn.experiment.tables import write_comparison, write_runs
from ffnn.lab.config import Config
from ffnn.lab.offline import has_record, told_to_wandb
from ffnn.tracking import RunRecord
from ffnn.words import count_of

MakeReport = Callable[[Sequence[Path]], Path]
"""From folders with runs to the page about them."""

WIDEST = 1000
"""Letters of a line, on a terminal without an edge."""


def present_comparison(comparison: Comparison, name: str) -> None:
    """Print what was found: the experiment's name on its data set, tables with their footnotes, and the verdict."""
    console = _console()
    console.print(f"\n[bold]{escape(name)}[/bold]: {escape(comparison.experiment.question)}")
    if comparison.runs < comparison.planned:
        console.print(f"[yellow]{comparison.runs} of {comparison.planned} runs are there.[/yellow]")
    console.print(_fitting(_conditions(comparison), console))
    if comparison.judged:
        console.print()
        console.print(_fitting(_claims(comparison), console))
    console.print()
    console.print(_legend(comparison))
    for line in notes(comparison):
        console.print(f"[dim]{escape(line)}[/dim]")
    for line in caveats(comparison):
        console.print(f"[yellow]{escape(line)}[/yellow]")
    console.print()
    console.print(f"[bold]Expected[/bold]: {escape(comparison.experiment.expected)}")
    console.print(f"[bold]Found[/bold]: {escape(finding_in_words(comparison))}.")
    console.print(f"[bold]Verdict[/bold]: {coloured(comparison.verdict, certainty_in_words(comparison))}.\n")


def leave_files(
    comparison: Comparison,
    config: Config,
    records: Mapping[str, Sequence[RunRecord]],
    report: MakeReport,
    command: str = "",
) -> None:
    """Write tables and the report beside the runs, and print where they are.

    The config is that of any run: it names the folder. `report` makes the report from the folder; what it raises as
    OSError costs the report alone. `command` runs the experiment again.
    """
    folder = Path(config.runs_dir) / config.group
    write_runs(records, folder / "runs.csv")
    table, numbers = write_comparison(comparison, folder, command)
    places = {"runs": f"{folder}/", "tables": f"{folder / 'runs.csv'}, {table.name}, {numbers.name}"}
    try:
        places["report"] = f"{report([folder])}, report.pdf, figures/"
    except OSError as problem:
        places["report"] = f"not written: {problem}; make it later: ffnn report {folder}"
    sent = told_to_wandb(folder, "trials/*/*" if comparison.experiment.search else "*")
    if sent:
        places["W&B"] = sent
    recorded = (run.path for runs in records.values() for run in runs if has_record(run.path))
    for path in islice(recorded, 1):
        places[""] = f"to look at one in the terminal: wandb leet {path}/wandb"
    console = _console()
    for name, place in places.items():
        console.print(f"{name:<8}{escape(place)}", soft_wrap=True)


def present_summary(title: str, outcomes: Mapping[str, Comparison | str]) -> None:
    """Print one table over experiments: what was expected and found with what certainty, or why nothing was."""
    table = Table(title=escape(title), show_lines=True, box=box.HORIZONTALS, padding=(0, 1), title_style="bold")
    table.caption = "Each experiment's verdict errs with at most 5 %; over several, nothing is corrected."
    table.add_column("experiment", no_wrap=True, overflow="fold")
    table.add_column("expected", ratio=5)
    table.add_column("found", ratio=4)
    table.add_column("certainty", ratio=3)
    for name, outcome in outcomes.items():
        if isinstance(outcome, Comparison):
            words = coloured(outcome.verdict, certainty_in_words(outcome))
            if outcome.runs < outcome.planned:
                words += f" [yellow]({outcome.runs} of {outcome.planned} runs)[/yellow]"
            table.add_row(escape(name), escape(outcome.experiment.expected), escape(finding_in_brief(outcome)), words)
        else:
            table.add_row(escape(name), "", escape(outcome), "[red]none[/red]")
    console = _console()
    console.print()
    console.print(table)


def _console() -> Console:
    """A terminal as wide as it is; files and pipes get room enough for every table."""
    console = Console(markup=True, highlight=False)
    return console if console.is_terminal else Console(markup=True, highlight=False, width=max(console.width, 110))


def _conditions(comparison: Comparison) -> Table:
    measure, metric = comparison.measure, comparison.experiment.metric
    choice = [CHOICE] * (metric != CHOICE)
    headings = [*(MEASURES[name].heading for name in choice), measure.heading, "difference", "p", "effect"]
    table = table_of("condition", headings)
    for group in comparison.groups:
        chosen = [comparison.mean(group.name, name) for name in choice]
        table.add_row(
            escape(_named(comparison, group)),
            *(MEASURES[CHOICE].format(mean).partition(" ")[0] for mean in chosen),
            measure.format(group.mean),
            *tested_cells(measure, group.pairs, group.p, group.verdict),
        )
    return table


def _fitting(table: Table, console: Console) -> Table:
    """The table without what says least, where the terminal is too narrow for names on one line each.

    A column of dashes always goes; what is left out stands in comparison.csv.
    """
    room = console.options.update(max_width=WIDEST)
    for heading in ("effect", MEASURES[CHOICE].heading):
        for column in [column for column in table.columns[1:-1] if column.header == heading]:
            empty = all(cell in ("", "-") for cell in column.cells)
            if empty or console.measure(table, options=room).maximum > console.width:
                table.columns.remove(column)
    return table


def _named(comparison: Comparison, group: Group) -> str:
    counts = {"diverged": group.diverged, "missing": comparison.missing(group)}
    remarks = [f"{count} {what}" for what, count in counts.items() if count]
    return f"{group.name} ({', '.join(remarks)})" if remarks else group.name


def _legend(comparison: Comparison) -> str:
    margin = comparison.measure.within(comparison.experiment.compare.margin)
    seeds = count_of(comparison.seeds, "seed")
    effect = "; effect: Hedges' g of pairs" if comparison.seeds > 2 else ""
    return (
        f"[dim]Mean ± 95 % interval over {seeds}, on one split; test figures at the epoch that was best on validation. "
        f"Difference to {escape(comparison.reference)}, paired by seed; p: t test of pairs, Holm-corrected over "
        f"its table{effect}; equal: within ±{margin}.[/dim]"
    )


def _claims(comparison: Comparison) -> Table:
    table = table_of("expected", ["difference", "p", "effect"])
    for result in comparison.judged:
        cells = tested_cells(MEASURES[result.claim.measure], result.pairs, result.p, result.verdict)
        table.add_row(escape(result.claim.text), *cells)
    return table
