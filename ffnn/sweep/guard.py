"""What ties a trial to its sweep: two pipes, and the guard at their far ends, which kills the trial with the sweep.

One pipe is the lifeline, which the kernel closes however the sweep dies; through the other the guard reports. It runs
as a script of a bare Python, or in a process forked for it: this file imports the standard library alone.
"""

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

LIFELINE = 0
"""The guard's standard input."""


class Link:
    """A lifeline to a guard, whose end ends the trial, and the guard's reports.

    `theirs` are descriptors for the guard, its end of the lifeline and where it reports to; `group` is the trial's
    process group, 0 until it has been started.
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

        False if no word came within these seconds; the trial then does not run, or dies at once.
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
            ended = not self._has_code() and self._receive(seconds) and not self._has_code()
            if self._has_code() or ended:
                self.signal(signal.SIGKILL)
                self._code = int(self._read.split()[1]) if self._has_code() else -signal.SIGKILL
                self._lifeline.close()
                self._reports.close()
        return self._code

    def _has_code(self) -> bool:
        return self._read.count(b"\n") > 1

    def _receive(self, seconds: float | None) -> bool:
        """Whether the guard said more, or ended, within this time."""
        if not select.select([self._reports], [], [], seconds)[0]:
            return False
        self._read += self._reports.read(64)  # a report is short, so the kernel never splits it
        return True


Fork = Callable[[Sequence[str], Mapping[str, str], int], Link | None]
"""Starts a trial, given its command, its environment and a descriptor for what it prints; None where it cannot."""


def guard(start: Callable[[], int], report: int) -> None:
    """Start a trial, say how it ended, and kill what is left of it when the lifeline closes; never returns.

    `start` starts the trial and gives its process number. The descriptor `report` takes two lines: the number of this
    process group, and the trial's exit code, negative for a signal. Its end without the second says that this process
    was killed.
    """
    # Handlers, not SIG_IGN: that would be inherited, and the trial could not be interrupted.
    signal.signal(signal.SIGINT, lambda number, frame: None)
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    trial = start()
    lifeline = threading.Thread(target=_kill_with_the_sweep, daemon=True)
    lifeline.start()
    os.write(report, b"%d\n" % os.getpid())
    _, status = os.waitpid(trial, 0)
    os.write(report, b"%d\n" % os.waitstatus_to_exitcode(status))
    lifeline.join()  # until then the number of the group cannot become another's


def _kill_with_the_sweep() -> None:
    while os.read(LIFELINE, 1):
        pass
    os.killpg(0, signal.SIGKILL)


def main() -> None:
    """Guard the command `sys.argv[2:]`; `sys.argv[1]` is the descriptor to report to."""
    report = int(sys.argv[1])
    os.set_inheritable(report, False)

    def start() -> int:
        try:
            return subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL).pid
        except OSError as problem:
            print(f"{sys.argv[2]}: {problem.strerror}", file=sys.stderr, flush=True)
            os.write(report, b"%d\n1\n" % os.getpid())
            os._exit(1)

    guard(start, report)


if __name__ == "__main__":
    main()
