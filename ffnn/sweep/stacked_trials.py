"""Several trials of a sweep in one process that trains their networks as one: the sweep's side.

A member is watched, stopped and counted as a process of its own would be; files beside its parameters stand in for
signals and exit codes.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ffnn.files import storing
from ffnn.sweep.command import STACK
from ffnn.sweep.forkserver import ForkServer
from ffnn.sweep.process import TrialProcess


@dataclass(frozen=True)
class Request:
    """What one member of a stack is to do.

    Attributes
    ----------
    argv : list of str
        The trial's command, an `ffnn train`.
    log : str
        Path that takes what it says.
    stop : str
        Path of a file that asks it to end, once it is there.
    code : str
        Path of a file that holds its exit code, once it has ended.
    """

    argv: list[str]
    log: str
    stop: str
    code: str

    @classmethod
    def beside(cls, parameters: Path, argv: Sequence[str]) -> "Request":
        """For the trial whose parameters are in this file; what an earlier attempt left there is cleared away."""
        request = cls(list(argv), *(str(parameters.with_suffix(suffix)) for suffix in (".log", ".stop", ".code")))
        for left in (request.stop, request.code):
            with storing(Path(left)):
                Path(left).unlink(missing_ok=True)
        return request


class StackedTrial:
    """One member, in place of a `TrialProcess`.

    Parameters
    ----------
    request : Request
    process : TrialProcess
        Which all members share.
    """

    def __init__(self, request: Request, process: TrialProcess) -> None:
        self._request, self._process = request, process
        self.log = Path(request.log)

    def fileno(self) -> int:
        """Where something can be read when the process has ended."""
        return self._process.fileno()

    def poll(self) -> int | None:
        """Its exit code, or that of the process if it ended without one; None while it runs."""
        process = self._process.poll()
        own = Path(self._request.code)
        if own.is_file():
            return int(own.read_text())
        return None if process is None else process or 1

    def interrupt(self) -> None:
        """Have it end between two steps, as Ctrl-C does to a run; the others go on."""
        stop = Path(self._request.stop)
        with storing(stop):
            stop.touch()

    def kill(self) -> None:
        """Kill the whole stack: its members share everything."""
        self._process.kill()

    def close(self) -> None:
        """Kill the whole stack and wait for its end."""
        self._process.close()

    def last_words(self) -> str:
        """The last line that it said, or else the process did."""
        return TrialProcess.last_line(self.log) or self._process.last_words()


def start_stack(
    requests: Sequence[Request], environ: Mapping[str, str], file: Path, server: ForkServer | None = None
) -> list[StackedTrial]:
    """Start a process for these members, which it reads from `file`; the server starts it where it can."""
    with storing(file):
        file.write_text(json.dumps([asdict(request) for request in requests]), encoding="utf-8")
    argv = [sys.executable, "-m", STACK, str(file)]
    process = TrialProcess(argv, environ, file.with_suffix(".log"), server)
    return [StackedTrial(request, process) for request in requests]
