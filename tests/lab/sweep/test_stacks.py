"""Sweeps whose trials are trained as stacks: the same trials with the same values, and each with its own end."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from sweep_files import METRIC, rows, run_sweep, start_sweep, write_sweep
from test_processes import FOREVER, check_complete, over, trials_of, until, writers

from ffnn.tracking import find_runs, read_run

RATES = {"learning_rate": {"values": [0.001, 0.01, 0.1, 1.0]}, "epochs": {"value": 3}}


def sweep_in(folder: Path, parameters: dict[str, Any], *options: str, **keys: Any) -> Path:
    """A sweep in a folder of its own, run to its end."""
    folder.mkdir()
    file = write_sweep(folder / "s.yaml", parameters, **keys)
    result = run_sweep(file, *options)
    assert result.returncode == 0, result.stderr
    return file


def results(file: Path) -> dict[str, tuple[str, str]]:
    """How each trial ended, and its best value."""
    return {row["trial"]: (row["status"], row["best/val/accuracy"]) for row in rows(file)}


def stacks(file: Path) -> list[int | None]:
    """Of how many each run was one, in the order of the table."""
    return [read_run(row["run"]).summary.get("stack") for row in rows(file)]


def test_a_grid_of_two_shapes_is_the_same_in_stacks(tmp_path: Path) -> None:
    """Shapes alternate in the grid's order; every trial is there once, with the values that it has alone."""
    parameters = {
        "learning_rate": {"values": [0.001, 0.01, 1e20]}, "hidden_layers": {"values": [[4], [8]]},
        "epochs": {"value": 2},
    }  # fmt: skip
    file = sweep_in(tmp_path / "stacked", parameters, "--stack=3")
    assert stacks(file) == [3] * 6
    single = sweep_in(tmp_path / "alone", parameters)
    assert results(file) == results(single)
    assert [row["status"] for row in rows(file)].count("diverged") == 2
    assert len(find_runs(file.parent / "runs")) == 6
    for row in rows(file):
        assert read_run(row["run"]).environment["command"].count("--learning_rate=") == 1
    assert trials_of(tmp_path) == writers(tmp_path) == []
