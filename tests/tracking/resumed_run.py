"""One process's share of a run: epochs FIRST to LAST of the run directory PATH, in a W&B MODE, ended as HOW says."""

import os
import signal
import sys

import numpy as np

from ffnn.tracking import RunDirectory, WandbSettings, WandbTracker


def main(path: str, mode: str, first: str, last: str, how: str) -> None:
    directory = RunDirectory(path)
    directory.cut_history(int(first) - 1)
    np.savez(directory.checkpoints / "last.npz", w=np.arange(float(last)))
    tracker = WandbTracker(directory, {"seed": 0}, WandbSettings(mode), notify=print)
    tracker.start()
    for epoch in range(int(first), int(last) + 1):
        record = {"epoch": epoch, "val/loss": 1 / epoch}
        directory.append_history(record)
        tracker.log_epoch(record)
        tracker.log_histograms(epoch, {"linear1.weight": np.arange(float(epoch))}, {})
        if how == "killed_within" and epoch == int(last):
            os.kill(os.getpid(), signal.SIGKILL)
    if how == "killed_after":
        tracker._worker.close(60)  # all is said to the client, and nothing is finished
        os.kill(os.getpid(), signal.SIGKILL)
    tracker.finish({"best/epoch": 1, "status": how}, how)


if __name__ == "__main__":
    main(*sys.argv[1:])
