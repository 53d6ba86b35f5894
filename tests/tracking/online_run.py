"""A run against a server given by the environment; waits on standard input where told to."""

import sys
from typing import Any

import numpy as np

from ffnn.tracking import RunDirectory, WandbSettings, WandbTracker

path, init_timeout, finish_timeout, pause = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), sys.argv[4] == "pause"


def say(line: Any) -> None:
    print(line, flush=True)


directory = RunDirectory(path)
np.savez(directory.checkpoints / "best.npz", w=np.arange(10.0))
settings = WandbSettings("auto", init_timeout=init_timeout, finish_timeout=finish_timeout)
tracker = WandbTracker(directory, {"learning_rate": 0.1}, settings, notify=say)
tracker.start()
for epoch in (1, 2, 3):
    tracker.log_epoch({"epoch": epoch, "val/loss": float("nan") if epoch == 2 else 1 / epoch, "val/accuracy": 0.5})
if pause:
    sys.stdin.readline()
tracker.finish({"best/val/accuracy": 0.5, "best/epoch": 1}, "finished")
say("training done")
