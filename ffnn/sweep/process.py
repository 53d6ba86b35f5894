"""One trial as a process group of its own: started, watched, interrupted politely, and in the end killed.

Whatever it does to itself, the sweep goes on.
"""

import os
import platform
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ffnn.backend.threads import TRIAL_THREADS
from ffnn.errors import FFNNError
from ffnn.files import storing
from ffnn.sweep import guard
from ffnn.sweep.guard import Fork, Link

POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
NOT_A_TRIALS = ("WANDB_SWEEP_ID", "WANDB_RUN_ID")
"""With a sweep's id the client looks for a server's sweep; a run's id would make every trial the same run."""
START_SECONDS = 60.0
"""In which a process starts, on however busy a machine."""


def check_system() -> None:
    """FFNNError where trials cannot be ended with all their children."""
    if not hasattr(os, "killpg"):
        raise FFNNError(
            "ffnn sweep: expected a system with process groups (Linux, macOS), which end a trial with all its "
            f"children; {platform.system()} has none: run it in WSL, or use wandb sweep and wandb agent; --check works"
        )


def environment(threads: int, parameters: Path | None = None) -> dict[str, str]:
    """What a trial finds in its environment: so many threads for each pool, and parameters as an agent's."""
    inherited = {name: value for name, value in os.environ.items() if name not in NOT_A_TRIALS}
    wandb = {"WANDB_SWEEP_PARAM_PATH": str(parameters.resolve())} if parameters else {}
    return {**inherited, **dict.fromkeys((*POOLS, TRIAL_THREADS), str(threads)), **wandb}


def last_line(log: Path) -> str:
    """The last line of a log; empty where it has none, or is not there."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1].strip() if lines else ""


class TrialProcess:
    """A running trial, whose `log` takes what it prints; `fork` starts it where it can, else it is any command's."""

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str], log: Path, fork: Fork | None = None) -> None:
        self.log = log
        self._guard: subprocess.Popen[bytes] | None = None
        with storing(log):
            file = log.open("ab")
        with file:
            forked = fork(argv, environ, file.fileno()) if fork else None
            self._link = forked or self._start(argv, environ, file.fileno())

    def fileno(self) -> int:
        """Where something can be read when the trial has ended."""
        return self._link.fileno()

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        code = self._link.poll()
        if code is not None and self._guard:
            self._guard.wait()
        return code

    def interrupt(self) -> None:
        """As Ctrl-C does: ffnn then writes down what it has and ends."""
        self._link.signal(signal.SIGINT)

    def kill(self) -> None:
        """At once, with all its children."""
        self._link.signal(signal.SIGKILL)

    def close(self) -> None:
        """Kill it and wait for its end."""
        self._link.close()
        self.poll()

    def last_words(self) -> str:
        """The last line it printed."""
        return last_line(self.log) or "no output"

    def _start(self, argv: Sequence[str], environ: Mapping[str, str], log: int) -> Link:
        link = Link()
        lifeline, report = link.theirs
        try:
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", guard.__file__, str(report), *argv],
                stdin=lifeline,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(environ),
                start_new_session=True,
                pass_fds=[report],
            )
        except OSError as problem:
            link.connect(0)  # nobody has its other ends: closes them
            raise FFNNError(f"a trial's process cannot be started: {problem.strerror or problem}") from None
        if not link.connect(START_SECONDS):
            self._guard.kill()
            self._guard.wait()
            raise FFNNError(
                f"a trial's process did not start within {START_SECONDS:g} s: this machine has too much to do; try "
                "fewer --workers (--resume goes on)"
            )
        return link
