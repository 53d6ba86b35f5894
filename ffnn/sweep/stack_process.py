"""The process of a stack of trials: trains them as one, and tells the sweep of each by itself.

Run as `python -m ffnn.sweep.stack_process FILE`, which holds what `ffnn.sweep.stacked_trials` asks for.
"""

import json
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ffnn.errors import FFNNError
from ffnn.files import replacing
from ffnn.lab.stacked import Member, train_stacked
from ffnn.sweep.command import config_of
from ffnn.sweep.stacked_trials import Request
from ffnn.terminal import say
from ffnn.tracking.environment import recorded_command

LOOK_SECONDS = 0.2
"""How often a member's wish to end is looked for."""
STOPPED = 130
"""The exit code of `ffnn train` after Ctrl-C."""


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
