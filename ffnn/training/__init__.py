"""Training: the loop, and everything that watches it."""

from ffnn.training.callbacks import Best, EarlyStopping, PlainProgress, ProgressBar, SaveCheckpoints
from ffnn.training.checkpoints import Checkpoint
from ffnn.training.metrics import Evaluation, evaluate
from ffnn.training.trainer import Callback, DivergedError, Plan, Record, Trainer

__all__ = [
    "Best", "Callback", "Checkpoint", "DivergedError", "EarlyStopping", "Evaluation", "PlainProgress", "Plan",
    "ProgressBar", "Record", "SaveCheckpoints", "Trainer", "evaluate",
]  # fmt: skip
