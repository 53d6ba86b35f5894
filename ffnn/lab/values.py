"""Values from a command line, as people type them and as `wandb agent` passes them.

An agent writes Python: `--flag=True`, `--n=None`, `--nested={'beta': 0.9}`, `--rate=1e-05`. People
also write `true`, `null` and `[256,128]`.
"""

import ast
from collections.abc import Mapping
from typing import Any

import yaml

from ffnn.errors import FFNNError

_WORDS = {"true": True, "false": False, "null": None, "none": None}


def parse_value(text: str) -> Any:
    """The value that a text means: a Python literal, true/false/null, or else the text itself.

    Examples
    --------
    >>> [parse_value(text) for text in ("1e-05", "[256, 128]", "True", "null", "{'beta1': 0.9}", "adam")]
    [1e-05, [256, 128], True, None, {'beta1': 0.9}, 'adam']
    """
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):  # TypeError: {[]: 1}
        return _flow(text) if text[:1] in ("[", "{") else text
    return _plain(value) if isinstance(value, bool | int | float | str | list | tuple | dict | None) else text


def _flow(text: str) -> Any:
    """Lists and mappings with bare words, as YAML writes them: [adam, sgd]."""
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, RecursionError):  # [2024-13-45]
        return text


def _plain(value: Any) -> Any:
    """Tuples as lists, all the way down."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value


def with_overrides(values: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with `overrides` on top; a dotted name reaches into a mapping.

    A component given by its name alone becomes a mapping when one of its options is set.

    Examples
    --------
    >>> with_overrides({"optimizer": "adam", "epochs": 5}, {"optimizer.beta1": 0.8, "epochs": 3})
    {'optimizer': {'name': 'adam', 'beta1': 0.8}, 'epochs': 3}
    """
    result = dict(values)
    for name, value in overrides.items():
        head, dot, rest = str(name).partition(".")
        if not dot:
            result[head] = value
            continue
        inner = result.get(head, {})
        inner = {"name": inner} if isinstance(inner, str) else inner or {}
        if not isinstance(inner, Mapping):
            raise FFNNError(f"{name}: expected {head} with options to set; received {head}: {inner!r}")
        result[head] = with_overrides(inner, {rest: value})
    return result
