"""One trial as a process group of its own: started, watched, interrupted politely, and in the end killed.

Whatever it does to itself, the sweep goes on.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ffnn.lab.sweep import guard

POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
NOT_A_TRIALS = ("WANDB_SWEEP_ID", "WANDB_RUN_ID")
"""With a sweep's id the client looks for a server's sweep; a run's id would make every trial the same run."""


def environment(threads: int, parameters: Path) -> dict[str, str]:
    """What a trial finds in its environment: its share of the cores, and its parameters as an agent leaves them.

    Parameters
    ----------
    threads : int >= 1
        For every pool of BLAS and Numba.
    parameters : Path
        The file that W&B's client reads the sweep's parameters from.
    """
    own = {name: value for name, value in os.environ.items() if name not in NOT_A_TRIALS}
    return {**own, **dict.fromkeys(POOLS, str(threads)), "WANDB_SWEEP_PARAM_PATH": str(parameters.resolve())}


class TrialProcess:
    """A running trial.

    Parameters
    ----------
    argv : sequence of str
    environ : mapping
    log : Path
        Takes what it prints.
    """

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", guard.__file__, *argv],
                stdin=subprocess.PIPE,  # nothing is written: its end is the sweep's end
                stdout=file,
                stderr=subprocess.STDOUT,
                env=dict(environ),
                start_new_session=True,
            )

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        code = self._process.poll()
        if code is not None:
            self._signal(signal.SIGKILL)  # children that it left behind
            if self._process.stdin:
                self._process.stdin.close()
        return code

    def interrupt(self) -> None:
        """As Ctrl-C does: ffnn then writes down what it has and ends."""
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """At once, with all its children."""
        self._signal(signal.SIGKILL)

    def close(self) -> None:
        """Kill it and wait for its end."""
        self.kill()
        self._process.wait()
        self.poll()

    def last_words(self) -> str:
        """The last line it printed."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else "no output"

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)
