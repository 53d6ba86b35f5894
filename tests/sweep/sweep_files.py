"""What the tests of sweeps share: a tiny sweep file, and `ffnn sweep` as a real process."""

import csv
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from ffnn.tracking import dump_yaml

COMMAND = ["${env}", "${interpreter}", "-m", "ffnn", "train", "${args}"]
SMALL = {
    "dataset": {"value": "digits"},
    "engine": {"value": "numpy"},
    "epochs": {"value": 1},
    "batch_size": {"value": 1000},
    "hidden_layers": {"value": [8]},
}
METRIC = {"name": "best/val/accuracy", "goal": "maximize"}


def write_sweep(path: Path, parameters: dict[str, Any], **keys: Any) -> Path:
    """A sweep file for a tiny network, with these parameters beside the small ones."""
    values = {
        "project": "ffnn", "method": "grid", "metric": METRIC, "parameters": {**SMALL, **parameters},
        "command": COMMAND, **keys,
    }  # fmt: skip
    with path.open("w") as file:
        dump_yaml(values, file)
    return path


def command(file: Path, *options: str) -> list[str]:
    """The argument list of a sweep whose runs go beside its file, one after the other unless told otherwise."""
    runs = f"--runs_dir={file.parent / 'runs'}"
    return [sys.executable, "-m", "ffnn", "sweep", str(file), runs, "--wandb=disabled", "--workers=1", *options]


def start_sweep(file: Path, *options: str, **environ: str) -> "subprocess.Popen[str]":
    """`ffnn sweep`, under way."""
    env = {**os.environ, **environ}
    return subprocess.Popen(
        command(file, *options), env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def run_sweep(file: Path, *options: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    """`ffnn sweep`, to its end."""
    return subprocess.run(
        command(file, *options), env={**os.environ, **environ}, capture_output=True, text=True, timeout=300, check=False
    )


def rows(file: Path) -> list[dict[str, str]]:
    """What trials.csv says of the sweep of a file."""
    with (file.parent / "runs" / file.stem / "sweep" / "trials.csv").open() as table:
        return list(csv.DictReader(table))
