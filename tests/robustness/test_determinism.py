"""The README's table of determinism, line by line: what is the same to the bit, and what is close and how close.

That a run repeats itself is tested in `lab/test_run.py`, and that a killed one does in `lab/test_resume.py`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lab.killed_runs import differences

from ffnn.lab.config import make_config
from ffnn.lab.jobs import Job, run_jobs
from ffnn.lab.run import train
from ffnn.tracking import RunRecord
from ffnn.training.trainer import Callback

SMALL = {"hidden_layers": [12], "epochs": 3, "batch_size": 128, "wandb": "disabled", "name": "run", "threads": 1}
WIDE = {"hidden_layers": [512], "epochs": 3, "batch_size": 512, "wandb": "disabled", "learning_rate": 0.01}

APART = 1e-5
"""Largest relative distance of the losses of three epochs; measured: engines 6.3e-7, one thread and two 8.3e-8,
float32 and float64 6.1e-7 (numba) and 2.4e-8 (numpy)."""


def run(folder: Path, **settings: Any) -> RunRecord:
    return train(make_config({**SMALL, "runs_dir": str(folder), **settings}), lambda line: None, Callback())


def apart(one: RunRecord, other: RunRecord) -> float:
    """The largest relative distance between the losses of two runs."""
    losses = [np.array([[line["train/loss"], line["val/loss"]] for line in record.history]) for record in (one, other)]
    return float(np.max(np.abs(losses[0] - losses[1]) / losses[0]))


@pytest.mark.parametrize("engine", [pytest.param("numpy", marks=pytest.mark.slow), "numba"])
@pytest.mark.parametrize(
    "how",
    [{"checkpoint_every": 3}, {"histogram_every": 1, "tags": ["other"], "notes": "x"}, {"wandb": "offline"}],
    ids=lambda how: next(iter(how)),
)
def test_how_a_run_is_watched_and_saved_changes_no_bit(how: dict[str, Any], engine: str, tmp_path: Path) -> None:
    one, other = (
        run(tmp_path / name, engine=engine, dropout=0.2, **more) for name, more in (("one", {}), ("other", how))
    )
    assert differences(one.path, other.path) == []


@pytest.mark.slow
def test_another_process_with_other_hashes_changes_no_bit(tmp_path: Path) -> None:
    """Sets and dictionaries of text may come in another order there."""
    here = run(tmp_path / "one", augment=["shift"])
    words = [f"--{name}={value}" for name, value in {**SMALL, "augment": "[shift]", "runs_dir": "two"}.items()]
    command = [sys.executable, "-m", "ffnn", "train", *words]
    environ = {**os.environ, "PYTHONHASHSEED": "77"}
    subprocess.run(command, cwd=tmp_path, env=environ, check=True, capture_output=True, timeout=300)
    (there,) = (tmp_path / "two").rglob("config.yaml")
    assert differences(here.path, there.parent) == []


@pytest.mark.slow
def test_one_run_at_a_time_or_two_changes_no_bit(tmp_path: Path) -> None:
    found = []
    for workers in (1, 2):
        folder = {"runs_dir": str(tmp_path / str(workers))}
        jobs = [Job(str(seed), make_config({**SMALL, **folder, "seed": seed})) for seed in (0, 1)]
        outcomes = {job.condition: record for job, record in run_jobs(jobs, workers, lambda line: None)}
        assert all(isinstance(record, RunRecord) for record in outcomes.values()), outcomes
        found.append(outcomes)
    for seed in ("0", "1"):
        one, two = (outcomes[seed] for outcomes in found)
        assert isinstance(one, RunRecord)
        assert isinstance(two, RunRecord)
        assert differences(one.path, two.path) == []


def test_the_engines_are_close(tmp_path: Path) -> None:
    assert 0 < apart(run(tmp_path, engine="numpy"), run(tmp_path, engine="numba")) < APART


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "largest"), [("numpy", APART), ("numba", 0.0)])
def test_threads_of_blas_leave_results_close_and_those_of_recorded_steps_the_same(
    engine: str, largest: float, tmp_path: Path
) -> None:
    one, two = (run(tmp_path / str(count), **WIDE, engine=engine, threads=count) for count in (1, 2))
    assert [record.config["threads"] for record in (one, two)] == [1, 2]
    assert apart(one, two) <= largest
    assert largest or differences(one.path, two.path) == []


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_single_and_double_precision_are_close(engine: str, tmp_path: Path) -> None:
    one, other = (run(tmp_path, engine=engine, dtype=dtype) for dtype in ("float32", "float64"))
    assert 0 < apart(one, other) < APART


def test_another_seed_is_another_run(tmp_path: Path) -> None:
    """What compares runs above can tell two apart."""
    one, other = run(tmp_path / "one"), run(tmp_path / "other", seed=1)
    assert len(differences(one.path, other.path)) > 5
    assert json.dumps(one.history) != json.dumps(other.history)
