"""A run against a server given by the environment; waits on standard input where told to."""

import sys
from typing import Any

import numpy as np

from ffnn.tracking import RunDirectory, WandbSettings, WandbTracker


def say(line: Any) -> None:
    print(line, flush=True)


def main(path: str, init_timeout: str, finish_timeout: str, pause: str) -> None:
    directory = RunDirectory(path)
    np.savez(directory.checkpoints / "best.npz", w=np.arange(10.0))
    settings = WandbSettings("auto", init_timeout=float(init_timeout), finish_timeout=float(finish_timeout))
    tracker = WandbTracker(directory, {"learning_rate": 0.1}, settings, notify=say)
    tracker.start()
    for epoch in (1, 2, 3):
        tracker.log_epoch({"epoch": epoch, "val/loss": float("nan") if epoch == 2 else 1 / epoch, "val/accuracy": 0.5})
    if pause == "pause":
        sys.stdin.readline()
    tracker.finish({"best/val/accuracy": 0.5, "best/epoch": 1}, "finished")
    assert tracker.delivery
    say(f"training done, {tracker.delivery.state}")


if __name__ == "__main__":
    main(*sys.argv[1:])
