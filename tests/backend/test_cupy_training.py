"""Runs with `engine: cupy`, from config to run directory, on a GPU where there is one and on the stand-in for CuPy."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backend.emulated import EMULATOR, needs_compiler
from backend.stand_in import Device

from ffnn.lab.config import make_config
from ffnn.lab.resume import resume
from ffnn.lab.run import load_run, train
from ffnn.lab.stacked import Member, train_stacked
from ffnn.tracking import RunRecord
from ffnn.training.callbacks import LAST
from ffnn.training.checkpoints import Checkpoint
from ffnn.training.trainer import Callback

pytestmark = needs_compiler

RUN = {
    "dataset": "digits", "epochs": 2, "hidden_layers": [16], "activation": "tanh", "batch_size": 200, "dropout": 0.2,
    "batch_norm": True, "ema": 0.9, "clip_norm": 1.0, "l2": 1e-3, "schedule": "cosine", "dtype": "float64",
    "wandb": "disabled",
}  # fmt: skip
CLOSE = 1e-8


def quiet(line: str) -> None:
    pass


@pytest.fixture(autouse=True)
def together(device: Device | None, tmp_path: Path) -> Iterator[None]:
    """All kernels of a run wait to be compiled together."""
    if device is not None:
        EMULATOR.rehearsing = True
        with np.errstate(all="ignore"):
            run(tmp_path / "rehearsal", "cupy", epochs=1)
        EMULATOR.rehearsing = False
    yield


def run(folder: Path, engine: str, **settings: Any) -> RunRecord:
    config = make_config({**RUN, "engine": engine, "runs_dir": str(folder), **settings})
    return train(config, quiet, Callback())


def weights(record: RunRecord) -> np.ndarray:
    network = Checkpoint.load(record.path / "checkpoints" / LAST).network
    return np.concatenate([array.ravel() for name, array in network.items() if "stream" not in name])


@pytest.mark.parametrize(
    "settings",
    [{}, *(pytest.param(s, marks=pytest.mark.slow) for s in ({"device_memory_limit": 1e-9}, {"checkpoint_every": 3}))],
    ids=str,
)
def test_a_run_is_that_of_numpy(settings: dict[str, Any], tmp_path: Path) -> None:
    here = run(tmp_path / "numpy", "numpy", **{k: v for k, v in settings.items() if k != "device_memory_limit"})
    there = run(tmp_path / "cupy", "cupy", **settings)
    assert there.summary["status"] == here.summary["status"] == "finished"
    np.testing.assert_allclose(weights(there), weights(here), atol=CLOSE)
    for one, other in zip(here.history, there.history, strict=True):
        for name in ("train/loss", "val/loss", "train/accuracy", "val/accuracy", "grad_norm/all"):
            assert other[name] == pytest.approx(one[name], rel=CLOSE), name
    where = there.environment["device"]["images"][0]
    assert ("batches copied ahead" in where) == ("device_memory_limit" in settings), where


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bits(tmp_path: Path) -> None:
    one, other = (run(tmp_path / name, "cupy") for name in ("one", "other"))
    np.testing.assert_array_equal(weights(one), weights(other))


@pytest.mark.slow
def test_a_stack_trains_every_network_as_alone(tmp_path: Path) -> None:
    settings = [{"seed": 0}, {"seed": 1, "learning_rate": 0.01}, {"seed": 0, "l2": 0.0}]
    alone = [run(tmp_path / "alone", "cupy", **own) for own in settings]
    folder = str(tmp_path / "together")
    members = [Member(make_config({**RUN, "engine": "cupy", "runs_dir": folder, **own}), quiet) for own in settings]
    train_stacked(members)
    for one, member in zip(alone, members, strict=True):
        assert isinstance(member.outcome, RunRecord)
        np.testing.assert_allclose(weights(member.outcome), weights(one), atol=CLOSE)


@pytest.mark.slow
def test_what_a_gpu_has_trained_is_evaluated_and_resumed_there(tmp_path: Path) -> None:
    short, whole = run(tmp_path / "short", "cupy", epochs=1), run(tmp_path / "whole", "cupy")
    loaded, parts = load_run(whole.path, "last", quiet)
    assert loaded.summary["status"] == "finished"
    assert parts.objective.network.engine.name == "cupy"
    constant = {"schedule": "constant"}
    short, whole = run(tmp_path / "s", "cupy", epochs=1, **constant), run(tmp_path / "w", "cupy", **constant)
    np.testing.assert_array_equal(weights(resume(short.path, 2, quiet, Callback())), weights(whole))


def test_a_run_that_diverges_says_where(tmp_path: Path) -> None:
    settings = {"optimizer": "sgd", "learning_rate": 1e30, "ema": None, "clip_norm": None, "batch_norm": False}
    here, there = (run(tmp_path / name, name, **settings) for name in ("numpy", "cupy"))
    assert there.summary["status"] == "diverged"
    assert there.summary["reason"] == here.summary["reason"]
