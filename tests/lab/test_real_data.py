"""Training on the real images, where somebody has laid them out: figures that only right gradients reach."""

import os
from pathlib import Path
from typing import Any

import pytest

from ffnn.data import DATASETS, data_root
from ffnn.lab.config import make_config
from ffnn.lab.run import train
from ffnn.training.callbacks import Callback

pytestmark = pytest.mark.data


def settings(name: str, tmp_path: Path, **more: Any) -> Any:
    folder = os.environ.get("FFNN_DATA_DIR")
    if not folder or DATASETS.create(name).missing(data_root(folder)):
        pytest.skip(f"{name} is not under $FFNN_DATA_DIR")
    values = {"dataset": name, "data_dir": folder, "runs_dir": str(tmp_path), "wandb": "disabled", "epochs": 3}
    return make_config({**values, **more})


@pytest.mark.slow
@pytest.mark.parametrize(("name", "floor"), [("mnist", 0.96), ("fashion_mnist", 0.85)])
def test_three_epochs_on_the_full_training_set(name: str, floor: float, tmp_path: Path) -> None:
    """Published MLPs of this size end near 98 % and 88 %; three epochs are most of the way."""
    record = train(settings(name, tmp_path), lambda line: None, Callback())
    assert record.environment["data"]["counts"] == {"train": 54000, "val": 6000, "test": 10000}
    assert record.summary["test/accuracy"] > floor
    assert record.summary["test/ece"] < 0.05


@pytest.mark.slow
def test_adam_reaches_the_accuracy_that_is_promised(tmp_path: Path) -> None:
    """784-128-64-10, 15 epochs, batch 64: the mean over three seeds."""
    runs = [
        train(settings("fashion_mnist", tmp_path, epochs=15, seed=seed), lambda line: None, Callback())
        for seed in range(3)
    ]
    assert sum(run.summary["test/accuracy"] for run in runs) / 3 >= 0.878
