"""The door to the terminal: every line for a person leaves here or through `ffnn.console`.

A name from a file that somebody else wrote cannot move the cursor, recolour, or forge a line of ffnn's.
"""

import sys

from ffnn.words import visible


def say(text: object = "", err: bool = False, nl: bool = True) -> None:
    """Print lines of text at once, with what no one sees made visible.

    Parameters
    ----------
    text : object
    err : bool, default False
        Whether to standard error.
    nl : bool, default True
        Whether the line ends.
    """
    print(visible(text, keep="\n\t"), file=sys.stderr if err else sys.stdout, end="\n" if nl else "", flush=True)
