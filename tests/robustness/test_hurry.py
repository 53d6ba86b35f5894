"""A batch system that sends SIGTERM gives seconds: then nobody waits for W&B as long as after Ctrl-C."""

import signal
import time
from pathlib import Path
from typing import Any

import pytest

from ffnn.lab.config import make_config
from ffnn.lab.run import train
from ffnn.tracking import RunDirectory, WandbSettings, WandbTracker
from ffnn.tracking.wandb_tracker import HURRY_SECONDS
from ffnn.training.trainer import Callback, Trainer


class Signalled(Callback):
    """Sends this process a signal after ten steps."""

    def __init__(self, number: signal.Signals) -> None:
        self.number = number

    def on_step(self, trainer: Trainer) -> None:
        if trainer.step == 10:
            signal.raise_signal(self.number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_only_sigterm_makes_haste(number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []

    def finish(tracker: WandbTracker, summary: Any, status: str, hurry: int = 0) -> None:
        told.append(hurry)

    monkeypatch.setattr(WandbTracker, "finish", finish)
    passed_on: list[int] = []
    before = {known: signal.getsignal(known) for known in (signal.SIGINT, signal.SIGTERM)}
    for known in before:
        signal.signal(known, lambda received, frame: passed_on.append(received))
    try:
        settings = {"hidden_layers": [4], "epochs": 3, "wandb": "disabled", "runs_dir": str(tmp_path)}
        record = train(make_config(settings), lambda line: None, Signalled(number))
    finally:
        for known, handler in before.items():
            signal.signal(known, handler)
    assert record.summary["status"] == "stopped"
    assert told == [number == signal.SIGTERM]
    assert passed_on == ([signal.SIGTERM] if number == signal.SIGTERM else [])


def test_haste_does_not_wait_for_a_client_that_is_stuck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With five seconds until the process is killed, half of them are left for the summary and the end."""
    assert HURRY_SECONDS < 3
    monkeypatch.setattr(WandbTracker, "_open", lambda tracker, worker: time.sleep(20))
    directory = RunDirectory.create(tmp_path, "group", "run")
    tracker = WandbTracker(directory, {}, WandbSettings(mode="offline"), None, lambda line: None)
    tracker.start()
    begun = time.monotonic()
    tracker.finish({}, "stopped", hurry=True)
    assert time.monotonic() - begun < 5
