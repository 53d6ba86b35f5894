"""`ffnn sweep`: a sweep file from the command line to finished runs."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from ffnn.commands import ANY_SETTING, STACK_HELP, WorkersType
from ffnn.errors import FFNNError
from ffnn.terminal import say

STORAGE_HELP = (
    "Journal file or postgresql:// URL that several machines share; its password comes from PGPASSWORD or ~/.pgpass."
)
WORKERS_HELP = (
    "Trials, or stacks of them, at a time; auto is as many as cores and memory allow, and 1 for bayes, "
    "early_terminate and a target, where the number decides what is tried, and for times. [auto]"
)


@click.command(context_settings=ANY_SETTING)
@click.argument("file", type=Path)
@click.option("--count", type=click.IntRange(min=1), help="Trials in all, with those that are there already.")
@click.option("--workers", type=WorkersType(), default="auto", help=WORKERS_HELP)
@click.option("--stack", type=click.IntRange(min=1), default=1, show_default=True, help=STACK_HELP)
@click.option("--seed", type=click.IntRange(min=0), help="Of the search; the same seed tries the same trials. [0]")
@click.option("--resume", is_flag=True, help="Go on with the sweep that is there; runs killed trials again.")
@click.option("--retry-failed", is_flag=True, help="Run failed and timed-out trials again, too.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), help="Seconds after which a trial hangs.")
@click.option("--storage", metavar="PLACE", help=STORAGE_HELP)
@click.option("--check", is_flag=True, help="Explain the file in words, and start nothing.")
@click.pass_context
def sweep(
    ctx: click.Context,
    file: Path,
    count: int | None,
    workers: int | None,
    stack: int,
    seed: int | None,
    resume: bool,
    retry_failed: bool,
    timeout: float | None,
    storage: str | None,
    check: bool,
) -> None:
    """Run the W&B sweep FILE without W&B.

    Any setting of `ffnn train` may follow; it holds for every trial. Crashed, hanging and killed trials
    cost one trial each. Ctrl-C stops; --resume goes on. With --storage, several `ffnn sweep` of the same
    file share one sweep. (--seed is the search's; give the networks' as a parameter `seed` of the file.)

    With --stack, trials of one shape are trained together: what kills their process costs all of them, and
    their timeout is as many times as long. A Bayesian search proposes them together, as it does for workers.

    \b
    ffnn sweep sweeps/lr_bayes.yaml --check
    ffnn sweep sweeps/lr_bayes.yaml --count=10 --dataset=digits --epochs=5
    ffnn sweep sweeps/search_random.yaml --count=40 --workers=4 --storage=/shared/search.log
    """
    with _loading_line(file):
        from ffnn.lab.command_line import parse_settings
        from ffnn.sweep.analysis import present
        from ffnn.sweep.engine import Wish
        from ffnn.sweep.explain import explain
        from ffnn.sweep.plan import make_plan
        from ffnn.sweep.schema import read_sweep
        from ffnn.sweep.session import make_sampler, open_sweep, run_sweep

        described, settings = read_sweep(file), parse_settings(ctx.args)
        wish = Wish(count, workers, seed, timeout, storage, resume, retry_failed, stack)
        begun = None if check else open_sweep(described, settings, wish)
    if begun is None:
        plan = make_plan(described, settings, seed, count, {})
        lines, problems = explain(plan, make_sampler(plan))
        say("\n".join([*lines, *(f"problem: {problem}" for problem in problems)]))
        ctx.exit(2 if problems else 0)
    from ffnn.sweep.postgres import StorageAwayError

    plan, ledger = begun
    ctx.call_on_close(ledger.storage.close)
    try:
        trials = run_sweep(plan, ledger, wish, sys.stderr.isatty())
    except KeyboardInterrupt:
        present(ledger.trials(), plan)
        say("stopped: the same command with --resume goes on from here", err=True)
        raise
    except StorageAwayError as problem:
        raise FFNNError(f"{problem}; when it is back, go on with: {_command_to_go_on()}") from None
    present(trials, plan)
    if not any(trial.best is not None for trial in trials.values()):
        ctx.exit(1)


def _command_to_go_on() -> str:
    from ffnn.tracking.environment import recorded_command

    words = sys.argv[1:]
    return recorded_command(["ffnn", *words, *([] if "--resume" in words else ["--resume"])])


@contextmanager
def _loading_line(file: Path) -> Iterator[None]:
    """On a terminal, a line while the libraries load; it makes room for whatever comes next."""
    terminal = sys.stderr.isatty()
    if terminal:
        say(f"{file}: getting ready ...", err=True, nl=False)
    try:
        yield
    finally:
        if terminal:
            click.echo("\r\x1b[2K", err=True, nl=False)
