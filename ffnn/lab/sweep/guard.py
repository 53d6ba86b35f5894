"""Stands between a sweep and one trial, so that the trial cannot outlive the sweep.

Run as a script: it starts the command that follows, ends as that ends, and kills it when the pipe on its
standard input closes, which the kernel does however the sweep dies. It imports little, to start at once.
"""

import os
import signal
import subprocess
import sys
import threading


def _kill_with_the_sweep() -> None:
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)


def main() -> None:
    """Start `sys.argv[1:]` and wait for it."""
    # A handler, not SIG_IGN: that would be inherited, and the trial could not be interrupted.
    signal.signal(signal.SIGINT, lambda number, frame: None)
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    try:
        trial = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    except OSError as problem:
        sys.exit(f"{sys.argv[1]}: {problem.strerror}")
    threading.Thread(target=_kill_with_the_sweep, daemon=True).start()
    code = trial.wait()
    if code < 0:  # end by the same signal, which is how the sweep learns of it
        signal.signal(-code, signal.SIG_DFL) if -code not in (signal.SIGKILL, signal.SIGSTOP) else None
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    main()
