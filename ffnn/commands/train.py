"""`ffnn train`: one run, from its settings to its record, or on from where it was stopped."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ffnn.commands import ANY_SETTING, SettingsCommand
from ffnn.errors import FFNNError
from ffnn.terminal import say

if TYPE_CHECKING:
    from ffnn.tracking import RunRecord


@click.command(cls=SettingsCommand, context_settings=ANY_SETTING)
@click.option("--config", "config_file", type=Path, help="YAML file of settings; settings given here win over it.")
@click.option("--resume", "run", metavar="RUN", type=Path, help="Go on with this run, which was stopped or killed.")
@click.pass_context
def train(ctx: click.Context, config_file: Path | None, run: Path | None) -> None:
    """Train a network and record the run.

    \b
    ffnn train
    ffnn train --dataset=fashion_mnist --hidden_layers=[256,128] --optimizer=sgd --learning_rate=0.1
    ffnn train --config runs/train/RUN/config.yaml --seed=1
    ffnn train --resume runs/train/RUN
    ffnn train --resume runs/train/RUN --epochs=30

    Exit codes: 0 finished, 2 something to mend, 3 diverged (0 as a trial of a sweep, which goes on), 130 stopped.
    """
    from ffnn.diagnosis.present import last_line
    from ffnn.lab.command_line import config_of, parse_settings
    from ffnn.lab.run import train as run_training
    from ffnn.lab.summary import describe_result

    if run is None:
        record = run_training(config_of(config_file, parse_settings(ctx.args)))
    else:
        record = _resume(run, config_file, ctx.args)
    for line in filter(None, [*describe_result(record), last_line(record)]):
        say(line)
    ctx.exit(exit_code(record.summary["status"], os.environ))


def exit_code(status: str, environ: Mapping[str, str]) -> int:
    """What `ffnn train` ends with; a trial that diverged is a result, which an agent would take for a failure."""
    if status == "diverged":
        return 0 if {"WANDB_SWEEP_ID", "WANDB_SWEEP_PARAM_PATH"} & set(environ) else 3
    return 130 if status == "stopped" else 0


def _resume(run: Path, config_file: Path | None, arguments: Sequence[str]) -> "RunRecord":
    from ffnn.lab.command_line import parse_settings
    from ffnn.lab.resume import resume

    settings = parse_settings(arguments)
    refused = ["--config"] if config_file else [f"--{name}" for name in settings if name != "epochs"]
    if refused:
        raise FFNNError(
            f"--resume: expected no other setting than --epochs, as a run goes on with its own; received "
            f"{', '.join(refused)}: to change it, train anew with --config {run}/config.yaml"
        )
    epochs = settings.get("epochs")
    if "epochs" in settings and (not isinstance(epochs, int) or epochs < 1):
        raise FFNNError(f"epochs: expected a whole number of at least 1; received {epochs!r}")
    return resume(run, epochs)
