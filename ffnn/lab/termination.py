"""Being told to end, by a batch system at its time limit or by a W&B agent, treated as Ctrl-C is.

Without this a process that receives SIGTERM is gone at once, and its run looks as if it were still running.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def termination_as_interrupt() -> Iterator[None]:
    """Raise KeyboardInterrupt in the block when SIGTERM arrives, and pass the signal on at its end.

    So training writes down what it has, and the process then ends as one that was terminated, which
    an agent does not count as a failed trial. Signals reach the main thread alone: elsewhere nothing changes.

    Examples
    --------
    >>> import os, signal
    >>> before = signal.signal(signal.SIGTERM, lambda number, frame: print("passed on"))
    >>> with termination_as_interrupt():
    ...     try:
    ...         os.kill(os.getpid(), signal.SIGTERM)
    ...     except KeyboardInterrupt:
    ...         print("writing down")
    writing down
    passed on
    >>> handler = signal.signal(signal.SIGTERM, before)
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal received
        received = True
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        if received:
            os.kill(os.getpid(), signal.SIGTERM)
