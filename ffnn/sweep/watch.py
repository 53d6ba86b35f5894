"""What a trial's run directory says while it is written: the metric of each epoch, and how the run ended.

Plain files are the truth about a run; nothing else is asked.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ffnn.errors import FFNNError
from ffnn.ranges import is_number
from ffnn.tracking import RunDirectory
from ffnn.tracking.environment import recorded_command
from ffnn.tracking.formats import EPOCH
from ffnn.tracking.run_directory import HISTORY, read_environment, read_summary


class RunWatch:
    """Finds the run directory that a trial makes in a folder, and follows one metric in it.

    Those that are there already are not it; its record of how it was started ends as the trial's argument list does.
    """

    def __init__(self, folder: Path, argv: Sequence[str], metric: str) -> None:
        self.folder, self.metric = folder, metric
        self._command = _recorded(argv)
        self.path: Path | None = None
        self.values: list[float] = []
        self.epochs = 0
        self._others = set(self._names())
        self._read = 0

    def _names(self) -> list[str]:
        return [path.name for path in self.folder.iterdir()] if self.folder.is_dir() else []

    def find(self) -> Path | None:
        """The run directory, once it is there."""
        for name in () if self.path else set(self._names()) - self._others:
            command = _sound(read_environment, self.folder / name).get("command")
            if command is not None and str(command).endswith(self._command):
                self.path = self.folder / name
            elif command is not None:
                self._others.add(name)
        return self.path

    def follow(self) -> list[float]:
        """The metric's finite values that were logged since the last call."""
        if not self.find() or not self.path:
            return []
        try:
            with (self.path / HISTORY).open("rb") as file:
                file.seek(self._read)
                lines = file.read()
        except OSError:
            return []
        whole = lines[: lines.rfind(b"\n") + 1]
        self._read += len(whole)
        records = _records(whole)
        self.epochs += len(records)
        new = [float(record[self.metric]) for record in records if _is_finite(record.get(self.metric))]
        self.values += new
        return new

    def summary(self) -> dict[str, Any]:
        """The run's summary; empty before there is one."""
        return _sound(read_summary, self.path) if self.path else {}

    def value_of_summary(self) -> float | None:
        """The metric where it is measured once, at the end, as test/accuracy is."""
        summary = self.summary()
        return float(summary[self.metric]) if _is_finite(summary.get(self.metric)) else None

    def mark(self, status: str, reason: str) -> None:
        """Write down why a run ended that could not do so itself."""
        mark_run(self.path, status, reason)


def _records(lines: bytes) -> list[dict[str, Any]]:
    """Those that are sound: a damaged line of one run must not end the sweep."""
    records = []
    for line in lines.splitlines():
        with suppress(ValueError):
            records.append(EPOCH.validate_json(line))
    return records


def finished_run(folder: Path, argv: Sequence[str], metric: str) -> RunWatch | None:
    """The run that a trial with this argument list has finished, read to its end; the arguments are RunWatch's."""
    for path in _runs_of(folder, argv):
        if _sound(read_summary, path).get("status") in ("finished", "diverged"):
            watch = RunWatch(folder, argv, metric)
            watch.path = path
            watch.follow()
            return watch
    return None


def mark_unfinished_runs(folder: Path, argv: Sequence[str], reason: str) -> None:
    """Mark as stopped whatever else a trial with this argument list has begun and nothing has ended."""
    for path in _runs_of(folder, argv):
        if _sound(read_summary, path).get("status") not in ("finished", "diverged", "failed"):
            mark_run(path, "stopped", reason)


def _runs_of(folder: Path, argv: Sequence[str]) -> list[Path]:
    paths = list(folder.iterdir()) if folder.is_dir() else []
    return [path for path in paths if str(_sound(read_environment, path).get("command", "")).endswith(_recorded(argv))]


def _recorded(argv: Sequence[str]) -> str:
    """How the run that a command makes records the end of that command."""
    return recorded_command(argv[argv.index("train") :])


def mark_run(path: Path | None, status: str, reason: str) -> None:
    """Write status and reason into a run's summary, if the run is here."""
    if path is not None and path.is_dir():
        RunDirectory(path).write_summary({**_sound(read_summary, path), "status": status, "reason": reason})


def _sound(read: Callable[[Path], dict[str, Any]], path: Path) -> dict[str, Any]:
    """What a file of a run says; nothing where it is damaged."""
    try:
        return read(path)
    except FFNNError:
        return {}


def _is_finite(value: Any) -> bool:
    return is_number(value) and math.isfinite(value)
