"""`ffnn lr-find`: a learning rate for settings, in seconds."""

from pathlib import Path

import click

from ffnn.commands import ANY_SETTING, SettingsCommand
from ffnn.rate_finder.measure import HIGH, LOW, STEPS
from ffnn.terminal import say


@click.command("lr-find", cls=SettingsCommand, context_settings=ANY_SETTING)
@click.option("--config", "config_file", type=Path, help="YAML file of settings; settings given here win over it.")
@click.option("--steps", type=click.IntRange(min=30), default=STEPS, show_default=True, help="Rates to try.")
@click.option("--low", type=float, default=LOW, show_default=True, help="The first rate.")
@click.option("--high", type=float, default=HIGH, show_default=True, help="The last rate.")
@click.pass_context
def lr_find(ctx: click.Context, config_file: Path | None, steps: int, low: float, high: float) -> None:
    """Look for a learning rate: a short training whose rate grows at each step until the loss blows up.

    Takes all settings of `ffnn train`. The network is thrown away; a table, a figure and the suggestion are left in
    RUNS_DIR/lr-find.

    \b
    ffnn lr-find --dataset=digits --optimizer=sgd
    ffnn lr-find --config runs/train/RUN/config.yaml
    """
    from ffnn.lab.command_line import config_of, parse_settings
    from ffnn.rate_finder import range_test, suggest
    from ffnn.rate_finder.present import command_with, folder_for, in_words, write_files
    from ffnn.terminal import to_stderr

    test = range_test(config_of(config_file, parse_settings(ctx.args)), to_stderr, low, high, steps)
    suggestion = suggest(test.rates, test.smoothed)
    options = ["--config", str(config_file)] if config_file else []
    command = command_with(suggestion.steepest, [*options, *ctx.args])
    folder = folder_for(test)
    write_files(test, suggestion, command, folder)
    for line in in_words(test, suggestion, command, folder):
        say(line)
