"""The written report: all experiments on all data sets in one text, from method to limits, with the command of each.

Its numbers and verdicts are those of the run directories; nobody writes one by hand.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ffnn.data import DATASETS
from ffnn.lab.config import name_of
from ffnn.locks import one_writer
from ffnn.report.curves import curve_figures, each_figures, in_rows
from ffnn.report.document import Block, Bullets, Cell, Code, Document, Heading, Paragraph, Table, percent
from ffnn.report.experiment import command_of
from ffnn.report.markup import code, literal
from ffnn.report.models import MOST_PARAMETERS, best_run, keep_model
from ffnn.report.pictures import Pictures
from ffnn.report.provenance import describe_source
from ffnn.report.results import comparison_figures, difference_of, finding, overview_row, result_tables
from ffnn.report.run import flat
from ffnn.report.sources import ExperimentFolder
from ffnn.tracking import RunRecord, read_run
from ffnn.words import count_of

SETTINGS = ("epochs", "batch_size", "hidden_layers", "activation", "optimizer", "learning_rate", "initializer")
"""Of the method's table."""

CONDITIONS_IN_ONE = 6
"""Whose curves can be told apart in a figure of half a page's width."""

VERDICTS = ("confirmed", "undecided", "contradicted")


def written_report(
    folders: Sequence[ExperimentFolder], pictures: Pictures, command: str, models: Mapping[Path, RunRecord]
) -> Document:
    """The report on experiments, each perhaps on several data sets.

    The command makes this report again from the runs; the models are the best runs, by the folders of their copies.
    """
    chapters = _by_experiment(folders)
    runs = sum(tracked_runs(folder) for folder in folders)
    verdicts = [claim["verdict"] for folder in folders for claim in folder.comparison.get("claims", [])]
    counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in VERDICTS)
    titles = dict.fromkeys(DATASETS.create(dataset_of(folder)).title for folder in folders)
    blocks: list[Block] = [*_method(chapters, command), *_overview(chapters)]
    for name, members in chapters.items():
        blocks += _chapter(name, members, pictures)
    blocks += [*_surprises(folders), *_models(models), *_limits(folders)]
    return Document(
        f"{count_of(len(chapters), 'experiment')} on {' and '.join(titles)}",
        blocks,
        abstract=f"{runs} tracked runs stand behind this report. Of {len(verdicts)} tested claims: {counts}.",
    )


def tracked_runs(folder: ExperimentFolder) -> int:
    """Runs in an experiment's folder, trials of its searches included; one that was run twice counts once."""
    digests = set()
    for path in folder.path.rglob("summary.json"):
        if (path.parent / "config.yaml").is_file():
            digests.add(read_run(path.parent).summary.get("config_digest", path))
    return len(digests)


def dataset_of(folder: ExperimentFolder) -> str:
    """The name of the data set that an experiment ran on."""
    return name_of(next(_runs_of(folder)).config["dataset"])


def _by_experiment(folders: Sequence[ExperimentFolder]) -> dict[str, list[ExperimentFolder]]:
    """Folders by the name of their experiment, which is that of the folder without the data set's."""
    chapters: dict[str, list[ExperimentFolder]] = {}
    for folder in folders:
        chapters.setdefault(folder.title.removesuffix(f"-{dataset_of(folder)}"), []).append(folder)
    return chapters


def _runs_of(folder: ExperimentFolder) -> Iterator[RunRecord]:
    return (run for runs in folder.records.values() for run in runs)


def _method(chapters: Mapping[str, Sequence[ExperimentFolder]], command: str) -> list[Block]:
    runs = {dataset_of(folder): next(_runs_of(folder)) for members in chapters.values() for folder in members}
    sources = {name: describe_source(run) for name, run in runs.items()}
    columns = ["experiment", "data", "runs", "seeds", *(name.replace("_", " ") for name in SETTINGS)]
    rows = [
        [
            name,
            dataset_of(folder),
            tracked_runs(folder),
            max(row["runs"] for row in folder.comparison["conditions"]),
            *(_common(folder, setting) for setting in SETTINGS),
        ]
        for name, members in chapters.items()
        for folder in members
    ]
    return [
        Heading("Method"),
        Bullets([f"{code(name)}: {literal(source)}" for name, source in sources.items()]),
        Paragraph(
            "A run is one network trained from one seed, which fixes the split, the first weights where shapes allow, "
            "and the order of batches, so that runs with the same seed are pairs. Every choice, such as that of the "
            "epoch whose weights are kept, is made on validation; figures of test images are only reported. Means come "
            "with 95 % intervals of Student's t over seeds. A claim is tested on the differences within pairs, "
            "one-sided, and its p is corrected by Holm over the claims of its experiment: it is **confirmed** or "
            "**contradicted** where p is below 0.05, and **undecided** otherwise. Differences below an experiment's "
            "margin count as none."
        ),
        Table(columns, rows, "What was run."),
        Paragraph("This report is made from the run directories by"),
        Code(command),
    ]


def _common(folder: ExperimentFolder, setting: str) -> Cell:
    """A setting that all runs share, or that it varies."""
    values = {_shown(run, setting) for run in _runs_of(folder)}
    return Cell(values.pop()) if len(values) == 1 else Cell("varied", "quiet")


