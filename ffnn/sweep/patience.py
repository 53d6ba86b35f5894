"""Waiting for a storage that is away: a database that restarts must not end the sweeps on it.

What is asked of the storage is asked again, after growing pauses, until it answers or too much time has passed.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from ffnn.errors import FFNNError

Answer = TypeVar("Answer")
LIMIT_SECONDS = 300.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0
"""Seconds; each pause is twice as long as the one before."""


class StorageAwayError(FFNNError):
    """The storage did not come back in time; what is under way can be gone on with when it has."""


class Patience:
    """Asks again while the storage is away.

    Parameters
    ----------
    shown : str
        The storage's name in messages.
    away : callable
        Given an exception, says why the storage could not be reached; "" for any other kind of exception.
    tell : callable
        Takes lines for the user.
    limit : float
        Seconds to wait in a row; none any more after it was exceeded once, or after Ctrl-C.
    """

    def __init__(
        self,
        shown: str,
        away: Callable[[Exception], str],
        tell: Callable[[str], None],
        limit: float = LIMIT_SECONDS,
    ) -> None:
        self._shown, self._away, self._tell, self._limit = shown, away, tell, limit
        self._asking = False

    def __call__(self, action: Callable[[], Answer]) -> Answer:
        """Do something with the storage, and do the whole of it again as long as the storage is away.

        Raises
        ------
        StorageAwayError
            If it stays away.
        """
        if self._asking:  # part of an action that is repeated as a whole
            return action()
        began, pause = 0.0, FIRST_PAUSE
        while True:
            self._asking = True
            try:
                answer = action()
            except Exception as problem:
                reason = self._away(problem)
                if not reason:
                    raise
            else:
                if began:
                    self._tell(f"{self._shown} answers again, after {time.monotonic() - began:.0f} s")
                return answer
            finally:
                self._asking = False
            if not began:
                began = time.monotonic()
                self._tell(f"{self._shown} is away ({reason}); asking again for {self._limit / 60:.3g} min")
            left = began + self._limit - time.monotonic()
            if left <= 0:
                self._limit = 0.0
                raise StorageAwayError(f"{self._shown} has been away for {time.monotonic() - began:.0f} s: {reason}")
            self._wait(min(pause, left))
            pause = min(2 * pause, LONGEST_PAUSE)

    def _wait(self, seconds: float) -> None:
        try:
            time.sleep(seconds)
        except KeyboardInterrupt:
            self._limit = 0.0  # who wants to leave is not kept
            raise
