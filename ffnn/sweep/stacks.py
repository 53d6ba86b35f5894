"""Several trials of a sweep in one process that trains their networks as one: the sweep's side, and that process.

A member is watched, stopped and counted as a process of its own would be; files beside its parameters stand in for
signals and exit codes. The process is `python -m ffnn.sweep.stacks FILE`, a file of requests.
"""

import json
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from ffnn.errors import FFNNError
from ffnn.files import replacing, storing
from ffnn.lab.stacked import Member, train_stacked
from ffnn.sweep.command import STACK, config_of
from ffnn.sweep.guard import Fork
from ffnn.sweep.process import TrialProcess, last_line
from ffnn.terminal import say
from ffnn.tracking.environment import recorded_command

LOOK_SECONDS = 0.2
"""How often a member's wish to end is looked for."""
STOPPED = 130
"""The exit code of `ffnn train` after Ctrl-C."""


@dataclass(frozen=True)
class Request:
    """What one member of a stack is to do: its command, an `ffnn train`, and the paths of three files.

    `log` takes what it says, `stop` asks it to end, once it is there, and `code` holds its exit code at the end.
    """

    argv: list[str]
    log: str
    stop: str
    code: str

    @classmethod
    def beside(cls, parameters: Path, argv: Sequence[str]) -> "Request":
        """For the trial whose parameters are in this file; what an earlier attempt left there is cleared away."""
        request = cls(list(argv), *(str(parameters.with_suffix(suffix)) for suffix in (".log", ".stop", ".code")))
        for path in map(Path, (request.stop, request.code)):
            with storing(path):
                path.unlink(missing_ok=True)
        return request


class StackedTrial:
    """One member, in place of a `TrialProcess`; all members share that."""

    def __init__(self, request: Request, process: TrialProcess) -> None:
        self._request, self._process = request, process
        self.log = Path(request.log)

    def fileno(self) -> int:
        """Where something can be read when the process has ended."""
        return self._process.fileno()

    def poll(self) -> int | None:
        """Its exit code, or that of the process if it ended without one; None while it runs."""
        process = self._process.poll()
        code = Path(self._request.code)
        if code.is_file():
            return int(code.read_text())
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
        return last_line(self.log) or self._process.last_words()


def start_stack(
    requests: Sequence[Request], environ: Mapping[str, str], file: Path, fork: Fork | None = None
) -> list[StackedTrial]:
    """Start a process for these members, which it reads from `file`."""
    with storing(file):
        file.write_text(json.dumps([asdict(request) for request in requests]), encoding="utf-8")
    argv = [sys.executable, "-m", STACK, str(file)]
    process = TrialProcess(argv, environ, file.with_suffix(".log"), fork)
    return [StackedTrial(request, process) for request in requests]


# -- in the process of a stack -------------------------------------------------------------------


def main() -> None:
    """Run the members that the file `sys.argv[1]` holds."""
    requests = [Request(**request) for request in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))]
    members = [_member(request) for request in requests]
    try:
        with _stopping(members, requests):
            train_stacked(members)
    except FFNNError as problem:
        say(f"ffnn: {problem}", err=True)
        sys.exit(2)


def _member(request: Request) -> Member:
    log = Path(request.log)

    def say(line: str) -> None:
        with log.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    def ended(member: Member) -> None:
        code = 2
        if isinstance(member.outcome, FFNNError):
            say(f"ffnn: {member.outcome}")
        elif member.outcome is not None:
            code = STOPPED if member.outcome.summary["status"] == "stopped" else 0
        with replacing(Path(request.code), "w") as file:
            file.write(str(code))

    return Member(config_of(request.argv, {}), say, command=recorded_command(request.argv), ended=ended)


@contextmanager
def _stopping(members: Sequence[Member], requests: Sequence[Request]) -> Iterator[None]:
    """Within it, members are told to end when somebody asks for it."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(LOOK_SECONDS):
            for member, request in zip(members, requests, strict=True):
                if Path(request.stop).exists():
                    member.interrupt()

    watch = threading.Thread(target=look, daemon=True)
    watch.start()
    try:
        yield
    finally:
        over.set()
        watch.join()


if __name__ == "__main__":
    main()
