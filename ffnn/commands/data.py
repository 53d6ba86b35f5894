"""The commands of `ffnn data`: what data sets there are, getting them, and looking at one closely.

They print what the library knows and do nothing that it cannot do.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from ffnn.data import DATASETS, DataError, Dataset, DatasetEntry, data_root, make_split, pixel_statistics
from ffnn.data.catalog import load_entry
from ffnn.data.sheet import draw_sheet
from ffnn.data.verify import differences
from ffnn.errors import FFNNError
from ffnn.terminal import say
from ffnn.words import visible

if TYPE_CHECKING:
    from rich.table import Table

DATA_DIR = click.option(
    "--data_dir",
    type=click.Path(path_type=Path),
    help="Folder of the data sets [$FFNN_DATA_DIR, else the user's cache].",
)
WITH_OPTIONS = {"ignore_unknown_options": True}
"""A data set's own options, `--variant=bymerge` or `--path=photos`, are its entry's to judge."""


@click.group()
def data() -> None:
    """List, download, describe and verify data sets.

    A data set's own options follow its name: `ffnn data info emnist --variant=bymerge`, and for images of
    your own `ffnn data info folder --path=photos` (or csv, or npz).
    """


@data.command("list")
@DATA_DIR
def list_datasets(data_dir: Path | None) -> None:
    """List the data sets and say which are here."""
    from rich.table import Table

    from ffnn.console import Console

    root = data_root(data_dir)
    table = Table("name", "images", "test", "classes", "shape", "here")
    for column in table.columns:
        column.no_wrap = True
    for entry in _published():
        table.add_row(
            entry.call,
            f"{entry.train_size + entry.test_size:,}",
            f"{entry.test_size:,}" if entry.test_size else "-",
            str(len(entry.class_names)),
            _times(entry.shape),
            "no" if entry.missing(root) else "yes",
        )
    console = Console()
    console.print(table)
    console.print(f"looked for under {root}", highlight=False, soft_wrap=True)
    console.print("what is not here: ffnn data fetch NAME", highlight=False, soft_wrap=True)
    own = ", ".join(f"{name} --path=..." for name in DATASETS if _needs_options(name))
    console.print(f"images of your own: {own}", highlight=False, soft_wrap=True)


@data.command(context_settings=WITH_OPTIONS)
@click.argument("words", nargs=-1, metavar="NAME [--OPTION=VALUE]")
@DATA_DIR
def fetch(words: Sequence[str], data_dir: Path | None) -> None:
    """Download the data set NAME where it is absent, and check that it can be read."""
    entry = _entry(words)
    dataset = load_entry(entry, data_root(data_dir))
    say(f"{entry.call}: {len(dataset):,} images, {dataset.source}")


@data.command(context_settings=WITH_OPTIONS)
@click.argument("words", nargs=-1, metavar="NAME [--OPTION=VALUE]")
@DATA_DIR
def info(words: Sequence[str], data_dir: Path | None) -> None:
    """Describe the data set NAME; downloads nothing."""
    from ffnn.console import Console

    entry, root = _entry(words), data_root(data_dir)
    dataset = load_entry(entry, root, download=False)
    console = Console()
    console.print(_facts(entry, dataset, entry.remarks(root, dataset)))
    console.print(_counts(dataset))


@data.command(context_settings=WITH_OPTIONS)
@click.argument("words", nargs=-1, metavar="[NAME ...] [--OPTION=VALUE]")
@DATA_DIR
@click.pass_context
def verify(ctx: click.Context, words: Sequence[str], data_dir: Path | None) -> None:
    """Check that data sets are whole and as published, one line each; all that are here without NAME.

    Compared are the structure of files, labels, images of each class, and mean and deviation of pixels.
    Exit code 1 where anything is wrong, or a set that was named is not there.
    """
    root = data_root(data_dir)
    names, options = _names_and_options(words)
    entries = [entry for name in names for entry in _entries_of(name, options)] if names else _published()
    verdicts = [_verdict(entry, root) for entry in entries]
    for entry, (_, verdict) in zip(entries, verdicts, strict=True):
        say(f"{entry.call}: {verdict}")
    here = {entry.name for entry in entries if not entry.missing(root)}
    absent = {entry.name for entry in entries if names} - here
    if absent or not all(well for well, _ in verdicts):
        ctx.exit(1)


@data.command(context_settings=WITH_OPTIONS)
@click.argument("words", nargs=-1, metavar="NAME [--OPTION=VALUE]")
@click.option("--out", type=click.Path(path_type=Path), help="File to write [preview-NAME.png here].")
@click.option("--count", type=click.IntRange(1, 1000), default=12, show_default=True, help="Images of each class.")
@DATA_DIR
def preview(words: Sequence[str], out: Path | None, count: int, data_dir: Path | None) -> None:
    """Draw a contact sheet of the data set NAME: a row for each class, with its name; downloads nothing."""
    entry = _entry(words)
    dataset = load_entry(entry, data_root(data_dir), download=False)
    options = [Path(value).stem for value in _names_and_options(words)[1].values()]
    path = out or Path(f"preview-{'-'.join([entry.name, *options])}.png")
    draw_sheet(dataset, count, path, f"{entry.title}: up to {count} images of each class")
    say(f"{path.absolute()}: {len(dataset.class_names)} classes, up to {count} images of each")


def _published() -> list[DatasetEntry]:
    """Every entry that can be made without options, in all its variants."""
    return [variant for name in DATASETS if not _needs_options(name) for variant in DATASETS.create(name).variants()]


def _needs_options(name: str) -> bool:
    return any(option.default is option.empty for option in DATASETS.options(name).values())


def _names_and_options(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Names, and options of a data set from `--option=value`."""
    names = [word for word in words if not word.startswith("-")]
    options = {}
    for word in words:
        option, equals, value = word.partition("=")
        if word.startswith("-"):
            if not equals or not option.startswith("--"):
                raise FFNNError(f"{word}: expected an option of the data set as --name=value")
            options[option[2:]] = value
    return names, options


