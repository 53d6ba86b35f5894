"""What `ffnn run` prints: an experiment's table and verdict, and one table over several experiments.

All numbers and words come from the comparison; here they only find their place on a terminal.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ffnn.errors import FFNNError
from ffnn.lab.config import Config
from ffnn.lab.experiment.comparison import Comparison, Row
from ffnn.lab.experiment.findings import caveats, certainty_in_words, format_effect, format_p, found_in_words
from ffnn.lab.experiment.measures import CHOICE, MEASURES
from ffnn.lab.experiment.tables import write_comparison, write_runs
from ffnn.tracking import RunRecord

STYLES = {
    "confirmed": "green",
    "contradicted": "red",
    "undecided": "yellow",
    "better": "green",
    "worse": "red",
    "reference": "bold",
}


def present_experiment(
    comparison: Comparison, config: Config, records: Mapping[str, Sequence[RunRecord]], command: str = ""
) -> None:
    """Print the comparison, and leave tables and a report beside the runs.

    Parameters
    ----------
    comparison : Comparison
    config : Config
        Of any run: it names the folder.
    records : mapping from condition to its runs
    command : str, default ""
        That runs the experiment again.
    """
    console = _console()
    folder = Path(config.runs_dir) / config.group
    console.print(f"\n[bold]{escape(config.group)}[/bold]: {escape(comparison.experiment.question)}")
    console.print(_conditions(comparison))
    console.print()
    console.print(_legend(comparison))
    for line in caveats(comparison):
        console.print(f"[yellow]{escape(line)}[/yellow]")
    if comparison.judged:
        console.print()
        console.print(_claims(comparison))
        console.print()
    console.print(f"[bold]Expected[/bold]: {escape(comparison.experiment.expected)}")
    console.print(f"[bold]Found[/bold]: {escape(found_in_words(comparison))}.")
    console.print(f"[bold]Verdict[/bold]: {_coloured(comparison.verdict, certainty_in_words(comparison))}.\n")
    for name, place in _leave_files(comparison, folder, records, command).items():
        console.print(f"{name:<8}{place}", soft_wrap=True)


def present_summary(title: str, outcomes: Mapping[str, Comparison | FFNNError]) -> None:
    """Print one table over experiments: what was expected, what was found, and with what certainty.

    Parameters
    ----------
    title : str
    outcomes : mapping from name to Comparison, or to the error that kept it from ending
    """
    table = Table("experiment", "expected", "found", "certainty", title=escape(title), show_lines=True)
    for name, outcome in outcomes.items():
        if isinstance(outcome, Comparison):
            words = _coloured(outcome.verdict, certainty_in_words(outcome))
            table.add_row(escape(name), escape(outcome.experiment.expected), escape(found_in_words(outcome)), words)
        else:
            table.add_row(escape(name), "", escape(f"not run: {outcome}"), "[red]none[/red]")
    _console().print(table)


def _console() -> Console:
    """A terminal as wide as it is; files and pipes get room enough for every table."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=max(console.width, 110))


def _conditions(comparison: Comparison) -> Table:
    measure, experiment = comparison.measure, comparison.experiment
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("condition", overflow="fold")
    if experiment.metric != CHOICE:
        table.add_column(MEASURES[CHOICE].heading, justify="right")
    for heading in (measure.heading, "difference", "p", "effect"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for row in comparison.rows:
        cells = [escape(_named(row))]
        if experiment.metric != CHOICE:
            cells.append(row.means[CHOICE].format(MEASURES[CHOICE].scale).partition(" ")[0])
        cells.append(row.means[experiment.metric].format(measure.scale, measure.digits))
        difference = row.pairs.mean.format(measure.scale, measure.digits, "+") if row.pairs else ""
        effect = format_effect(row.pairs.effect) if row.pairs else ""
        cells += [difference, format_p(row.p) if row.pairs else "", effect, _coloured(row.verdict, row.verdict)]
        table.add_row(*cells)
    return table


def _named(row: Row) -> str:
    remarks = [f"{row.diverged} diverged"] * bool(row.diverged) + [f"{row.missing} failed"] * bool(row.missing)
    return f"{row.condition} ({', '.join(remarks)})" if remarks else row.condition


def _legend(comparison: Comparison) -> str:
    experiment, measure = comparison.experiment, comparison.measure
    margin = f"{measure.scale * experiment.compare.margin:g} {measure.unit}".strip()
    seeds = f"{comparison.seeds} seeds" if comparison.seeds > 1 else "one seed"
    return (
        f"[dim]Mean ± 95 % interval over {seeds}, on one split; test figures at the epoch that was best on validation. "
        f"Difference to {escape(comparison.reference)}, paired by seed; p: t test of pairs, Holm-corrected over "
        f"the rows; effect: Hedges' g of pairs; equal: within ±{margin}.[/dim]"
    )


def _claims(comparison: Comparison) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("expected", overflow="fold")
    for heading in ("difference", "p", "effect"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for one in comparison.judged:
        measure = MEASURES[one.claim.measure]
        difference = one.pairs.mean.format(measure.scale, measure.digits, "+")
        verdict = _coloured(one.verdict, one.verdict)
        table.add_row(escape(one.claim.text), difference, format_p(one.p), format_effect(one.pairs.effect), verdict)
    return table


def _coloured(verdict: str, text: str) -> str:
    style = STYLES.get(verdict)
    return f"[{style}]{escape(text)}[/{style}]" if style else escape(text)


def _leave_files(
    comparison: Comparison, folder: Path, records: Mapping[str, Sequence[RunRecord]], command: str
) -> dict[str, Path | str]:
    """Write tables and the report; what they are, and where."""
    from ffnn.report.make import make_report

    write_runs(records, folder / "runs.csv")
    table, numbers = write_comparison(comparison, folder, command)
    places: dict[str, Path | str] = {
        "runs": f"{folder}/",
        "tables": f"{folder / 'runs.csv'}, {table.name}, {numbers.name}",
    }
    try:
        page = make_report([folder])
        places["report"] = f"{page}, report.pdf, figures/"
    except OSError as problem:
        places["report"] = f"not written: {problem}; make it later: ffnn report {folder}"
    offline = [run.path for runs in records.values() for run in runs if list(run.path.glob("wandb/offline-run-*"))]
    if offline:
        places["W&B"] = f"{len(offline)} offline records; send them later: wandb sync {folder}/*/wandb"
        places[""] = f"look at one in the terminal: wandb leet {offline[0]}/wandb"
    return places
