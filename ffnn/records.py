"""Records: what comes from a file is held against one model of its format, before anything is made of it.

Names that a model does not know pass, and none must be there unless it says so: an older ffnn wrote fewer, a newer one
may write more. What is there has its type, so that no reader has to ask again.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from ffnn.errors import FFNNError

LARGEST = 2**1023
"""The largest whole number that is read: a float can hold it, but not twice as much."""
COUNTABLE = 2**63 - 1
"""Of numbers that count something: arrays hold them."""

Number = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=COUNTABLE)]
Positive = Annotated[int, Field(ge=1, le=COUNTABLE)]
MOST_SHOWN = 60
"""Letters of what was received."""


class Format(BaseModel):
    """What a file holds, or a part of it: nothing is converted, and what it does not list is let through."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)
    finite: ClassVar[bool] = True
    """Whether all its numbers are, also those that it does not list."""


def checked(model: type[Format], values: object, place: object, fix: str = "") -> dict[str, Any]:
    """The same values, as a file's parser gave them, if they are what the model says.

    `place` is where they come from, for the message; `fix` how to go on without them. FFNNError if something in them
    has another type, is no finite number, or is missing.

    Examples
    --------
    >>> class Pair(Format):
    ...     left: Count = 0
    >>> checked(Pair, {"left": "x"}, "pair.json", "write a number")
    Traceback (most recent call last):
    ffnn.errors.FFNNError: pair.json: left: expected a whole number; received 'x'; write a number
    """
    try:
        if not isinstance(values, dict):
            raise _Fault("", "names and values", values)
        _check_plain(values, "", model.finite)
        model.model_validate(values)
    except (ValidationError, _Fault) as problem:
        fault = _fault(problem.errors(include_url=False)[0]) if isinstance(problem, ValidationError) else problem
        raise FFNNError(_with(f"{place}: {fault}", fix)) from None
    except RecursionError:
        raise FFNNError(_with(f"{place}: received values nested too deep", fix)) from None
    return values


def read_json(path: Path, model: type[Format], fix: str = "") -> dict[str, Any]:
    """A JSON object out of a file, as the model says.

    FFNNError if it cannot be read or is not what the model says; FileNotFoundError if it is not there: what that means
    only the caller knows.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise
    except OSError as problem:
        raise FFNNError(f"{path}: expected a readable file; {problem.strerror}") from problem
    except (ValueError, RecursionError) as problem:
        raise FFNNError(_with(f"{path}: expected a JSON object; it is damaged ({problem})", fix)) from problem
    if not isinstance(values, dict):
        raise FFNNError(_with(f"{path}: expected a JSON object; received {type(values).__name__}", fix))
    return checked(model, values, path, fix)


EXPECTED = {
    "model_type": "names and values",
    "dict_type": "names and values",
    "list_type": "a list",
    "string_type": "text",
    "string_too_short": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "literal_error": "{expected}",
    "missing": "a value",
    "too_short": "at least {min_length} values",
    "greater_than": "a number greater than {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "less_than": "a number less than {lt}",
    "less_than_equal": "a number of at most {le}",
}
"""What pydantic's kinds of error expected, in ffnn's words; a format may have its own words for some of them."""

IN_YAML = {"string_type": "text (in quotes, if YAML takes it for something else)"}
"""Words for files that a person writes."""


def expected(error: Mapping[str, Any], words: Mapping[str, str] = EXPECTED) -> str:
    """What one of pydantic's errors expected; in its own words where there are no others for it."""
    text = words.get(error["type"])
    return str(error["msg"]) if text is None else text.format(**error.get("ctx", {}))


def message_of(error: Mapping[str, Any]) -> str | None:
    """What a validator of ffnn's own said; None of an error that is pydantic's."""
    return str(error["msg"]).removeprefix("Value error, ") if error["type"] == "value_error" else None


def mismatch(name: str, expected: str, received: object) -> PydanticCustomError:
    """What a model's validator raises of a value within it: a ValueError would show all of the model's values."""
    return PydanticCustomError("mismatch", "{expected}", {"name": name, "expected": expected, "received": received})


def _with(message: str, fix: str) -> str:
    return f"{message}; {fix}" if fix else message


def writable(value: Any) -> bool:
    """Whether a text or number by itself can be in a file and a message: half characters cannot.

    Nor can whole numbers that are larger than every float: Python refuses to print them when they are long.

    Examples
    --------
    >>> [writable(value) for value in ("naïve", "\\ud800", 2**1023, 2**1024, None)]
    [True, False, True, False, True]
    """
    if isinstance(value, str):
        return value.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in value)
    return not isinstance(value, int) or -LARGEST <= value <= LARGEST


class _Fault(Exception):  # noqa: N818  what is wrong, until the place is known
    def __init__(self, name: str, expected: str, received: object) -> None:
        super().__init__(f"{name}: " * bool(name) + f"expected {expected}; received {_shown(received)}")


def _check_plain(value: Any, name: str, finite: bool) -> None:
    """Refuse what no file of ffnn's holds: NaN, infinities, numbers beyond floats, half characters, dates, bytes."""
    if not writable(value):
        raise _Fault(name, "text that can be written" if isinstance(value, str) else "a finite number", value)
    if isinstance(value, float):
        if finite and not math.isfinite(value):
            raise _Fault(name, "a finite number", value)
    elif isinstance(value, list):
        for part in value:
            if type(part) is not int or not 0 <= part <= COUNTABLE:  # tables of counts are most of a summary
                _check_plain(part, name, finite)
    elif isinstance(value, dict):
        _check_names(value, name, finite)
    elif not isinstance(value, str | int | None):
        raise _Fault(name, "numbers, text, lists and mappings", value)


def _check_names(values: dict[Any, Any], name: str, finite: bool) -> None:
    for key, part in values.items():
        if not isinstance(key, str):
            raise _Fault(name, "names that are text", key)
        if not key.isascii():
            _check_plain(key, name, finite)
        if part is not None:
            _check_plain(part, f"{name}.{key}" if name else key, finite)


def _fault(error: Mapping[str, Any]) -> _Fault:
    """What pydantic found first, in ffnn's words."""
    name = ".".join(str(part) for part in error["loc"] if not str(part).startswith(_ALTERNATIVES))
    if message := message_of(error):
        return _Fault(name, message.removeprefix("expected "), error["input"])
    if error["type"] == "mismatch":
        about = error["ctx"]
        return _Fault(".".join(filter(None, (name, about["name"]))), about["expected"], about["received"])
    return _Fault(name, expected(error, _WORDS), None if error["type"] == "missing" else error["input"])


_ALTERNATIVES = ("str", "dict[", "constrained-", "function-")
"""What pydantic adds to a place where a value may have one of several types."""

_WORDS = {**EXPECTED, "less_than_equal": "a smaller number"}


def _shown(value: object) -> str:
    """What was received, shortened. Of a whole number that is too long to print, the number of its bits."""
    if value is None:
        return "nothing"
    if isinstance(value, int) and not writable(value):
        return f"a whole number of {value.bit_length()} bits"
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."