def _entry(words: Sequence[str]) -> DatasetEntry:
    """The one entry that a command line names."""
    names, options = _names_and_options(words)
    if len(names) != 1:
        raise FFNNError(f"expected one data set, received {len(names)}: write one of {', '.join(DATASETS)}")
    return DATASETS.create(names[0], **options)


def _entries_of(name: str, options: dict[str, str]) -> Sequence[DatasetEntry]:
    """The entry with its options, or without any all that the name stands for."""
    entry = DATASETS.create(name, **options)
    return [entry] if options else entry.variants()


def _verdict(entry: DatasetEntry, root: Path) -> tuple[bool, str]:
    """Whether nothing is wrong, and one line that says so."""
    if entry.missing(root):
        return True, "not there"
    try:
        dataset = load_entry(entry, root, download=False)
    except DataError as problem:
        return False, f"WRONG: {problem}"
    wrong = differences(entry, dataset)
    if wrong:
        return False, f"WRONG: {'; '.join(wrong)}; in {dataset.source}"
    facts = [f"{len(dataset):,} images in {len(dataset.class_names)} classes", *entry.remarks(root, dataset)]
    return True, f"ok: {'; '.join(facts)}; in {dataset.source}"


def _facts(entry: DatasetEntry, dataset: Dataset, remarks: Sequence[str]) -> "Table":
    from rich.table import Table

    mean, std = pixel_statistics(dataset, np.arange(len(dataset) - dataset.official_test))
    counts = np.bincount(dataset.labels, minlength=len(dataset.class_names))
    of_what = "of full intensity, without test" if dataset.official_test else "of full intensity"
    table = Table.grid(padding=(0, 2))
    for fact, value in {
        "name": f"{entry.call} ({entry.title})",
        "shape": f"{_times(dataset.shape)}, pixels 0 to {dataset.top}",
        "images": f"{len(dataset):,}, of which official test {dataset.official_test:,}",
        **({"remark": "; ".join(remarks)} if remarks else {}),
        "imbalance": f"{counts.max() / counts.min():.2f} : 1 (largest class : smallest)"
        if counts.all()
        else "a class is empty",
        "mean, std": f"{_numbers(mean)}, {_numbers(std)} {of_what}",
        "digest": dataset.digest,
        "licence": entry.licence,
        "citation": entry.citation,
        "homepage": entry.homepage,
        "source": dataset.source,
    }.items():
        table.add_row(fact, value)
    return table


def _counts(dataset: Dataset) -> "Table":
    from rich.table import Table

    split = make_split(dataset)
    classes = len(dataset.class_names)
    parts = [np.bincount(dataset.labels[rows], minlength=classes) for rows in (split.train, split.val, split.test)]
    columns = np.column_stack([*parts, sum(parts)])
    table = Table("class", *("train", "val", "test", "all"), title="Images in each part of the default split")
    for name, row in zip((*dataset.class_names, "all"), np.vstack([columns, columns.sum(axis=0)]), strict=True):
        table.add_row(visible(name), *(f"{count:,}" for count in row))
    return table


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _numbers(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> str:
    return " ".join(f"{value:.4f}" for value in values)
