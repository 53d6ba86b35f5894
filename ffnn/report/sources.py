"""What lies at a path: a run, an experiment's folder, a sweep's folder, or runs that somebody put together.

Each is read into plain values here, once; the chapters of a report are written from these.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ffnn.csv_file import read_csv
from ffnn.errors import FFNNError
from ffnn.files import is_file
from ffnn.records import Format, read_json
from ffnn.report.formats import Comparison, Sweep
from ffnn.tracking import RunRecord, read_run

COMPARISON, RUNS, TRIALS, SWEEP, CONFIG = (
    "comparison.json",
    "runs.csv",
    "sweep/trials.csv",
    "sweep/sweep.json",
    "config.yaml",
)
AGAIN = "mend the file, or repeat the command that made it; finished runs are not trained again"


@dataclass(frozen=True)
class ExperimentFolder:
    """What `ffnn run` left of an experiment: comparison.json, and the runs of each condition.

    Missing are runs that the table names and that are not there any more.
    """

    path: Path
    comparison: dict[str, Any]
    records: Mapping[str, list[RunRecord]]
    missing: Sequence[str]

    @property
    def title(self) -> str:
        """The experiment's name."""
        return self.path.resolve().name


@dataclass(frozen=True)
class SweepFolder:
    """What `ffnn sweep` left of a sweep: the rows of trials.csv, text by column, and sweep.json.

    The latter has metric, importances and so on; it is empty for sweeps of older versions.
    """

    path: Path
    trials: list[dict[str, str]]
    about: dict[str, Any]

    @property
    def title(self) -> str:
        """The sweep's name."""
        return self.path.resolve().name


@dataclass(frozen=True)
class Runs:
    """Several runs without an experiment that would say what they are for."""

    title: str
    records: list[RunRecord]


Source = ExperimentFolder | SweepFolder | Runs | RunRecord


def find_sources(paths: Sequence[Path]) -> list[Source]:
    """Everything that the paths name, in their order; runs that are in no experiment or sweep come together, last.

    FFNNError if a path holds no run, or a file is damaged.
    """
    sources: list[Source] = []
    loose: list[Path] = []
    for path in paths:
        before = len(sources) + len(loose)
        for kind, place in _places(path):
            if kind == "run":
                loose.append(place)
            else:
                sources.append(read_experiment_folder(place) if kind == "experiment" else read_sweep_folder(place))
        if len(sources) + len(loose) == before:
            raise FFNNError(
                f"{path}: expected a run, or a folder that `ffnn run`, `ffnn sweep` or `ffnn train` has filled; "
                + ("it holds no run" if path.is_dir() else "there is no such folder")
            )
    loose = list(dict.fromkeys(loose))
    if len(loose) == 1:
        sources.append(read_run(loose[0]))
    elif loose:
        groups = {path.resolve().parent.name for path in loose}
        title = groups.pop() if len(groups) == 1 else f"{len(loose)} runs"
        sources.append(Runs(title, [read_run(path) for path in loose]))
    return sources


def _places(path: Path) -> Iterator[tuple[str, Path]]:
    """Runs, experiments and sweeps at or below a path; what lies inside one is not searched."""
    marks = {"run": CONFIG, "experiment": COMPARISON, "sweep": TRIALS}
    for folder, folders, _ in os.walk(path):
        place = Path(folder)
        kind = next((kind for kind, file in marks.items() if (place / file).is_file()), None)
        folders.sort()
        if kind:
            folders.clear()
            yield kind, place


def read_experiment_folder(path: Path) -> ExperimentFolder:
    """The comparison and the runs of an experiment; FFNNError if a file of it is missing or damaged."""
    comparison = _read(path / COMPARISON, Comparison)
    records: dict[str, list[RunRecord]] = {row["condition"]: [] for row in comparison.get("conditions", [])}
    missing = []
    runs: dict[str, RunRecord] = {}
    for row in read_csv(path / RUNS, ("condition", "run")):
        name = row["run"]
        if name not in runs:
            if not is_file(path / name / CONFIG):
                missing.append(name)
                continue
            runs[name] = read_run(path / name)
        records.setdefault(row["condition"], []).append(runs[name])
    return ExperimentFolder(path, comparison, {name: those for name, those in records.items() if those}, missing)


def read_sweep_folder(path: Path) -> SweepFolder:
    """The trials of a sweep; FFNNError if a file of it is damaged."""
    about = _read(path / SWEEP, Sweep) if (path / SWEEP).is_file() else {}
    return SweepFolder(path, read_csv(path / TRIALS, ("trial", "status")), about)


def sweep_runs(folder: SweepFolder) -> list[RunRecord]:
    """The runs of a sweep's trials, as far as they are there; also when the folder was moved."""
    places = [folder.path / Path(row["run"]).name for row in folder.trials if row.get("run")]
    return [read_run(place) for place in dict.fromkeys(places) if is_file(place / CONFIG)]


def _read(path: Path, model: type[Format]) -> dict[str, Any]:
    try:
        return read_json(path, model, AGAIN)
    except FileNotFoundError as problem:
        raise FFNNError(f"{path}: expected a JSON object; {problem.strerror}") from problem
