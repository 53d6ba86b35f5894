"""The commands `ffnn data list`, `fetch` and `info`: what data sets there are, getting them, looking at one.

They print what the library knows and do nothing that it cannot do.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from ffnn.data import DATASETS, Dataset, data_root, load, make_split, pixel_statistics

if TYPE_CHECKING:
    from rich.table import Table

DATA_DIR = click.option(
    "--data_dir",
    type=click.Path(path_type=Path),
    help="Folder of the data sets [$FFNN_DATA_DIR, else the user's cache].",
)


@click.group()
def data() -> None:
    """List, download and describe data sets."""


@data.command("list")
@DATA_DIR
def list_datasets(data_dir: Path | None) -> None:
    """List the data sets and say which are here."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    root = data_root(data_dir)
    table = Table("name", "title", "images", "test", "classes", "shape", "where")
    for name in DATASETS:
        entry = DATASETS.create(name)
        table.add_row(
            name,
            entry.title,
            f"{entry.train_size + entry.test_size:,}",
            f"{entry.test_size:,}" if entry.test_size else "-",
            str(len(entry.class_names)),
            _times(entry.shape),
            f"absent: ffnn data fetch {name}" if entry.missing(root) else escape(entry.location(root)),
        )
    Console().print(table)


@data.command()
@click.argument("name")
@DATA_DIR
def fetch(name: str, data_dir: Path | None) -> None:
    """Download the data set NAME where it is absent, and check that it can be read."""
    dataset = load(name, data_dir)
    click.echo(f"{name}: {len(dataset):,} images, {dataset.source}")


@data.command()
@click.argument("name")
@DATA_DIR
def info(name: str, data_dir: Path | None) -> None:
    """Describe the data set NAME; downloads nothing."""
    from rich.console import Console

    dataset = load(name, data_dir, download=False)
    console = Console()
    console.print(_facts(dataset))
    console.print(_counts(dataset))


def _facts(dataset: Dataset) -> "Table":
    from rich.markup import escape
    from rich.table import Table

    entry = DATASETS.create(dataset.name)
    mean, std = pixel_statistics(dataset, np.arange(len(dataset) - dataset.official_test))
    counts = np.bincount(dataset.labels, minlength=len(dataset.class_names))
    of_what = "of full intensity, without test" if dataset.official_test else "of full intensity"
    table = Table.grid(padding=(0, 2))
    for fact, value in {
        "name": f"{dataset.name} ({entry.title})",
        "shape": f"{_times(dataset.shape)}, pixels 0 to {dataset.top}",
        "images": f"{len(dataset):,}, of which official test {dataset.official_test:,}",
        "imbalance": f"{counts.max() / max(1, counts.min()):.2f} : 1 (largest class : smallest)",
        "mean, std": f"{_listed(mean)}, {_listed(std)} {of_what}",
        "digest": dataset.digest,
        "licence": entry.licence,
        "citation": entry.citation,
        "homepage": entry.homepage,
        "source": dataset.source,
    }.items():
        table.add_row(fact, escape(value))
    return table


def _counts(dataset: Dataset) -> "Table":
    from rich.table import Table

    split = make_split(dataset)
    classes = len(dataset.class_names)
    parts = [np.bincount(dataset.labels[rows], minlength=classes) for rows in (split.train, split.val, split.test)]
    columns = np.column_stack([*parts, sum(parts)])
    table = Table("class", *("train", "val", "test", "all"), title="Images in each part of the default split")
    for name, row in zip((*dataset.class_names, "all"), np.vstack([columns, columns.sum(axis=0)]), strict=True):
        table.add_row(name, *(f"{count:,}" for count in row))
    return table


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _listed(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> str:
    return " ".join(f"{value:.4f}" for value in values)
