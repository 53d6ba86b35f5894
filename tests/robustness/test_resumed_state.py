"""What a run remembers besides weights decides when it ends and which epoch was best, also after an interruption."""

from pathlib import Path
from typing import Any

from lab.killed_runs import differences

from ffnn.lab.config import make_config
from ffnn.lab.resume import resume
from ffnn.lab.run import train
from ffnn.tracking import RunRecord
from ffnn.training.trainer import Callback, Trainer

STEPS = 12  # an epoch
PATIENCE = 4

SETTINGS: dict[str, Any] = {
    "hidden_layers": [12], "epochs": 30, "batch_size": 128, "wandb": "disabled", "name": "run", "threads": 1,
    "learning_rate": 0.5, "patience": PATIENCE, "patience_monitor": "train/loss", "checkpoint_every": 5,
}  # fmt: skip


class StopAt(Callback):
    """Interrupts training after a step, as a signal's handler would; 0: never."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, trainer: Trainer) -> None:
        if trainer.step == self.step:
            trainer.interrupt()


def test_patience_and_the_best_epoch_go_on_where_they_were(tmp_path: Path) -> None:
    """Stopped twice while it waits for a better epoch, it waits on from there, and gives the best weights back."""

    def run(name: str, stop_at: int) -> RunRecord:
        config = make_config({**SETTINGS, "runs_dir": str(tmp_path / name)})
        return train(config, lambda line: None, StopAt(stop_at))

    whole = run("whole", 0)
    epochs = whole.summary["epochs"]
    assert "has not improved" in whole.summary["reason"]
    assert PATIENCE < epochs < SETTINGS["epochs"]
    assert whole.summary["best/epoch"] < epochs - 1
    twin = run("twin", STEPS * (epochs - 3) + 5).path
    assert resume(twin, None, lambda line: None, StopAt(STEPS * (epochs - 1) + 5)).summary["status"] == "stopped"
    assert resume(twin, None, lambda line: None, Callback()).summary["status"] == "finished"
    assert differences(whole.path, twin) == []
