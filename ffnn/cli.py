"""The command `ffnn`: what a person types, turned into calls of the rooms behind it.

Every mistake a user can make ends here as one line and exit code 2.
"""

import math
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import click

from ffnn import __version__
from ffnn.errors import FFNNError, nearest
from ffnn.terminal import open_outlets, say

if TYPE_CHECKING:
    from ffnn.lab.config import Config
    from ffnn.tracking import RunRecord

ANY_SETTING = {"ignore_unknown_options": True, "allow_extra_args": True}


def main() -> None:
    """Run the command line; the entry point of `ffnn` and `python -m ffnn`."""
    open_outlets()
    try:
        code = commands.main(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as problem:
        # Many lines that are meant as such, and no mistake to be told in one.
        say(problem.format_message(), err=True)
        code = 2
    except click.ClickException as problem:
        code = _complain(problem.format_message())
    except FFNNError as problem:
        code = _complain(str(problem))
    except MemoryError:
        from ffnn.memory import RAN_OUT

        code = _complain(RAN_OUT)
    except OSError as problem:
        if problem.filename is None or problem.strerror is None:
            raise
        code = _complain(f"{str(problem.filename)[:200]}: {problem.strerror}")  # a path that the system refuses
    except (click.Abort, KeyboardInterrupt) as problem:
        if isinstance(problem.__cause__, EOFError):
            raise problem.__cause__ from None  # click takes every one for Ctrl-D at a question, and ffnn asks none
        code = 130
    sys.exit(code)


def _complain(message: str) -> int:
    from ffnn.tracking.keys import redact

    say(f"ffnn: {redact(' '.join(message.split()), long_words=False)}", err=True)
    return 2


class _Commands(click.Group):
    """A group that names the nearest command, and imports the rooms' commands only when they are used."""

    rooms: ClassVar[Mapping[str, str]] = {
        "agree": "ffnn.reference.cli",
        "analyze": "ffnn.analysis.cli",
        "bench": "ffnn.bench.cli",
        "compare": "ffnn.comparison.cli",
        "data": "ffnn.data.cli",
        "doctor": "ffnn.diagnosis.cli",
        "lr-find": "ffnn.lab.rate_finder.cli",
        "report": "ffnn.report.cli",
        "run": "ffnn.lab.experiment.cli",
        "study": "ffnn.studies.cli",
        "sweep": "ffnn.lab.sweep.cli",
        "workspace": "ffnn.tracking.cli",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *self.rooms])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.rooms:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(import_module(self.rooms[cmd_name]), cmd_name.replace("-", "_"))
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        name = args[0]
        known = self.list_commands(ctx)
        if name not in known and not name.startswith("-"):
            raise click.UsageError(
                f"unknown command {name!r}: expected one of {', '.join(known)}{nearest(name, known)}"
            )
        return super().resolve_command(ctx, args)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="ffnn")
def commands() -> None:
    """Feedforward networks with every gradient derived by hand, and the laboratory around them."""


def _settings_help() -> str:
    from ffnn.lab.config import Config

    lines = ["\b", "Settings:"]
    for name, field in Config.model_fields.items():
        default = "" if field.default in (None, "", []) else f" [{field.default}]"
        lines.append(f"  --{name}=...".ljust(26) + f"{field.description}{default}")
    return "\n".join(lines)


