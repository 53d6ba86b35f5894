"""The command `ffnn`: what a person types, turned into calls of the rooms behind it.

Every mistake a user can make ends here as one line and exit code 2.
"""

import sys
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import click

import ffnn.commands
from ffnn import __version__
from ffnn.errors import FFNNError, nearest
from ffnn.terminal import open_outlets, say


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
    """A group of the files in `ffnn.commands`, each imported when it is used, that names the nearest command."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(found.name.replace("_", "-") for found in iter_modules(ffnn.commands.__path__))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f"{ffnn.commands.__name__}.{name}"), name)
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
