"""The commands of `ffnn`: a file for each, found by its name, which turns words into calls of the rooms below.

What a command needs is imported when it runs, so that other commands start fast.
"""

import click

ANY_SETTING = {"ignore_unknown_options": True, "allow_extra_args": True}
"""Of a command that takes every setting of a run beside options of its own."""

STACK_HELP = "Runs that each worker trains together, as one network, if they differ in numbers alone; it saves time on \
a GPU, and little on a CPU."
"""Said of `--stack` beside `--workers`."""


WORKERS_HELP = "Runs at a time; auto is as many as cores and memory allow, and 1 where times are compared. [auto]"


class WorkersType(click.ParamType[int | None]):
    """A whole number of at least 1, or "auto", which is None."""

    name = "auto|N"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        if value != "auto" and not (value.isdecimal() and int(value)):
            self.fail(f"expected auto or a whole number of at least 1; received {value!r}", param, ctx)
        return None if value == "auto" else int(value)


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
