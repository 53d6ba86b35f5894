"""A run whose W&B service is killed under it; prints what the user would read."""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from ffnn.tracking import RunDirectory, WandbSettings, WandbTracker


def service() -> int:
    """The process id of this process's W&B service."""
    for children in Path("/proc/self/task").glob("*/children"):
        for child in children.read_text().split():
            if Path(f"/proc/{child}/comm").read_text().startswith("wandb-core"):
                return int(child)
    raise AssertionError("no service is running")


class OpenedTracker(WandbTracker):
    """Says when its W&B run is open.

    Attributes
    ----------
    opened : threading.Event
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.opened = threading.Event()
        super().__init__(*arguments, **options)

    def _open(self, *arguments: Any) -> None:
        super()._open(*arguments)
        self.opened.set()


def main(path: str) -> None:
    tracker = OpenedTracker(RunDirectory(path), {}, WandbSettings("offline"), notify=print)
    tracker.start()
    assert tracker.opened.wait(20)
    os.kill(service(), signal.SIGKILL)
    for epoch in range(1000):
        tracker.log_epoch({"epoch": epoch, "val/loss": 0.5})
    tracker.finish({}, "finished")
    print("training done")


if __name__ == "__main__":
    main(sys.argv[1])
