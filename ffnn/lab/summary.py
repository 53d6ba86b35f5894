"""What a run amounts to, for its summary.json and for the person who waits for it.

The figures come from the trainer, the best epoch and the final evaluation; nothing is measured here.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ffnn.lab.build import Parts
from ffnn.lab.config import Config, name_of
from ffnn.tracking import RunRecord
from ffnn.training.callbacks import AUGMENTING, WAITING, Best
from ffnn.training.metrics import Evaluation
from ffnn.training.trainer import Trainer


def describe_start(config: Config, parts: Parts, path: Path) -> str:
    """What is about to be trained, on what, and where it is recorded, in one line."""
    network, split = parts.objective.network, parts.split
    sizes = "-".join(map(str, [network.input_size, *(config.hidden_layers or []), len(parts.dataset.class_names)]))
    device = network.engine.describe()
    where = f"threads {config.threads}"
    if device:
        where = f"{config.precision} products on {device['device']}, {', '.join(device['images'])}"
    trainer = "" if config.framework == "ffnn" else f"{config.framework} from "
    return (
        f"{name_of(config.dataset)}: {len(split.train):,} images to train, {len(split.val):,} to validate, "
        f"{len(split.test):,} to test; {sizes} ({network.parameters.size:,} parameters), {name_of(config.optimizer)} "
        f"with learning rate {config.learning_rate:g}, {trainer}engine {config.engine} {config.dtype}, {where}; {path}"
    )


def describe_data(parts: Parts) -> dict[str, Any]:
    """What the run was trained on: names, counts and digests."""
    counts = {"train": len(parts.split.train), "val": len(parts.split.val), "test": len(parts.split.test)}
    dataset = parts.dataset
    return {
        "name": dataset.name,
        "digest": dataset.digest,
        "split_digest": parts.split.digest,
        "counts": counts,
        "classes": list(dataset.class_names),
        "source": str(dataset.source),
    }


def summarize(trainer: Trainer, best: Best, evaluation: Evaluation | None) -> dict[str, Any]:
    """All figures of a run, by name."""
    summary: dict[str, Any] = {
        "status": trainer.status,
        "reason": trainer.reason,
        "epochs": trainer.epoch,
        "steps": trainer.step,
        "diverged": trainer.status == "diverged",
        "parameters": trainer.objective.network.parameters.size,
        "time/train_seconds": math.fsum(record["time/train_seconds"] for record in trainer.history),
        "time/epochs_seconds": math.fsum(record["time/epoch_seconds"] for record in trainer.history),
    }
    augmented = [record for record in trainer.history if AUGMENTING in record]
    if augmented:
        waited = math.fsum(record[WAITING] * record["time/train_seconds"] for record in augmented)
        summary[AUGMENTING] = math.fsum(record[AUGMENTING] for record in augmented) / len(augmented)
        summary[WAITING] = waited / math.fsum(record["time/train_seconds"] for record in augmented)
    if trainer.status == "diverged":
        summary["diverged_step"] = trainer.step + 1
    if best.record:
        summary["best/epoch"] = int(best.record["epoch"])
        summary |= {f"best/{name}": best.record[name] for name in ("val/accuracy", "val/loss", best.monitor)}
    if evaluation:
        summary |= {f"test/{name}": value for name, value in evaluation.metrics.items()}
        summary["test/per_class"] = evaluation.per_class
        summary["test/confusion"] = evaluation.confusion.tolist()
    return summary


def describe_result(record: RunRecord) -> Sequence[str]:
    """What a person wants to read after a run: lines of text."""
    summary = record.summary
    lines = [f"run {record.path} {summary['status']} after {summary['epochs']} epochs"]
    if "test/accuracy" in summary:
        calibration = f", ECE {100 * summary['test/ece']:.2f} %" if "test/ece" in summary else ""
        lines.append(
            f"best epoch {summary['best/epoch']}: val accuracy {100 * summary['best/val/accuracy']:.2f} %; "
            f"test accuracy {100 * summary['test/accuracy']:.2f} %, macro F1 {100 * summary['test/macro_f1']:.2f} %, "
            f"loss {summary['test/loss']:.4f}{calibration}"
        )
    if AUGMENTING in summary:
        lines.append(
            f"augmented batches: {summary[AUGMENTING]:.1f} us an image in a thread of their own; "
            f"training waited for them {100 * summary[WAITING]:.1f} % of its time"
        )
    return lines
