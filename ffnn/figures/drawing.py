"""How ffnn draws: with Matplotlib's own settings and into files, whatever a notebook or a matplotlibrc asks for.

Nothing here or where it is used goes through pyplot, so the figures and the settings of a user's own stay as they are.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from ffnn.terminal import to_stderr
from ffnn.words import visible

LONGEST = 40
"""Letters of a name in a figure; longer ones would leave no room for what is drawn."""

TITLE = 120
"""Letters of a name above a whole figure."""


@contextmanager
def own_style() -> Iterator[None]:
    """Within it, or in a function that it decorates, figures are made and saved with Matplotlib's defaults."""
    import_matplotlib()
    from matplotlib import rc_context, rcdefaults

    with rc_context():
        rcdefaults()
        yield


def import_matplotlib() -> None:
    """Import it also where $MPLBACKEND, which a notebook hands down, names a backend that is not installed here."""
    if "matplotlib" in sys.modules:
        return
    chosen = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
    finally:
        if chosen is not None:
            os.environ["MPLBACKEND"] = chosen
    if chosen:
        with suppress(ValueError):
            matplotlib.rcParams["backend"] = chosen  # as it would have done itself, for pyplot


@contextmanager
def harmless(what: str, notify: Callable[[str], None] = to_stderr) -> Iterator[None]:
    """Within it a picture may fail: one line says so, and what it is a picture of is not lost with it.

    Examples
    --------
    >>> with harmless("the curve", print):
    ...     raise RuntimeError("latex could not be found")
    the curve could not be drawn, and all else is there: RuntimeError: latex could not be found
    """
    try:
        yield
    except Exception as problem:  # of whatever kind: Matplotlib, its fonts and the disk have many
        words = " ".join(f"{type(problem).__name__}: {problem}".split())
        notify(f"{what} could not be drawn, and all else is there: {words[:300]}")


def words(text: object, most: int = LONGEST) -> str:
    """A name as a figure shows it: all of it to be seen, cut where it is too long, and no formula where it has dollars.

    A legend leaves out names that begin with `_`; those get a space before.
    """
    shown = visible(str(text))
    shown = shown if len(shown) <= most else f"{shown[: most - 1]}…"
    return f"{' ' * shown.startswith('_')}{shown}".replace("$", r"\$")
