"""What connects a sweep with the guard of one trial: two pipes, one each way.

They work alike however the guard was started, and however either end dies.
"""

import os
import select
import signal
from contextlib import suppress


class Link:
    """A lifeline to a guard, whose end ends the trial, and the guard's reports.

    Attributes
    ----------
    theirs : (int, int)
        Descriptors for the guard: its end of the lifeline, and where it reports to.
    group : int
        The trial's process group; 0 until it has been started.
    """

    def __init__(self) -> None:
        far, near = os.pipe()
        reports, report = os.pipe()
        self.theirs = far, report
        self.group = 0
        self._lifeline, self._reports = os.fdopen(near, "wb", 0), os.fdopen(reports, "rb", 0)
        self._read = b""
        self._code: int | None = None

    def fileno(self) -> int:
        """Where something can be read when the trial has ended."""
        return self._reports.fileno()

    def connect(self, seconds: float) -> bool:
        """Wait, once the guard has its descriptors, until it says that the trial was started.

        Parameters
        ----------
        seconds : float
            How long to wait.

        Returns
        -------
        bool
            False if no word came; the trial then does not run, or dies at once.
        """
        for descriptor in self.theirs:
            os.close(descriptor)
        if not self._receive(seconds) or not self._read:
            self._lifeline.close()
            self._reports.close()
            return False
        self.group = int(self._read.split()[0])
        return True

    def poll(self) -> int | None:
        """The trial's exit code, negative for a signal, when nothing of its group is left; None while it runs."""
        return self._poll(0)

    def signal(self, number: int) -> None:
        """Send a signal to the trial and all its children."""
        if self._code is None:  # later the number may be another's
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.group, number)

    def close(self) -> None:
        """Kill the trial and wait for its end."""
        self.signal(signal.SIGKILL)
        while self._poll(None) is None:
            continue

    def _poll(self, seconds: float | None) -> int | None:
        if self._code is None:
            ended = not self._said_code() and self._receive(seconds) and not self._said_code()
            if self._said_code() or ended:
                self.signal(signal.SIGKILL)
                self._code = int(self._read.split()[1]) if self._said_code() else -signal.SIGKILL
                self._lifeline.close()
                self._reports.close()
        return self._code

    def _said_code(self) -> bool:
        return self._read.count(b"\n") > 1

    def _receive(self, seconds: float | None) -> bool:
        """Whether the guard said more, or ended, within this time."""
        if not select.select([self._reports], [], [], seconds)[0]:
            return False
        self._read += self._reports.read(64)  # a report is short, so the kernel never splits it
        return True
