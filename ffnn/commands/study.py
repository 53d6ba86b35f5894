"""`ffnn study`: a published study, repeated and written up."""

from pathlib import Path

import click

from ffnn.commands import WORKERS_HELP, WorkersType
from ffnn.errors import FFNNError
from ffnn.terminal import say


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("files_and_settings", metavar="STUDY [--SETTING=VALUE]...", nargs=-1, type=click.UNPROCESSED)
@click.option("--seeds", type=click.IntRange(min=1), help="Runs of each condition, with seeds 0, 1, ...")
@click.option("--workers", type=WorkersType(), default="auto", help=WORKERS_HELP)
@click.option("--fresh", is_flag=True, help="Run everything, whatever is there already.")
def study(files_and_settings: tuple[str, ...], seeds: int | None, workers: int | None, fresh: bool) -> None:
    """Repeat a published study, and write a page with its figures beside ours and a verdict on each of its claims.

    \b
    ffnn study experiments/studies/burakowski.yaml
    ffnn study experiments/studies/tobio.yaml --seeds=1 --epochs=5 --workers=2
    """
    from ffnn.lab.command_line import parse_settings, split_words
    from ffnn.studies.run import run_study
    from ffnn.tracking.environment import recorded_command

    files, settings = split_words(files_and_settings)
    if len(files) != 1:
        raise FFNNError(f"expected one study, such as experiments/studies/davies.yaml; received {len(files)}")
    options = [*settings, *([f"--seeds={seeds}"] if seeds else [])]
    command = recorded_command(["ffnn", "study", files[0], *options])
    page = run_study(Path(files[0]), parse_settings(settings), seeds, workers, fresh, command)
    say(f"page {page}, {page.with_suffix('.pdf').name}")
    say(f"tables {page.parent}/figures.csv, runs.csv, comparison.csv")
