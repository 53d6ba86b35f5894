"""A fixed set of runs, and what they found: work on the code that is to change no number is held to it.

After a change that is meant to change numbers: `python tests/robustness/bits.py` records them anew, with this machine.
"""

import hashlib
import json
import platform
import sys
import tempfile
from collections.abc import Iterator, Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

import numba
import numpy as np
from threadpoolctl import threadpool_info

from ffnn.lab.config import make_config
from ffnn.lab.jobs import Job, run_jobs
from ffnn.lab.resume import resume
from ffnn.lab.run import train
from ffnn.nn import SCHEDULES
from ffnn.tracking import RunRecord
from ffnn.training.checkpoints import Checkpoint
from ffnn.training.trainer import Callback

RECORDED = Path(__file__).with_name("bits.json")

BASE = {"hidden_layers": [12], "epochs": 4, "batch_size": 128, "wandb": "disabled", "learning_rate": 0.02, "threads": 1}
OPTIMIZERS = ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "lion"]
FEATURES: list[dict[str, Any]] = [
    {"dropout": 0.3, "input_dropout": 0.1},
    {"batch_norm": True, "ema": 0.9},
    {"augment": ["shift", "mixup"]},
    {"patience": 1, "patience_monitor": "val/accuracy", "epochs": 6},
    {"ema": 0.95, "dropout": 0.2, "monitor": "val/loss", "activation": "mish"},
    {"batch_norm": True, "augment": [{"name": "elastic", "alpha": 4.0}, "noise"], "clip_norm": 0.5},
    {"sampling": "balanced", "class_weights": "balanced", "l2": 1e-3, "warmup_epochs": 1.5},
    {"loss": "focal", "clip_value": 0.01, "normalize": "standardize", "batch_size": "full", "epochs": 10},
    {"loss": "mean_squared_error", "output_softmax": True, "dtype": "float64"},
]
FIGURES = ("train/loss", "train/accuracy", "val/loss", "val/accuracy", "learning_rate")


def settings_of_runs() -> dict[str, dict[str, Any]]:
    """The settings of each run by a name that says what is tried."""
    runs = {}
    for place, (optimizer, schedule, features) in enumerate(zip(cycle(OPTIMIZERS), cycle(SCHEDULES), FEATURES * 2)):
        name = f"{place} {optimizer}, {schedule}, {', '.join(features)}"
        runs[name] = {**BASE, "optimizer": optimizer, "schedule": schedule, "seed": place, **features}
    return runs


def runs_on(engine: str, folder: Path) -> Iterator[tuple[str, RunRecord]]:
    """Train the set on an engine, and three runs as a stack and one in two parts besides."""

    def config(settings: Mapping[str, Any]) -> Any:
        return make_config({**settings, "engine": engine, "runs_dir": str(folder)})

    for name, settings in settings_of_runs().items():
        yield name, train(config({**settings, "name": "run"}), lambda line: None, Callback())
    together = {**BASE, "optimizer": "adam", "dropout": 0.2, "schedule": "cosine"}
    jobs = [Job("all", config({**together, "seed": seed, "learning_rate": 0.01 * (1 + seed)})) for seed in range(3)]
    for job, outcome in run_jobs(jobs, 1, lambda line: None, 3):
        assert isinstance(outcome, RunRecord), outcome
        yield f"stacked, seed {job.config.seed}", outcome
    begun = train(config({**together, "epochs": 2, "ema": 0.9, "name": "run"}), lambda line: None, Callback())
    yield "resumed", resume(begun.path, 4)


def summary_of(record: RunRecord) -> dict[str, Any]:
    """A hash of every figure, weight and number of the optimizer's, and the losses to be read."""
    figures = [{name: line[name] for name in FIGURES} for line in record.history]
    bits = hashlib.sha256(json.dumps([figures, record.summary["test/loss"]]).encode())
    last = Checkpoint.load(record.path / "checkpoints" / "last.npz")
    for state in (last.network, last.optimizer):
        for name in sorted(state):
            bits.update(np.asarray(state[name]).tobytes())
    losses = [value for line in figures for value in (line["train/loss"], line["val/loss"])]
    return {"bits": bits.hexdigest()[:16], "losses": losses}


def machine() -> dict[str, Any]:
    """What the last bits of a product and of an exponential depend on."""
    features = np._core._multiarray_umath.__cpu_features__
    libraries = [pool for pool in threadpool_info() if "architecture" in pool]
    return {
        "numpy": np.__version__,
        "numba": numba.__version__,
        "blas": sorted({f"{library['version']} {library['architecture']}" for library in libraries}),
        "c library": " ".join(platform.libc_ver()),
        "avx512": bool(features.get("AVX512_SKX")),
    }


def main() -> None:
    """Record the set with this machine."""
    runs = {}
    for engine in ("numpy", "numba"):
        with tempfile.TemporaryDirectory() as folder:
            runs[engine] = {name: summary_of(record) for name, record in runs_on(engine, Path(folder))}
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else RECORDED
    out.write_text(json.dumps({"machine": machine(), "runs": runs}, indent=1) + "\n")


if __name__ == "__main__":
    main()
