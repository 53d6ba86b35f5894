"""Two processes at one experiment: each run is made by one of them, and the other waits for it and uses it.

The lock of a run is held by the very process that trains it, so that it is free when that one is killed, and not
before.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ffnn.errors import FFNNError
from ffnn.lab.config import Config
from ffnn.locks import exclusive
from ffnn.tracking import RunRecord, read_run
from ffnn.tracking.run_directory import CONFIG, group_folder, read_summary

OVER = ("finished", "diverged")
"""Statuses of runs that are there, and stay as they are."""


class TakenError(Exception):
    """Another process is making this run."""


@dataclass(frozen=True)
class Company:
    """What this process knows of the runs that others may be making.

    `data` are the digests of the data that runs must have used, by the digest of their config; runs that are
    `finished` need not be looked at.
    """

    data: Mapping[str, str]
    finished: Set[Path]
    _over: dict[str, str] = field(default_factory=dict)
    """The digest of the config, by path, of runs that are over: each is read once, however many claims follow."""

    @contextmanager
    def claimed(self, config: Config, taken: Callable[[str], None]) -> Iterator[RunRecord | None]:
        """Within it no other process makes this run; gives the run if another one has made it before.

        `taken` is as for `ffnn.locks.exclusive`.
        """
        folder, digest = group_folder(config.runs_dir, config.group), config.digest()
        with exclusive(folder / f".{digest}.lock", taken):
            yield self._made(folder, digest)

    def _made(self, folder: Path, digest: str) -> RunRecord | None:
        self._look(folder)
        for path in sorted(Path(path) for path, made in self._over.items() if made == digest):
            if path not in self.finished and path.parent == folder and (path / CONFIG).is_file():
                record = read_run(path)
                digests = record.summary.get("config_digest"), record.environment.get("data", {}).get("digest")
                if record.summary.get("status") in OVER and digests == (digest, self.data[digest]):
                    return record
        return None

    def _look(self, folder: Path) -> None:
        """Read what is new in the folder; a run under way, which has a summary too, is new until it is over."""
        with os.scandir(folder) as entries:
            new = [entry.path for entry in entries if entry.path not in self._over and not entry.name.startswith(".")]
        for path in new:
            try:
                summary = read_summary(Path(path))
            except FFNNError:  # damaged, and so nobody's to use
                continue
            if summary.get("status") in OVER:
                self._over[path] = str(summary.get("config_digest"))


def refuse(who: str) -> None:
    """For `claimed`: do not wait."""
    raise TakenError(who)
