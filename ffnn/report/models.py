"""Small copies of the best runs, to be kept beside a written report: settings, results and weights.

`ffnn evaluate` takes such a copy as it takes the run itself, so that anybody can measure its figures again.
"""

import dataclasses
import json
import math
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

from ffnn.files import replacing, storing
from ffnn.lab.config import Config
from ffnn.report.sources import ExperimentFolder
from ffnn.tracking import RunDirectory, RunRecord
from ffnn.training.checkpoints import Checkpoint

MOST_PARAMETERS = 500_000
"""Of a network that is kept: two megabytes of float32."""

KNOWN = ("time", "versions")
"""Of the environment; paths, the command line and the machine are nobody else's business."""


PLACES = ("source", "data_dir")
"""Of the data: where they lay on this machine."""

PRIVATE = ("data_dir", "runs_dir", "tags", "notes", "project", "entity")
"""Settings about this machine and its user; none changes what the network answers."""


def best_run(folders: Iterable[ExperimentFolder]) -> RunRecord | None:
    """Of all runs with at most 500,000 parameters the one with the highest validation accuracy, then lowest loss."""
    runs = [
        run
        for folder in folders
        for runs in folder.records.values()
        for run in runs
        if run.summary.get("parameters", MOST_PARAMETERS + 1) <= MOST_PARAMETERS
        and (run.path / "checkpoints" / "best.npz").is_file()
    ]
    return max(runs, key=_standing, default=None)


def _standing(run: RunRecord) -> tuple[float, float]:
    return float(run.summary.get("best/val/accuracy", 0)), -float(run.summary.get("best/val/loss", math.inf))


def _published(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings without what is private; data of the user's own keep the last part of their path.

    Examples
    --------
    >>> _published({"dataset": {"name": "csv", "path": "/home/me/a.csv"}, "notes": "for Eve", "epochs": 3})
    {'dataset': {'name': 'csv', 'path': 'a.csv'}, 'notes': '', 'epochs': 3}
    """
    published = {
        name: Config.model_fields[name].get_default(call_default_factory=True) if name in PRIVATE else value
        for name, value in settings.items()
    }
    dataset = settings.get("dataset")
    if isinstance(dataset, dict) and "path" in dataset:
        published["dataset"] = {**dataset, "path": PureWindowsPath(str(dataset["path"])).name}  # splits at / and at \
    return published


def keep_model(run: RunRecord, folder: Path) -> Path:
    """Copy a run that has a best checkpoint, without what only training needs; the folder is made and given back.

    That is the optimizer's state, the history and the W&B record. What is in the folder is replaced.
    """
    checkpoints = folder / "checkpoints"
    with storing(folder):
        checkpoints.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(run.path / "summary.json", folder / "summary.json")
    config = _published(run.config)
    RunDirectory(folder).write_config(config)
    data = {name: value for name, value in run.environment.get("data", {}).items() if name not in PLACES}
    environment = {**{name: run.environment[name] for name in KNOWN if name in run.environment}, "data": data}
    with replacing(folder / "environment.json") as file:
        file.write(json.dumps(environment, indent=2) + "\n")
    whole = Checkpoint.load(run.path / "checkpoints" / "best.npz")
    averaged = {name: array for name, array in whole.extra.items() if name == "average"}
    meta = {name: value for name, value in whole.meta.items() if name in ("epoch", "step")}
    meta["config"] = config
    dataclasses.replace(whole, optimizer={}, extra=averaged, meta=meta, best={}).save(checkpoints / "best.npz")
    return folder
