"""`ffnn doctor`: what is wrong with runs, from their directories alone."""

from pathlib import Path

import click

from ffnn.errors import FFNNError


@click.command()
@click.argument("paths", metavar="RUN...", nargs=-1, type=Path)
@click.option("--strict", is_flag=True, help="Exit with code 1 if anything is found.")
@click.pass_context
def doctor(ctx: click.Context, paths: tuple[Path, ...], strict: bool) -> None:
    """Say what is wrong with a RUN, or with all runs of a folder: symptom, evidence and what to try.

    The exit code is 0 whether something is found or not; with --strict it is 1 where something is.

    \b
    ffnn doctor runs/train/RUN
    ffnn doctor runs/exp2-activations-digits --strict
    """
    from ffnn.diagnosis import Course, diagnose
    from ffnn.diagnosis.present import present_findings
    from ffnn.tracking import find_runs, read_run

    if not paths:
        raise FFNNError("expected a run or a folder with runs, such as runs/train; received none")
    directories = dict.fromkeys(run for path in paths for run in find_runs(path))
    if not directories:
        raise FFNNError(f"{', '.join(map(str, paths))}: expected a run, or a folder with runs in it; found none")
    runs = {path: read_run(path) for path in directories}
    findings = {path: diagnose(Course.of(run)) for path, run in runs.items()}
    present_findings(findings, {path: len(run.history) for path, run in runs.items()})
    if strict and any(findings.values()):
        ctx.exit(1)
