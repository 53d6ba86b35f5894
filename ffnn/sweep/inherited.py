"""What libraries bind to the process that imports them, made anew in each process that is forked from it.

A temporary directory made at import would be removed by the first child that ends, though the others use it; a random
state that was seeded then would draw the same numbers in all of them.
"""

import atexit
import gc
import shutil
import tempfile
from collections.abc import Sequence

Directory = tempfile.TemporaryDirectory[str]


def directories() -> list[Directory]:
    """The temporary directories that this process keeps; to be asked for before `gc.freeze` hides them."""
    return [thing for thing in gc.get_objects() if type(thing) is tempfile.TemporaryDirectory]


def make_own(inherited: Sequence[Directory]) -> None:
    """Call it in a forked process: it leaves the parent's files alone from here on, and has its own.

    Locks need nothing, because a process of one thread holds none when it forks; Python's and W&B's own random states,
    logging, joblib and filelock look after themselves, and Matplotlib closes its fonts.

    Parameters
    ----------
    inherited : sequence of TemporaryDirectory
        The parent's `directories`.
    """
    import numpy as np

    tempfile.tempdir = None  # TMPDIR may be another one here
    for directory in inherited:
        directory._finalizer.detach()  # type: ignore[attr-defined]
        directory.__init__()  # type: ignore[misc]  # in place, because modules hold the object
    atexit.unregister(shutil.rmtree)  # of the parent's: Matplotlib's folder where there is no home
    np.random.seed()
