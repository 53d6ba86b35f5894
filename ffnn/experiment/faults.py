"""Faults: what is wrong in an experiment file, and at which place of it.

The place is kept apart from the words, so that the one who knows the file can name the line.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from ffnn.errors import nearest
from ffnn.records import EXPECTED, IN_YAML, expected, message_of
from ffnn.sweep.marks import Place


class Fault(NamedTuple):
    """One thing to mend, at a place in a file, empty for the file as a whole.

    The text says what was expected, what was received, and how to mend it.
    """

    place: Place
    text: str

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.place))}: {self.text}" if self.place else self.text


class FaultsError(ValueError):
    """All that contradicts itself in an experiment whose form is right.

    The other parts of the experiment that has them can still be looked at.
    """

    def __init__(self, faults: Sequence[Fault], experiment: Any) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = faults
        self.experiment = experiment


def faults_of(
    problem: ValidationError, top: Mapping[str, Any], sections: Mapping[Any, Mapping[str, Any]]
) -> list[Fault]:
    """What pydantic found wrong, in ffnn's words.

    Fields are given by name: those of the file's outermost level, `top`, and those of each section within it.
    """
    faults: list[Fault] = []
    for error in problem.errors(include_url=False):
        cause = error.get("ctx", {}).get("error")
        place = tuple(error["loc"])
        if error["type"] == "invalid_key" or place[-1:] == ("[key]",):
            name = f"expected names in quotes where YAML takes them for something else; received {error['input']!r}"
            faults.append(Fault(place[: -1 if error["type"] == "invalid_key" else -2], name))
        elif isinstance(cause, FaultsError):
            faults += [Fault((*place, *fault.place), fault.text) for fault in cause.faults]
        elif message := message_of(error):
            faults.append(Fault(place, message))
        else:
            fields = next((sections[part] for part in reversed(place[:-1]) if part in sections), top)
            faults.append(Fault(place, _in_words(error, place, fields)))
    return faults


def _in_words(error: Mapping[str, Any], place: Place, fields: Mapping[str, Any]) -> str:
    unknown = error["type"] == "extra_forbidden"
    hint = nearest(str(place[-1]), fields) if unknown else ""
    form = f"only {', '.join(fields)}" if unknown else expected(error, _WORDS)
    if error["type"] == "model_type":
        form += f": {', '.join(fields)}"
    received = "nothing" if error["type"] == "missing" else repr(error["input"])
    return f"expected {form}; received {received}{hint}"


_WORDS = {**EXPECTED, **IN_YAML, "greater_than_equal": "a larger number"}
