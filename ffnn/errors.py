"""The one family of errors that a user can cause and mend.

The command line prints the message of an `FFNNError` as a single line and exits with code 2;
anything else is a bug in ffnn and keeps its traceback.
"""

import difflib
from collections.abc import Iterable


class FFNNError(ValueError):
    """Something the user asked for cannot be done; the message says what was expected, what came and what to do."""


def nearest(received: object, choices: Iterable[str], cutoff: float = 0.6) -> str:
    """A hint for a misspelt name: the nearest choice as a question, or nothing.

    Parameters
    ----------
    received : object
    choices : iterable of str
    cutoff : float in [0, 1], default 0.6
        How alike they must be at least, as `difflib` measures it.

    Examples
    --------
    >>> nearest("tahn", ["relu", "tanh"])
    "; did you mean 'tanh'?"
    >>> nearest("xyz", ["relu", "tanh"])
    ''
    """
    matches = difflib.get_close_matches(str(received), list(choices), n=1, cutoff=cutoff)
    return f"; did you mean {matches[0]!r}?" if matches else ""
