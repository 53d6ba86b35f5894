"""`ffnn run`: experiment files, checked together and then run one after another."""

from functools import partial
from pathlib import Path

import click

from ffnn.commands import STACK_HELP, WORKERS_HELP, WorkersType
from ffnn.errors import FFNNError
from ffnn.terminal import say


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("files_and_settings", metavar="EXPERIMENT... [--SETTING=VALUE]...", nargs=-1, type=click.UNPROCESSED)
@click.option("--seeds", type=click.IntRange(min=1), help="Runs of each condition, with seeds 0, 1, ...")
@click.option("--workers", type=WorkersType(), default="auto", help=WORKERS_HELP)
@click.option("--stack", type=click.IntRange(min=1), default=1, show_default=True, help=STACK_HELP)
@click.option("--fresh", is_flag=True, help="Run everything, whatever is there already.")
@click.option("--check", is_flag=True, help="Explain the files in words, and run nothing.")
@click.pass_context
def run(
    ctx: click.Context,
    files_and_settings: tuple[str, ...],
    seeds: int | None,
    workers: int | None,
    stack: int,
    fresh: bool,
    check: bool,
) -> None:
    """Run experiment files, compare their conditions, and test what was expected.

    Any setting of `ffnn train` may follow and holds for all runs. With --stack, runs that have shape, data and
    kind of optimizer in common take their steps together, to the same results; their times are then the whole
    stack's, and no claim is tested on them. Alone are runs with augmentation, checkpoints within epochs, a
    full batch or another framework. Runs that are already there with
    the very same settings, code and data are not run again, unless with --fresh. Several files end
    in one table: what was expected, what was found, with what certainty. Everything that is wrong in any
    of the files or settings is told before the first run begins.

    \b
    ffnn run experiments/exp3-optimizers.yaml --check
    ffnn run experiments/exp3-optimizers.yaml --dataset=digits --epochs=5 --seeds=3 --workers=2
    """
    from ffnn.experiment.check import check_files
    from ffnn.lab.command_line import parse_settings, split_words

    files, words = split_words(files_and_settings)
    if not files:
        raise FFNNError("expected an experiment file, such as experiments/exp3-optimizers.yaml; received none")
    settings = parse_settings(words)
    checked, problems = check_files([Path(file) for file in dict.fromkeys(files)], settings, seeds)
    for problem in problems:
        say(f"ffnn: {problem}", err=True)
    if problems:
        ctx.exit(2)
    if check:
        from ffnn.experiment.words import explanation

        for experiment in checked:
            say("\n".join(explanation(experiment)))
        return
    from ffnn.backend.threads import usable_cores
    from ffnn.experiment.series import run_series
    from ffnn.report.make import make_report

    try:
        complete = run_series(checked, workers, fresh, partial(make_report, processes=usable_cores()), stack)
    except KeyboardInterrupt:
        say("stopped: what is finished stays; the same command goes on from there", err=True)
        raise
    if not complete:
        ctx.exit(1)
