"""The laboratory: from a YAML file, or a command line, to finished runs and their comparison."""

from ffnn.lab.config import Config, make_config
from ffnn.lab.run import load_run, train

__all__ = ["Config", "load_run", "make_config", "train"]