class SettingsCommand(click.Command):
    """A command that takes every setting of a run as `--name=value`, and lists them in its help."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write("\n" + "\n".join(_settings_help().splitlines()[1:]) + "\n")


def parse_settings(arguments: Sequence[str]) -> dict[str, Any]:
    """Settings from `--name=value` or `--name value`; dashes in names count as underscores.

    Examples
    --------
    >>> parse_settings(["--learning-rate=1e-05", "--hidden_layers", "[256, 128]", "--group=2024"])
    {'learning_rate': 1e-05, 'hidden_layers': [256, 128], 'group': '2024'}
    """
    from ffnn.lab.config import REMARKS, Config
    from ffnn.tracking.keys import redact_values

    settings: dict[str, Any] = {}
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if not argument.startswith("--"):
            cut = next(
                (name for name, value in settings.items() if isinstance(value, str) and value[:1] in ("[", "{")), None
            )
            fix = f"; put all of --{cut} in quotes, as it has spaces" if cut else ""
            raise FFNNError(f"expected settings as --name=value; received {argument!r}{fix}")
        name, equals, text = argument[2:].partition("=")
        name = name.replace("-", "_")
        field = name.partition(".")[0]
        if field not in Config.model_fields:
            hint = nearest(field, Config.model_fields) or "; --help lists all"
            raise FFNNError(f"unknown setting --{name}{hint.replace('mean ', 'mean --').replace(chr(39), '')}")
        if not equals:
            if not rest or rest[0].startswith("--"):
                raise FFNNError(f"--{name} needs a value: write --{name}=VALUE")
            text = rest.pop(0)
        value = _value(name, text)
        settings[name] = redact_values(value) if field in REMARKS else value
    return settings


def _value(name: str, text: str) -> Any:
    """What a text means as the value of a setting, or of an option within one."""
    from ffnn.lab.config import takes_text
    from ffnn.lab.values import is_nothing, parse_value

    if takes_text(name):
        return None if is_nothing(text) else text
    try:
        return parse_value(text)
    except FFNNError as problem:
        raise FFNNError(f"--{name}: {problem}") from None


@commands.command(cls=SettingsCommand, context_settings=ANY_SETTING)
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
    from ffnn.lab.summary import describe_result

    record = _train(config_file, parse_settings(ctx.args)) if run is None else _resume(run, config_file, ctx.args)
    for line in filter(None, [*describe_result(record), last_line(record)]):
        say(line)
    ctx.exit(exit_code(record.summary["status"], os.environ))


def exit_code(status: str, environ: Mapping[str, str]) -> int:
    """What `ffnn train` ends with; a trial that diverged is a result, which an agent would take for a failure."""
    if status == "diverged":
        return 0 if {"WANDB_SWEEP_ID", "WANDB_SWEEP_PARAM_PATH"} & set(environ) else 3
    return 130 if status == "stopped" else 0


def config_of(config_file: Path | None, settings: Mapping[str, Any]) -> "Config":
    """The config of a YAML file, if any, with settings on top; FFNNError if something in them is wrong."""
    from ffnn.lab.config import make_config, override
    from ffnn.tracking import load_yaml

    values = override({}, _mapping(load_yaml(config_file) or {}, config_file)) if config_file else {}
    return make_config(override(values, settings))


def _train(config_file: Path | None, settings: Mapping[str, Any]) -> "RunRecord":
    from ffnn.lab.run import train as run_training

    return run_training(config_of(config_file, settings))


def _resume(run: Path, config_file: Path | None, arguments: Sequence[str]) -> "RunRecord":
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


@commands.command()
@click.argument("run_directory", metavar="RUN", type=Path)
@click.option("--checkpoint", type=click.Choice(["best", "last"]), default="best", show_default=True)
@click.option("--part", type=click.Choice(["train", "val", "test"]), default="test", show_default=True)
@click.option("--noise", metavar="LEVELS", help="Test with Gaussian noise of these strengths: 0,0.1,0.2")
@click.option("--blur", metavar="LEVELS", help="... blurred, in pixels: 0,0.5,1")
@click.option("--shift", metavar="LEVELS", help="... shifted by up to so many pixels: 0,1,2")
@click.option("--occlusion", metavar="LEVELS", help="... with a square covered, its side in pixels: 0,4,8")
def evaluate(run_directory: Path, checkpoint: str, part: str, **perturbations: str | None) -> None:
    """Measure a finished RUN (a run directory) on its data again, as it is or disturbed.

    \b
    ffnn evaluate runs/train/RUN
    ffnn evaluate runs/train/RUN --noise=0,0.1,0.2,0.3,0.4,0.5
    """
    from ffnn.lab.present import present_evaluation, present_robustness
    from ffnn.lab.robustness import evaluate_perturbed
    from ffnn.lab.run import load_run
    from ffnn.training.metrics import evaluate as measure

    asked = {name: _levels(name, text) for name, text in perturbations.items() if text is not None}
    _, parts = load_run(run_directory, checkpoint, download=True)
    for name, levels in asked.items():
        present_robustness(name, levels, evaluate_perturbed(parts, name, levels), run_directory)
    if asked:
        return
    batches = getattr(parts, part)
    present_evaluation(measure(parts.objective, batches.epoch(), parts.dataset.class_names), part)


@commands.command()
@click.option("--engine", default="auto", show_default=True, help="auto, numpy, numba or cupy")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
def gradcheck(engine: str, seed: int) -> None:
    """Compare every hand-derived gradient with differences of the loss, in float64."""
    from ffnn.backend import create_engine
    from ffnn.lab.present import present_gradcheck
    from ffnn.nn.gradcheck import check_everything

    if not present_gradcheck(check_everything(lambda: create_engine(engine, "float64"), seed)):
        raise SystemExit(1)


def _levels(name: str, text: str) -> list[float]:
    """Strengths from "0,0.1,0.2"."""
    try:
        levels = [float(part) for part in text.split(",")]
    except ValueError:
        levels = [-1.0]
    whole = name in ("shift", "occlusion")
    if not all(0 <= level < math.inf and (not whole or level.is_integer()) for level in levels):
        kind = "whole numbers" if whole else "numbers"
        raise FFNNError(
            f"--{name}: expected {kind} of at least 0 with commas between, such as 0,1,2; received {text!r}"
        )
    return levels


def _mapping(values: object, source: Path) -> Mapping[str, Any]:
    if not isinstance(values, dict):
        raise FFNNError(f"{source}: expected settings as `name: value`; received {type(values).__name__}")
    return values
