"""One run with everything a tracker can be told, good values and bad; run as a script it records it offline."""

import math

import numpy as np

from ffnn.lab.code import files_by_name
from ffnn.tracking import (
    DatasetReference,
    EvaluationReport,
    RunDirectory,
    WandbSettings,
    WandbTracker,
    WrongImage,
    describe_environment,
)

KEY = "abcdefghij0123456789" * 3
NETRC_KEY = "0123456789abcdef" * 3
NAN, INF = math.nan, math.inf

CONFIG = {
    "learning_rate": 1e-5,
    "hidden_layers": [128, 64],
    "optimizer": {"name": "adam", "beta1": 0.9},
    "patience": None,
    "batch_norm": True,
}
RECORDS = [
    {"epoch": 1, "train/loss": 2.25, "val/accuracy": 0.5, "grad_norm/linear1": 1.0e-7},
    {"epoch": 2, "train/loss": NAN, "val/accuracy": 0.75, "grad_norm/linear1": INF},
    {"epoch": 3, "train/loss": -INF, "val/accuracy": 0.625, "grad_norm/linear1": np.float32(0.5)},
]
SUMMARY = {
    "best/val/accuracy": 0.75,
    "best/epoch": 2,
    "test/loss": NAN,
    "reason": "",
    "test/confusion": [[1, 2], [3, 4]],
}
NAMES = ["cat", "dog", "eel"]
CONFUSION = np.array([[8, 1, 0], [2, 7, 1], [0, 3, 9]])
PER_CLASS = [
    {"class": "cat", "precision": 0.8, "recall": 8 / 9, "f1": 0.84, "support": 9},
    {"class": "dog", "precision": 7 / 11, "recall": 0.7, "f1": 0.66, "support": 10},
    {"class": "eel", "precision": NAN, "recall": 0.75, "f1": INF, "support": 12},
]
DATASET = DatasetReference("digits", "sha256:0f1e", {"train": 1437, "val": 180, "test": 180})


def arrays(epoch: int) -> dict[str, np.ndarray]:
    """Weights of several kinds, the same ones whenever asked."""
    generator = np.random.default_rng(epoch)
    weight = generator.normal(size=(20, 30)).astype(np.float32)
    weight[0, :3] = [np.nan, np.inf, -np.inf]
    return {"linear1.weight": weight, "linear1.bias": np.zeros(5), "linear2.bias": np.full(4, np.nan)}


def wrong_images() -> list[WrongImage]:
    """As many as allowed, grey and coloured."""
    generator = np.random.default_rng(0)
    shapes = [(8, 8), (8, 8, 3)]
    images = [generator.integers(0, 256, shapes[i % 2], np.uint8) for i in range(64)]
    return [WrongImage(100 + i, image, i % 3, (i + 1) % 3, 1 - i / 64) for i, image in enumerate(images)]


def main() -> None:
    directory = RunDirectory.create("runs", "digits", "adam seed 0")
    directory.write_config(CONFIG)
    directory.write_environment(describe_environment())
    np.savez(directory.checkpoints / "best.npz", w=np.arange(10.0))
    np.savez(directory.checkpoints / "last.npz", w=np.arange(12.0))
    settings = WandbSettings("offline", group="digits", tags=("adam", "seed0"), notes="why not")
    tracker = WandbTracker(directory, CONFIG, settings, DATASET, notify=print, code=files_by_name())
    tracker.start()
    for record in RECORDS:
        directory.append_history(record)
        tracker.log_epoch(record)
        weights = arrays(record["epoch"])
        tracker.log_histograms(record["epoch"], weights, {name: -array for name, array in weights.items()})
        for array in weights.values():
            array[...] = 0  # as training does at once
    tracker.log_evaluation(EvaluationReport(CONFUSION, NAMES, PER_CLASS, wrong_images()))
    directory.write_summary({**SUMMARY, "status": "finished"})
    tracker.finish(SUMMARY, "finished")


if __name__ == "__main__":
    main()
