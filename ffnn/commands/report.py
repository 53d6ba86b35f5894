"""`ffnn report`: from run directories to a page, a PDF, a table and figures."""

from pathlib import Path

import click

from ffnn.errors import FFNNError
from ffnn.terminal import say


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, type=Path)
@click.option("--out", metavar="FOLDER", type=Path, help="Where to; by default the folder `report` in PATH.")
@click.option("--no-pdf", is_flag=True, help="Write the page only.")
@click.option("--written", metavar="FILE.md", type=Path, help="Write one text on all experiments instead, and a PDF.")
def report(paths: tuple[Path, ...], out: Path | None, no_pdf: bool, written: Path | None) -> None:
    """Make a report on runs, experiments or sweeps: report.html, report.pdf, runs.csv and figures.

    PATH is a run, a folder that `ffnn run` or `ffnn sweep` has filled, or any folder with such in it.
    The page is one file that opens without a network. Pictures are drawn on all cores, and only those that changed.

    \b
    ffnn report runs/exp3-optimizers-digits
    ffnn report runs/train/RUN --out report
    ffnn report runs --written REPORT.md
    """
    from ffnn.backend.threads import usable_cores
    from ffnn.report.make import make_report, make_written_report

    if not paths:
        raise FFNNError("expected a run or a folder with runs, such as runs/exp1-baseline-digits; received none")
    if written:
        for path in make_written_report(paths, written):
            say(f"wrote {path}")
        return
    page = make_report(paths, out, not no_pdf, usable_cores())
    say(f"report {page}")
    if not no_pdf:
        say(f"pdf    {page.with_suffix('.pdf')}")
    say(f"table  {page.with_name('runs.csv')}")
