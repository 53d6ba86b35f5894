"""The run directory: plain files that hold everything about one run, and are the truth about it.

Whatever else is told about a run, to W&B or in a report, is read from here or was written here first.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ffnn.errors import FFNNError
from ffnn.files import cut_unfinished_line, flush_file, is_file, replacing, storing
from ffnn.locks import exclusive
from ffnn.records import Format, checked, read_json
from ffnn.tracking.folders import checked_name, new_folder
from ffnn.tracking.formats import EPOCH, Environment, Settings, Summary
from ffnn.tracking.plain import finite_numbers, write_json
from ffnn.tracking.yaml_file import dump_yaml, load_yaml

CONFIG, HISTORY, SUMMARY, ENVIRONMENT = "config.yaml", "history.jsonl", "summary.json", "environment.json"
LOCK = ".lock"
AGAIN = "mend the file, or remove the run's folder and train it again"
"""What can be done about a damaged one."""


class RunDirectory:
    """Writes the files of one run, into a directory that exists; `create` makes a new one."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.checkpoints = self.path / "checkpoints"
        self.figures = self.path / "figures"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    @classmethod
    def create(cls, runs_dir: Path | str, group: str, run_id: str) -> "RunDirectory":
        """Make `runs_dir/group/run_id`, or `run_id-2`, `-3`, ... where that name is taken.

        FFNNError if a name cannot be that of a folder on every system, or the directory cannot be made.
        """
        folder = group_folder(runs_dir, group)
        return cls(new_folder(folder, checked_name("name", run_id), "checkpoints", "figures"))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep every other process from training in this directory; the lock ends with its process, however that ends.

        FFNNError if another process has it.
        """

        def refuse(who: str) -> None:
            raise FFNNError(f"{self.path}: {who} is training in this run directory; wait for it")

        with exclusive(self.path / LOCK, refuse):
            yield

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Write `config.yaml`. Infinities stay (`.inf`): running the file again must give the same run."""
        with replacing(self.path / CONFIG) as file:
            dump_yaml(config, file)

    def append_history(self, record: Mapping[str, Any]) -> None:
        """Append one epoch to `history.jsonl`: a JSON object on a line of its own, its finite numbers only.

        The line reaches the operating system before this returns, so killing the process loses
        nothing. What a writer that was killed left of a line is cut off first.
        """
        line = json.dumps(finite_numbers(record), allow_nan=False) + "\n"
        path = self.path / HISTORY
        with storing(path), path.open("ab+") as file:
            cut_unfinished_line(file)
            file.write(line.encode())

    def flush_history(self) -> None:
        """Have the history on the disk before this returns: what refers to it may be written afterwards."""
        if (self.path / HISTORY).exists():
            flush_file(self.path / HISTORY)

    def cut_history(self, epochs: int) -> list[dict[str, Any]]:
        """Leave the first `epochs` epochs of the history, and give their records.

        FFNNError if they are not all there; nothing is changed then.
        """
        if not epochs:
            with storing(self.path / HISTORY):
                (self.path / HISTORY).unlink(missing_ok=True)
            return []
        records = read_history(self.path)
        first = records[:epochs]
        if [record.get("epoch") for record in first] != list(range(1, epochs + 1)):
            raise FFNNError(f"{self.path / HISTORY}: expected the epochs 1 to {epochs}; some are missing")
        with replacing(self.path / HISTORY) as file:
            file.writelines(json.dumps(record, allow_nan=False) + "\n" for record in first)
        return first

    def clear_leftovers(self) -> None:
        """Remove what a killed process left of files that only the training process writes, which has the lock.

        Figures are drawn by others, too, perhaps at this moment.
        """
        for folder in (self.path, self.checkpoints):
            for path in folder.glob(".*.part"):
                with storing(path):
                    path.unlink(missing_ok=True)

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write `summary.json`, without what is not finite; a reader sees the old file or the new one."""
        write_json(self.path / SUMMARY, summary)

    def write_environment(self, environment: Mapping[str, Any]) -> None:
        """Write `environment.json`, in the same way."""
        write_json(self.path / ENVIRONMENT, environment)


@dataclass(frozen=True)
class RunRecord:
    """One run as read back, with a record an epoch, in order, as `history`; what it has not written yet is empty."""

    path: Path
    config: dict[str, Any]
    history: list[dict[str, Any]]
    summary: dict[str, Any]
    environment: dict[str, Any]


def read_run(path: Path | str) -> RunRecord:
    """Read a run directory, also of a run that is under way or was killed.

    A last line of the history that was never finished is ignored.

    FFNNError if `path` is no run directory, or one of its files is damaged.
    """
    path = Path(path)
    if not is_file(path / CONFIG):
        raise FFNNError(f"{path}: expected a run directory; it has no {CONFIG} (runs are in RUNS_DIR/GROUP/RUN_ID)")
    config = checked(Settings, load_yaml(path / CONFIG), path / CONFIG, AGAIN)
    return RunRecord(path, config, read_history(path), read_summary(path), read_environment(path))


def read_summary(path: Path) -> dict[str, Any]:
    """The summary of the run in `path`, empty before it has one; FFNNError if it is damaged."""
    return _read(path / SUMMARY, Summary)


def read_environment(path: Path) -> dict[str, Any]:
    """What the run in `path` was made with, empty before that is written; FFNNError if it is damaged."""
    return _read(path / ENVIRONMENT, Environment)


def group_folder(runs_dir: Path | str, group: str) -> Path:
    """Where the runs of a group are; FFNNError if it is no name of a folder."""
    return Path(runs_dir) / checked_name("group", group)


def find_runs(path: Path | str) -> list[Path]:
    """All run directories at or below `path`, sorted; what lies inside a run is not searched.

    FFNNError if `path` is no directory.
    """
    path = Path(path)
    if not path.is_dir():
        raise FFNNError(f"{path}: expected a directory with runs; there is none")
    runs = []
    for folder, folders, files in os.walk(path):
        if CONFIG in files:
            runs.append(Path(folder))
            folders.clear()
    return sorted(runs)


def _read(path: Path, model: type[Format]) -> dict[str, Any]:
    try:
        return read_json(path, model, AGAIN)
    except FileNotFoundError:
        return {}


def read_history(path: Path) -> list[dict[str, Any]]:
    """The history of the run in `path`, without a last line that was never finished; FFNNError if it is damaged."""
    try:
        content = (path / HISTORY).read_bytes()
    except FileNotFoundError:
        return []
    except OSError as problem:
        raise FFNNError(f"{path / HISTORY}: expected a readable file; {problem.strerror}") from problem
    return parse_history(content.split(b"\n")[:-1], path / HISTORY)  # the last piece has no end yet


def parse_history(lines: Sequence[bytes], path: Path, before: int = 0) -> list[dict[str, Any]]:
    """Lines of a history, of which so many come before them; FFNNError if one is damaged or of another epoch."""
    records = []
    for number, line in enumerate(lines, start=before + 1):
        try:
            record = EPOCH.validate_json(line)
        except ValidationError as problem:
            raise FFNNError(
                f"{path}:{number}: expected a JSON object of finite numbers; received {line[:60]!r}; {AGAIN}"
            ) from problem
        if record.get("epoch", number) != number:
            raise FFNNError(f"{path}:{number}: expected epoch {number}; received {record['epoch']}; {AGAIN}")
        records.append(record)
    return records
