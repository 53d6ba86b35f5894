"""Stands between a sweep and one trial, so that the trial cannot outlive the sweep.

Run as a script, or called in a process forked for it: it imports little, to start at once.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

LIFELINE = 0
"""Standard input: a pipe from the sweep that the kernel closes however the sweep dies."""


def guard(start: Callable[[], int], report: int) -> None:
    """Start a trial, say how it ended, and kill what is left of it when the lifeline closes; never returns.

    Parameters
    ----------
    start : callable
        Starts the trial and gives its process number.
    report : int
        Takes two lines: the number of this process group, and the trial's exit code, negative for a
        signal. Its end without the second says that this process was killed.
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
