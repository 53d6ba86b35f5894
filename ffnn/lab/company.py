"""Two processes at one experiment: each run is made by one of them, and the other waits for it and uses it.

The lock of a run is held by the very process that trains it, so that it is free when that one is killed, and not
before.
"""

from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ffnn.lab.config import Config
from ffnn.locks import exclusive
from ffnn.tracking import RunRecord, read_run
from ffnn.tracking.run_directory import CONFIG, SUMMARY, group_folder


class TakenError(Exception):
    """Another process is making this run."""


@dataclass(frozen=True)
class Company:
    """What this process knows of the runs that others may be making.

    Attributes
    ----------
    data : mapping
        The digest of the data that a run must have used, by the digest of its config.
    known : set of Path
        Runs that need not be looked at.
    """

    data: Mapping[str, str]
    known: Set[Path]

    @contextmanager
    def claimed(self, config: Config, taken: Callable[[str], None]) -> Iterator[RunRecord | None]:
        """Within it no other process makes this run; gives the run if another one has made it before.

        Parameters
        ----------
        config : Config
        taken : callable
            As for `ffnn.locks.exclusive`.
        """
        folder, digest = group_folder(config.runs_dir, config.group), config.digest()
        with exclusive(folder / f".{digest}.lock", taken):
            yield self._made(folder, digest)

    def _made(self, folder: Path, digest: str) -> RunRecord | None:
        for path in sorted(folder.iterdir()):
            if path not in self.known and digest in _text(path / SUMMARY) and (path / CONFIG).is_file():
                record = read_run(path)
                there = record.summary.get("config_digest"), record.environment.get("data", {}).get("digest")
                if record.summary.get("status") in ("finished", "diverged") and there == (digest, self.data[digest]):
                    return record
        return None


def refuse(who: str) -> None:
    """For `claimed`: do not wait."""
    raise TakenError(who)


def _text(path: Path) -> str:
    """What a file holds, to look for a digest before all of a run is read; nothing where there is no such file."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
