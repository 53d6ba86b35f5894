"""Settings as a person types them: from the words of a command line to the settings of a run.

Every command that takes settings, and every reader of such a command, understands them by these rules alone.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from ffnn.errors import FFNNError, nearest
from ffnn.lab.config import REMARKS, Config, make_config, override
from ffnn.lab.values import is_nothing, parse_value
from ffnn.tracking import load_yaml
from ffnn.tracking.keys import redact_values


def grouped(words: Sequence[str]) -> Iterator[list[str]]:
    """The words of a command line: an option with its value, which may be a word of its own, or a word by itself."""
    rest = list(words)
    while rest:
        group = [rest.pop(0)]
        if group[0].startswith("--") and "=" not in group[0] and rest and not rest[0].startswith("--"):
            group.append(rest.pop(0))
        yield group


def parse_settings(arguments: Sequence[str]) -> dict[str, Any]:
    """Settings from `--name=value` or `--name value`; dashes in names count as underscores.

    Examples
    --------
    >>> parse_settings(["--learning-rate=1e-05", "--hidden_layers", "[256, 128]", "--group=2024"])
    {'learning_rate': 1e-05, 'hidden_layers': [256, 128], 'group': '2024'}
    """
    settings: dict[str, Any] = {}
    for argument, *following in grouped(arguments):
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
        if not equals and not following:
            raise FFNNError(f"--{name} needs a value: write --{name}=VALUE")
        value = _value(name, text if equals else following[0])
        settings[name] = redact_values(value) if field in REMARKS else value
    return settings


def _value(name: str, text: str) -> Any:
    """What a text means as the value of a setting, or of an option within one."""
    if _takes_text(name):
        return None if is_nothing(text) else text
    try:
        return parse_value(text)
    except FFNNError as problem:
        raise FFNNError(f"--{name}: {problem}") from None


@functools.lru_cache(maxsize=1024)
def _takes_text(field: str) -> bool:
    """Whether this is a setting of plain text, so that a command line's `--name=2024` stays text."""
    if field not in Config.model_fields:
        return False
    annotation = Config.model_fields[field].annotation
    return annotation is str or (
        get_origin(annotation) is not Literal and set(get_args(annotation)) == {str, type(None)}
    )


def config_of(config_file: Path | None, settings: Mapping[str, Any]) -> Config:
    """The config of a YAML file, if any, with settings on top; FFNNError if something in them is wrong."""
    values = override({}, _settings_of(config_file)) if config_file else {}
    return make_config(override(values, settings))


def _settings_of(path: Path) -> Mapping[str, Any]:
    values = load_yaml(path) or {}
    if not isinstance(values, dict):
        raise FFNNError(f"{path}: expected settings as `name: value`; received {type(values).__name__}")
    return values


def split_words(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """File names, and settings with their values, from a command line's words.

    Examples
    --------
    >>> split_words(["a.yaml", "--epochs", "5", "b.yaml", "--dataset=digits"])
    (['a.yaml', 'b.yaml'], ['--epochs', '5', '--dataset=digits'])
    """
    files: list[str] = []
    settings: list[str] = []
    for group in grouped(words):
        (settings if group[0].startswith("--") else files).extend(group)
    return files, settings
