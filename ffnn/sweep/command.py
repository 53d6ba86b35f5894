"""The command of a trial: W&B's macros filled in just as its agent does, and the config that results.

A macro counts only as a whole list element, except ${envvar:NAME}, which is replaced anywhere.
"""

import functools
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ffnn.errors import FFNNError, nearest
from ffnn.lab.command_line import parse_settings
from ffnn.lab.config import Config, make_config, override
from ffnn.sweep.schema import Sweep
from ffnn.tracking import load_yaml

ENVIRONMENT_VARIABLE = re.compile(r"\$\{envvar:([A-Z0-9_]*)\}")
STACK = "ffnn.sweep.stacks"
"""The program of a stack of trials."""
MACRO = re.compile(r"\$\{(\w+)\}")


def expand(command: Sequence[str], arguments: Mapping[str, Any], program: str | None, json_file: Path) -> list[str]:
    """The argument list that a trial is started with.

    Values are written as Python writes them, which is what W&B's agent does; `program` and `json_file` are what
    ${program} and ${args_json_file} stand for.

    Examples
    --------
    >>> expand(["run", "${args}", "${args_no_boolean_flags}"], {"l2": 1e-05, "on": True}, None, Path("f"))
    ['run', '--l2=1e-05', '--on=True', '--l2=1e-05', '--on']
    """
    macros = _macros(arguments, program, json_file)
    expanded: list[str] = []
    for element in command:
        text = ENVIRONMENT_VARIABLE.sub(lambda match: os.environ.get(match[1], match[1]), element)
        macro = MACRO.fullmatch(text)
        if macro and macro[1] in macros:
            expanded += macros[macro[1]]()
        else:
            expanded.append(text)
    return expanded


def check_macros(sweep: Sweep) -> None:
    """FFNNError, with file and line, for the first macro of a file's command that does not exist."""
    names = [*_macros({}, None, Path()), "envvar:NAME"]
    for place, element in enumerate(sweep.file.command):
        macro = MACRO.fullmatch(element)
        if macro and macro[1] not in names:
            raise FFNNError(
                f"{sweep.marks.at('command', place)}: unknown macro {element}; expected one of {', '.join(names)}"
                f"{nearest(macro[1], names)}"
            )


def _macros(arguments: Mapping[str, Any], program: str | None, json_file: Path) -> dict[str, Callable[[], list[str]]]:
    """What makes the words of each macro: most commands use three of them, and a check makes 50,000 commands."""
    pairs = {name: f"{name}={value}" for name, value in arguments.items()}
    return {
        "env": lambda: ["/usr/bin/env"],
        "interpreter": lambda: [sys.executable],
        "program": lambda: [program] if program else [],
        "args": lambda: [f"--{pair}" for pair in pairs.values()],
        "args_no_equals": lambda: [part for name, value in arguments.items() for part in (f"--{name}", str(value))],
        "args_no_hyphens": lambda: list(pairs.values()),
        "args_no_boolean_flags": lambda: [
            f"--{name}" if arguments[name] is True else f"--{pair}"
            for name, pair in pairs.items()
            if arguments[name] is not False
        ],
        "args_json": lambda: [json.dumps(dict(arguments))],
        "args_json_file": lambda: [str(json_file)],
        "args_append_hydra": lambda: [f"+{pair}" for pair in pairs.values()],
        "args_override_hydra": lambda: [f"++{pair}" for pair in pairs.values()],
    }


def words_of_train(argv: Sequence[str]) -> list[str] | None:
    """What follows `ffnn` in a command that is this very `ffnn train`; None for every other command.

    Examples
    --------
    >>> words_of_train(["/usr/bin/env", sys.executable, "-m", "ffnn", "train", "--l2=0"])
    ['train', '--l2=0']
    >>> words_of_train(["nice", sys.executable, "-m", "ffnn", "train"])
    """
    words = list(argv[1:] if argv[0] == "/usr/bin/env" else argv)
    program = shutil.which(words[0]) if words else None
    if program == sys.executable and words[1:3] == ["-m", "ffnn"]:
        words = words[3:]
    elif program == str(Path(sys.executable).with_name("ffnn")):
        words = words[1:]
    else:
        return None
    return words if words[:1] == ["train"] else None


def words_of_stack(argv: Sequence[str]) -> list[str] | None:
    """What follows `python -m` in a command that starts a stack of trials; None for every other command."""
    return list(argv[2:]) if list(argv[:3]) == [sys.executable, "-m", STACK] else None


def settings_of(argv: Sequence[str], files: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The settings that an argument list gives to `ffnn train`; FFNNError if it starts something else.

    `files` says, by path, what those will hold that are not written yet.
    """
    starts = [
        place
        for place in range(1, len(argv))
        if argv[place] == "train" and Path(argv[place - 1]).stem in ("ffnn", "__main__")
    ]
    if not starts:
        raise FFNNError(f"command: expected it to start `ffnn train`, whose runs ffnn can read; received {list(argv)}")
    rest, configs = list(argv[starts[0] + 1 :]), []
    for place, argument in reversed(list(enumerate(rest))):
        if argument == "--config" or argument.startswith("--config="):
            name = argument.partition("=")[2] or "".join(rest[place + 1 : place + 2])
            configs.append(name)
            del rest[place : place + (1 if "=" in argument else 2)]
    values: dict[str, Any] = {}
    for name in reversed(configs):
        values = override(values, files[name] if name in files else _read(name, _changed(name)) or {})
    return override(values, parse_settings(rest))


def _changed(name: str) -> int:
    try:
        return Path(name).stat().st_mtime_ns
    except (OSError, ValueError):  # reading it says what is wrong
        return 0


@functools.lru_cache(maxsize=8)
def _read(name: str, changed: int) -> Any:
    """What a config file says; every trial of a sweep may name the same one."""
    return load_yaml(Path(name))


def config_of(argv: Sequence[str], files: Mapping[str, Mapping[str, Any]]) -> Config:
    """The config of the run that an argument list starts; FFNNError as `ffnn train` would give."""
    return make_config(settings_of(argv, files))
