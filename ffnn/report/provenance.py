"""What a run was trained on, in words: the data set, its counts, and whether the files here are a part or a copy.

A figure from JPEG copies or a seventh of the images must say so wherever it is printed.
"""

from ffnn.data import DATASETS
from ffnn.data.catalog import data_root, load_entry
from ffnn.errors import FFNNError
from ffnn.lab.run import config_here
from ffnn.tracking import RunRecord


def data_remarks(run: RunRecord) -> list[str]:
    """In what the data here differ from the published ones; says so where they are not at hand any more."""
    try:
        config = config_here(run)
        entry, root = DATASETS.create(config.dataset), data_root(config.data_dir)
        return entry.remarks(root, load_entry(entry, root, download=False))
    except (FFNNError, OSError):
        return ["the data are not at hand, so whether they are the published ones was not looked at"]


def describe_source(run: RunRecord) -> str:
    """The data set's title, how many images each part has, and the remarks."""
    entry = DATASETS.create(run.config["dataset"])
    counts = run.environment.get("data", {}).get("counts", {})
    parts = ", ".join(f"{count:,} {part}" for part, count in counts.items())
    return "; ".join([entry.title, *([parts] if parts else []), *data_remarks(run)])