def _shown(run: RunRecord, setting: str) -> str:
    settings: Mapping[str, Any] = flat(run.config)
    value = run.config.get(setting, settings.get(setting))
    if isinstance(value, Mapping):
        return str(value.get("name"))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _overview(chapters: Mapping[str, Sequence[ExperimentFolder]]) -> list[Block]:
    rows = [
        [name, dataset_of(folder), *overview_row(folder, "expected")]
        for name, members in chapters.items()
        for folder in members
    ]
    return [Heading("Overview"), Table(["experiment", "data", "expected", "certainty"], rows)]


def _chapter(name: str, folders: Sequence[ExperimentFolder], pictures: Pictures) -> list[Block]:
    first = folders[0].comparison
    blocks: list[Block] = [
        Heading(name),
        Paragraph(f"**Asked:** {literal(first['question'])}"),
        Paragraph(f"**Expected:** {literal(first['expected'])}"),
    ]
    for folder in folders:
        comparison = folder.comparison
        differs = comparison["expected"] != first["expected"]
        blocks += [
            Heading(dataset_of(folder), 3),
            *([Paragraph(f"**Expected here:** {literal(comparison['expected'])}")] if differs else []),
            *finding(comparison),
            *result_tables(folder),
            *_figures(folder, pictures.chapter(folder.title)),
            *command_of(folder),
        ]
    return blocks


def _figures(folder: ExperimentFolder, pictures: Pictures) -> list[Block]:
    """Means, and learning curves: in one figure or, where they could not be told apart, a panel for each."""
    means, many = comparison_figures(folder, pictures), len(folder.records) > CONDITIONS_IN_ONE
    if many:
        return [*in_rows(means), *each_figures(folder, pictures)]
    return in_rows([*means, *curve_figures(folder, pictures, "val/accuracy")])


def _surprises(folders: Sequence[ExperimentFolder]) -> list[Block]:
    """What was expected and not found, contradictions first."""
    surprises = [
        (verdict, f"{literal(folder.title)}: {code(claim['claim'])} is **{verdict}**, {difference_of(claim)}")
        for verdict in ("contradicted", "undecided")
        for folder in folders
        for claim in folder.comparison.get("claims", [])
        if claim["verdict"] == verdict
    ]
    if not surprises:
        return []
    against = sum(verdict == "contradicted" for verdict, _ in surprises)
    return [
        Heading("What was expected and not found"),
        Paragraph(
            f"{count_of(against, 'claim')} contradicted, {count_of(len(surprises) - against, 'claim')} undecided. An "
            "undecided claim is not a refuted one: the difference is smaller than what these seeds can show, or the "
            "seeds disagree."
        ),
        Bullets([text for _, text in surprises]),
    ]


def _limits(folders: Sequence[ExperimentFolder]) -> list[Block]:
    points = [
        "One split of each data set: intervals are over initializations and batch orders, not over test sets.",
        "Learning rates other than those an experiment names were not tuned; another rate may order conditions anew.",
        "Seconds of training depend on the machine and on what else it did.",
    ]
    for folder in folders:
        remarks = [*folder.comparison.get("caveats", []), *folder.comparison.get("notes", [])]
        points += [f"{literal(folder.title)}: {literal(line)}" for line in remarks]
    return [Heading("Limits"), Bullets(list(dict.fromkeys(points)))]


def write_written_report(folders: Sequence[ExperimentFolder], path: Path, command: str) -> list[Path]:
    """Write Markdown, a PDF beside it, the figures, and a small copy of the best run on each data set.

    The path is that of the Markdown; figures and models go into folders beside it. The command makes this report
    again. Returned are the paths of the Markdown, of the PDF and of the models.
    """
    from ffnn.report.markdown import write_markdown
    from ffnn.report.pdf import write_pdf

    pictures = Pictures(path.parent / "figures" / path.stem.lower())
    with one_writer(path.parent):
        models = _keep_best(folders, path.parent / "models")
        document = written_report(folders, pictures, command, models)
        pictures.finish()
        write_markdown(document, path)
        write_pdf(document, path.with_suffix(".pdf"))
    return [path, path.with_suffix(".pdf"), *models]


def _keep_best(folders: Sequence[ExperimentFolder], folder: Path) -> dict[Path, RunRecord]:
    """The best run on each data set, by the folder that its copy is in."""
    names = dict.fromkeys(dataset_of(source) for source in folders)
    best = {name: best_run(source for source in folders if dataset_of(source) == name) for name in names}
    return {keep_model(run, folder / name): run for name, run in best.items() if run}


def _models(models: Mapping[Path, RunRecord]) -> list[Block]:
    if not models:
        return []
    columns = ["data", "hidden layers", "parameters", "optimizer", "test acc. %", "measure it again"]
    rows = [
        [
            folder.name,
            _shown(run, "hidden_layers"),
            run.summary["parameters"],
            _shown(run, "optimizer"),
            percent(run.summary["test/accuracy"]),
            f"ffnn evaluate {folder.as_posix()}",
        ]
        for folder, run in models.items()
    ]
    return [
        Heading("Best models"),
        Paragraph(
            f"Weights and settings of the run that was best on validation among those of at most {MOST_PARAMETERS:,} "
            "parameters. It is one run, chosen for its luck on validation: means over seeds are in the chapters."
        ),
        Table(columns, rows),
    ]
