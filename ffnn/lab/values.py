"""Values from a command line, as people type them and as `wandb agent` passes them.

An agent writes Python: `--flag=True`, `--n=None`, `--nested={'beta': 0.9}`, `--rate=1e-05`. People write YAML as in
their files: `true`, `null`, `[adam, sgd]`, `{name: adam, epsilon: 1e-8}`.
"""

import ast
import functools
from collections import Counter
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from yaml import YAMLError

from ffnn.errors import FFNNError
from ffnn.tracking.yaml_file import read_yaml
from ffnn.tracking.yaml_loader import TwiceError

_WORDS = {"true": True, "false": False, "null": None, "none": None}


def parse_value(text: str) -> Any:
    """The value that a text means: a Python literal, true/false/null, a value of YAML, or else the text itself.

    FFNNError if a mapping says something twice, or a colon in it lacks the space behind it.

    Examples
    --------
    >>> [parse_value(text) for text in ("1e-05", "[256, 128]", "True", "null", "{'beta1': 0.9}", "adam", "012")]
    [1e-05, [256, 128], True, None, {'beta1': 0.9}, 'adam', 12]
    >>> parse_value("{name: adam, epsilon: 1e-8}")
    {'name': 'adam', 'epsilon': 1e-08}
    """
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    value = _value_of(text)
    return deepcopy(value) if isinstance(value, list | dict) else value


@functools.lru_cache(maxsize=1024)
def _value_of(text: str) -> Any:
    """Trials of a sweep have most arguments in common, and a check reads those of 50,000."""
    if text.lower().lstrip("+-") in ("inf", "nan"):
        return float(text)
    try:
        tree = ast.parse(text.strip(), mode="eval")
        value = ast.literal_eval(tree)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):  # TypeError: {[]: 1}
        return _of_yaml(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            keys = Counter(ast.literal_eval(key) for key in node.keys if key)
            if twice := [key for key, times in keys.items() if times > 1]:
                raise _twice(twice[0])
    return _plain(value) if isinstance(value, bool | int | float | str | list | tuple | dict | None) else text


def is_nothing(text: str) -> bool:
    """Whether a text means that there is no value."""
    return text.lower() in _WORDS and _WORDS[text.lower()] is None


def _of_yaml(text: str) -> Any:
    """Numbers that Python writes otherwise, and lists and mappings with bare words: 012, [adam, sgd]."""
    flow = text.strip()[:1] in ("[", "{")
    if not flow and not text.strip()[:1].isdigit() and text[:1] not in ("+", "-", "."):
        return text
    try:
        value = read_yaml(text)
    except TwiceError as problem:
        raise _twice(problem.key) from problem
    except (YAMLError, RecursionError):
        return text
    if isinstance(value, dict) and ":" in (joined := next((str(key) for key in value if value[key] is None), "")):
        raise FFNNError(f"expected a space behind each colon, as in {{name: adam}}; received {joined!r} in {text!r}")
    return _plain(value) if flow or isinstance(value, int | float) else text


def _twice(key: object) -> FFNNError:
    return FFNNError(f"{key} is there twice in a mapping; only the last would count: keep one")


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
