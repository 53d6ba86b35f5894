"""The tracking room: run directories, what a run was made with, and whoever is told about it.

Nothing here imports W&B's client until a tracker that is not disabled starts.
"""

from ffnn.tracking.delivery import Delivery
from ffnn.tracking.environment import describe_environment, speed_warning
from ffnn.tracking.keys import redact
from ffnn.tracking.plain import finite, finite_numbers, plain
from ffnn.tracking.run_directory import RunDirectory, RunRecord, find_runs, read_run
from ffnn.tracking.tracker import DatasetReference, EvaluationReport, Tracker, WrongImage
from ffnn.tracking.wandb_settings import WandbSettings, resolve_mode
from ffnn.tracking.wandb_tracker import WandbTracker
from ffnn.tracking.yaml_file import dump_yaml, load_yaml

__all__ = [
    "DatasetReference", "Delivery", "EvaluationReport", "RunDirectory", "RunRecord", "Tracker", "WandbSettings",
    "WandbTracker", "WrongImage", "describe_environment", "dump_yaml", "find_runs", "finite", "finite_numbers",
    "load_yaml", "plain", "read_run", "redact", "resolve_mode", "speed_warning",
]  # fmt: skip
