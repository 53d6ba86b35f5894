"""Trains a small network for very many epochs, and watches what the process holds: memory, open files, threads, time.

As a script, in full: `python tests/robustness/long_haul.py 10000 offline FOLDER`; it prints what it found as JSON.
"""

import gc
import json
import os
import sys
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median

from ffnn.lab.config import make_config
from ffnn.lab.run import train
from ffnn.training.trainer import Callback, Record, Trainer

LOOKS = 200
"""How often a run is looked at."""


@dataclass
class Watch(Callback):
    """What the process holds as training goes on, each a value a look."""

    every: int
    rss: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    processor_seconds: list[float] = field(default_factory=list)

    def on_epoch(self, trainer: Trainer, record: Record) -> None:
        if trainer.epoch % self.every == 0:
            gc.collect()
            self.rss.append(int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
            self.files.append(len(os.listdir("/proc/self/fd")))  # noqa: PTH208
            self.threads.append(len(os.listdir("/proc/self/task")))  # noqa: PTH208
            self.seconds.append(time.perf_counter())
            self.processor_seconds.append(time.thread_time())


def haul(epochs: int, wandb: str, folder: Path) -> dict[str, object]:
    """Train, and tell what grew."""
    watch = Watch(max(1, epochs // LOOKS))
    settings = {
        "epochs": epochs, "hidden_layers": [8], "batch_size": "full", "wandb": wandb, "runs_dir": str(folder),
        "threads": 1, "name": "long", "patience": epochs, "ema": 0.9, "histogram_every": 500, "checkpoint_every": 100,
    }  # fmt: skip
    record = train(make_config(settings), print_to_stderr, watch)
    assert [line["epoch"] for line in record.history] == list(range(1, epochs + 1))
    warm = len(watch.rss) // 4
    quarter = len(watch.seconds) // 4
    clocks = {"seconds": watch.seconds, "processor_seconds": watch.processor_seconds}
    ratios = {}
    for name, clock in clocks.items():
        steps = [after - before for before, after in pairwise(clock)]
        ratios[f"{name}_last_quarter_to_second"] = median(steps[-quarter:]) / median(steps[quarter : 2 * quarter])
        ratios[f"{name}_last_quarter_to_first"] = median(steps[-quarter:]) / median(steps[:quarter])
    after_warm_up = [value / 1e6 for value in watch.rss[warm:]]
    growth = max(after_warm_up) - after_warm_up[0]
    return {
        "epochs": epochs,
        "wandb": wandb,
        "status": record.summary["status"],
        "rss_mb": [round(value / 1e6, 2) for value in watch.rss[:: max(1, len(watch.rss) // 10)]],
        "rss_growth_mb": round(growth, 3),
        "rss_largest_step_mb": round(max(after - before for before, after in pairwise(after_warm_up)), 3),
        "files": [min(watch.files[warm:]), max(watch.files[warm:])],
        "threads": [min(watch.threads[warm:]), max(watch.threads[warm:])],
        "seconds": round(watch.seconds[-1] - watch.seconds[0], 2),
        **{name: round(ratio, 3) for name, ratio in ratios.items()},
    }


def print_to_stderr(line: str) -> None:
    print(line, file=sys.stderr)


if __name__ == "__main__":
    print(json.dumps(haul(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))))
