"""The one family of errors that a user can cause and mend.

The command line prints the message of an `FFNNError` as a single line and exits with code 2;
anything else is a bug in ffnn and keeps its traceback.
"""

import difflib
from collections.abc import Iterable

from ffnn.synonyms import plain_name, synonyms


class FFNNError(ValueError):
    """Something the user asked for cannot be done; the message says what was expected, what came and what to do."""


def nearest(received: object, choices: Iterable[str], cutoff: float = 0.6) -> str:
    """A hint for a misspelt name, or another library's: the nearest choice as a question, or nothing.

    It is at least as alike as `cutoff`, from 0 to 1, as `difflib` measures it.

    Examples
    --------
    >>> nearest("tahn", ["relu", "tanh"])
    "; did you mean 'tanh'?"
    >>> nearest("swish", ["relu", "silu"])
    "; did you mean 'silu'?"
    >>> nearest("xyz", ["relu", "tanh"])
    ''
    """
    choice = nearest_choice(str(received), choices, cutoff)
    # What looks like the choice itself is of another type, and no question helps.
    return f"; did you mean {choice!r}?" if choice not in (None, str(received)) else ""


def nearest_choice(received: str, choices: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The choice that a misspelt name, or another library's, probably means; None where none is near."""
    by_name = {plain_name(choice): choice for choice in choices}
    name = plain_name(received)
    synonymous = [match for match in synonyms(name) if match in by_name]
    matches = synonymous or difflib.get_close_matches(name, by_name, n=1, cutoff=cutoff)
    return by_name[matches[0]] if matches else None
