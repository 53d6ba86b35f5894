"""A run whose steps are recorded is the run whose steps are asked for one by one, on an engine of the CPU."""

from pathlib import Path
from typing import Any

import pytest

from ffnn.backend.numpy_engine import NumpyEngine
from ffnn.lab.config import make_config
from ffnn.lab.run import train
from ffnn.training.callbacks import BEST, LAST
from ffnn.training.checkpoints import Checkpoint
from ffnn.training.trainer import Callback

RUN = {
    "dataset": "digits", "epochs": 3, "hidden_layers": [16], "batch_size": 50, "dropout": 0.2, "batch_norm": True,
    "ema": 0.9, "schedule": "cosine", "engine": "numpy", "wandb": "disabled",
}  # fmt: skip


def results(folder: Path, settings: dict[str, Any]) -> tuple[Any, ...]:
    """Everything that a run leaves, times apart."""
    record = train(make_config({**RUN, **settings, "runs_dir": str(folder)}), lambda line: None, Callback())
    history = [{name: value for name, value in row.items() if "time/" not in name} for row in record.history]
    summary = {name: value for name, value in record.summary.items() if "time/" not in name}
    saved = [record.path / "checkpoints" / name for name in (LAST, BEST)]
    weights = [
        {name: array.tobytes() for name, array in Checkpoint.load(path).network.items()}
        for path in saved
        if path.exists()
    ]
    return history, summary, weights


@pytest.mark.parametrize(
    ("settings", "recorded"),
    [
        ({}, True),
        ({"optimizer": "sgd", "learning_rate": 1e25, "ema": None}, True),
        ({"batch_size": "full"}, False),  # one step an epoch, which is the last one
        ({"checkpoint_every": 7}, False),
        ({"augment": ["shift"]}, False),
    ],
    ids=str,
)
def test_recorded_runs_are_the_same(
    settings: dict[str, Any], recorded: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = results(tmp_path / "asked", settings)
    recordings = []
    capture = NumpyEngine.capture
    monkeypatch.setattr(NumpyEngine, "records", True)
    monkeypatch.setattr(NumpyEngine, "capture", lambda *given: recordings.append(1) or capture(*given))
    assert results(tmp_path / "recorded", settings) == expected
    assert bool(recordings) == recorded
