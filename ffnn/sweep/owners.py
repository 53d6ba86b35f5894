"""Who runs what, and whether they still live: a trial whose owner died is run again, and no other is.

On the same machine a process is looked up; from elsewhere, and where the system hides it, its heartbeat in the
storage is watched by the observer's own clock, so that machines need not agree on the time.
"""

import os
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

from ffnn.processes import here, lives, started

BEAT_SECONDS = 5.0
LEASE_SECONDS = 60.0
RECORD = {"beat", "machine", "pid", "started"}
"""What an owner's record holds."""


class Owners:
    """This process as an owner of trials, and what it knows of the others.

    `read` gives the storage's record of all owners, by their id, `write` stores this one's; `clock` only rises.
    """

    def __init__(
        self,
        read: Callable[[], Mapping[str, Mapping[str, Any]]],
        write: Callable[[str, dict[str, Any]], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.id = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._read, self._write, self._clock = read, write, clock
        self._seen: dict[str, tuple[Any, float]] = {}
        self._beats, self._last = 0, float("-inf")
        self._self = {"machine": here(), "pid": os.getpid(), "started": started(os.getpid())}

    def beat(self) -> None:
        """Say that this process lives, where it has not said so for five seconds."""
        now = self._clock()
        if now - self._last >= BEAT_SECONDS:
            self._beats += 1
            self._last = now
            self._write(self.id, {**self._self, "beat": self._beats})

    def dead(self) -> Callable[[str], bool]:
        """A judge of owners, by the storage as it is now: True for those known to live no more."""
        records = self._read()
        now = self._clock()

        def judge(owner: str) -> bool:
            record = records.get(owner)
            if owner == self.id:
                return False
            if record is None:
                return True  # an owner writes its record before it takes a trial
            near = record["machine"] and record["machine"] == self._self["machine"]
            alive = lives(record["pid"], record["started"]) if near else None
            if alive is not None:
                return not alive
            beat, since = self._seen.get(owner, (None, now))
            if beat != record["beat"]:
                self._seen[owner] = (record["beat"], now)
                return False
            return bool(now - since > LEASE_SECONDS)

        return judge
