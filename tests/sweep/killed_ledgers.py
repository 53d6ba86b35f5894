"""Works on a journal with processes that are killed before and after each change of a file, and says what is left.

A script: every worker is forked from this process, which has imported everything and has one thread.
"""

import json
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from test_ledger import ledger, proposal

from ffnn.sweep.trials import FINISHED, LOST, RUNNING, Outcome

CALLS = ((os, "fsync"), (Path, "symlink_to"), (Path, "unlink"), (os, "write"))
"""Where a worker changes what is on the disk, and where it says what it has done."""
KEYS = [f"key{number}" for number in range(8)]


def work(folder: Path) -> None:
    """Take what is free, and end it, until there is nothing more."""
    book = ledger(folder)
    book.reap(lambda trial: Outcome(LOST, ""))
    for key in KEYS:
        if trial := book.claim(proposal(key), None):
            os.write(1, f"{key} claimed\n".encode())
            book.end(trial, Outcome(FINISHED, best=0.5, latest=0.5))


def suicide(chosen: int, torn: bool, folder: Path) -> None:
    """Work, and be killed before the call number `chosen`; `torn`: with half a line in the journal."""
    count = 0

    def wrapped(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count == chosen:
                if torn and original is fsync:
                    os.truncate(folder / "journal.log", (folder / "journal.log").stat().st_size - 9)
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **options)

        return call

    fsync = os.fsync
    for place, name in CALLS:
        setattr(place, name, wrapped(getattr(place, name)))
    work(folder)


def forked(task: Callable[[], None]) -> int:
    process = os.fork()
    if process == 0:
        code = 1
        try:
            task()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def main() -> None:
    rng, codes = random.Random(int(sys.argv[1])), []
    for number in range(int(sys.argv[2])):
        folder = Path(f"journal{number}")
        folder.mkdir()
        for _ in range(4):
            chosen, torn = rng.randint(1, 60), rng.random() < 0.5
            codes.append(forked(lambda chosen=chosen, torn=torn, folder=folder: suicide(chosen, torn, folder)))  # type: ignore[misc]
        codes.append(forked(lambda folder=folder: work(folder)))  # type: ignore[misc]
        attempts = ledger(folder).attempts()
        finished = sorted(attempt.key for attempt in attempts if attempt.status == FINISHED)
        assert finished == KEYS, (number, finished)
        assert not [attempt for attempt in attempts if attempt.status == RUNNING]
        for line in (folder / "journal.log").read_text().splitlines():
            json.loads(line)
        assert [path.name for path in folder.iterdir()] == ["journal.log"]
    print(json.dumps(codes))


if __name__ == "__main__":
    main()
