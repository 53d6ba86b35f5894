"""Being told to end, by Ctrl-C, a batch system at its time limit or a W&B agent: the step under way is finished first.

Without this a process that receives SIGTERM is gone at once, and its run looks as if it were still running.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)

NOT_AMONG_THE_BEST = "not in the top 1/"
"""In the reason of every trial that a sweep stopped early, before hyperband's eta."""


class Interruption:
    """Turns SIGINT and SIGTERM into a wish to end, within a `with` block.

    Where somebody has said that it can end by itself (`told`), the first signal only tells it so; every other one
    raises KeyboardInterrupt. SIGTERM is passed on at the end of the block, so that the process ends as one that was
    terminated, which an agent does not count as a failed trial. A signal that was ignored before stays so. Signals
    reach the main thread alone: elsewhere nothing changes. `received` counts them; `terminated` says whether one was
    SIGTERM, after which there are seconds.

    Examples
    --------
    >>> with Interruption() as interruption:
    ...     with interruption.told(lambda: print("soon")):
    ...         signal.raise_signal(signal.SIGINT)
    ...     try:
    ...         signal.raise_signal(signal.SIGINT)
    ...     except KeyboardInterrupt:
    ...         print("at once", interruption.received)
    soon
    at once 2
    """

    def __init__(self) -> None:
        self.received = 0
        self._listeners: list[Callable[[], None]] = []
        self.terminated = False
        self._before: dict[signal.Signals, Any] = {}

    @contextmanager
    def told(self, tell: Callable[[], None]) -> Iterator[None]:
        """Within the block the first signal calls `tell`, which must return at once; blocks may overlap."""
        self._listeners.append(tell)
        try:
            yield
        finally:
            self._listeners.remove(tell)

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                # None: whoever installed it did so outside Python, and it could not be put back.
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self.terminated:
            os.kill(os.getpid(), signal.SIGTERM)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received += 1
        self.terminated |= number == signal.SIGTERM
        if not self._listeners or self.received > 1:
            raise KeyboardInterrupt
        for tell in self._listeners:
            tell()
