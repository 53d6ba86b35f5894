"""One experiment out of a file, for tests that need no more."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ffnn.errors import FFNNError
from ffnn.experiment.check import check_files
from ffnn.experiment.file import Experiment


def read_experiment(path: Path, overrides: Mapping[str, Any] | None = None) -> Experiment:
    """The experiment in a file, for the data set that it or `overrides` name; FFNNError tells what is wrong first."""
    checked, problems = check_files([path], overrides or {})
    if problems:
        raise FFNNError(problems[0])
    return checked[0].experiment
