"""A report from paths to files: what is there is read, a document made of it, and written as page, PDF and table.

Figures go into a folder beside them, PNG and SVG of each.
"""

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path

from ffnn.errors import FFNNError
from ffnn.experiment.tables import write_runs
from ffnn.locks import one_writer
from ffnn.report.document import Block, Details, Document, Heading, Paragraph, Table
from ffnn.report.experiment import abstract, experiment_blocks
from ffnn.report.html import write_html
from ffnn.report.pdf import write_pdf
from ffnn.report.pictures import Pictures
from ffnn.report.results import overview_row
from ffnn.report.run import run_abstract, run_blocks, title_of
from ffnn.report.several import several_blocks
from ffnn.report.sources import ExperimentFolder, Runs, Source, SweepFolder, find_sources, sweep_runs
from ffnn.report.sweep import sweep_abstract, sweep_blocks
from ffnn.report.written import write_written_report
from ffnn.tracking import RunRecord

PAGE, PDF, TABLE, FIGURES = "report.html", "report.pdf", "runs.csv", "figures"


def make_report(paths: Sequence[Path], out: Path | None = None, pdf: bool = True, processes: int = 1) -> Path:
    """Write a report on everything at the paths.

    Paths are runs, experiments, sweeps, or folders with any of them. The report goes, by default, into the folder
    `report` in the path, or here if there are several; the page's path is given back. `processes` is that of
    `Pictures.finish`. FFNNError if a path holds no run, or a file is damaged; StorageError if the report cannot be
    written.
    """
    sources = find_sources(paths)
    folder = out or (paths[0] if len(paths) == 1 else Path()) / "report"
    page = folder / PAGE
    with one_writer(folder):  # two `ffnn run` of one experiment end with one report
        pictures = Pictures(folder / FIGURES)
        document = make_document(sources, pictures)
        pictures.finish(processes)
        write_html(document, page)
        if pdf:
            write_pdf(document, folder / PDF)
        write_runs(_records(sources), folder / TABLE)
    return page


def make_written_report(paths: Sequence[Path], path: Path) -> list[Path]:
    """Write one text on all experiments at the paths; returns what was written.

    FFNNError if there is no experiment with a finished run, or a file is damaged.
    """
    folders = [source for source in find_sources(paths) if isinstance(source, ExperimentFolder) and source.records]
    if not folders:
        raise FFNNError(
            f"{', '.join(map(str, paths))}: expected folders that `ffnn run` has filled; they hold no experiment"
        )
    command = shlex.join(["ffnn", "report", *map(str, paths), "--written", str(path)])
    return write_written_report(folders, path, command)


def make_document(sources: Sequence[Source], pictures: Pictures) -> Document:
    """One source as a document of its own; several as chapters, after a table of the experiments among them."""
    if len(sources) == 1:
        title, abstract_text, blocks = _chapter(sources[0], pictures)
        return Document(title, blocks, abstract=abstract_text)
    blocks = overview([source for source in sources if isinstance(source, ExperimentFolder)])
    for number, source in enumerate(sources, start=1):
        title, abstract_text, chapter = _chapter(source, pictures.chapter(f"{number}-{_kind(source)}"))
        blocks += [Heading(title), Paragraph(abstract_text), *demoted(chapter)]
    return Document(f"Report on {len(sources)} parts", blocks)


def overview(experiments: Sequence[ExperimentFolder]) -> list[Block]:
    """One table over several experiments: what was expected, what was found, with what certainty."""
    if len(experiments) < 2:
        return []
    rows = [[folder.title, *overview_row(folder, "expected", "found")] for folder in experiments]
    return [Heading("Overview"), Table(["experiment", "expected", "found", "certainty"], rows)]


def demoted(blocks: Sequence[Block]) -> list[Block]:
    """The same blocks with every heading one level deeper, for a chapter among others."""
    return [_demoted(block) for block in blocks]


def _demoted(block: Block) -> Block:
    if isinstance(block, Heading):
        return Heading(block.text, 3 if block.level == 2 else 4)
    if isinstance(block, Details):
        return dataclasses.replace(block, blocks=demoted(block.blocks))
    return block


def _kind(source: Source) -> str:
    return source.path.name if isinstance(source, RunRecord) else source.title


def _chapter(source: Source, pictures: Pictures) -> tuple[str, str, list[Block]]:
    """Title, abstract and blocks."""
    match source:
        case ExperimentFolder():
            return source.title, abstract(source), experiment_blocks(source, pictures)
        case SweepFolder():
            return source.title, sweep_abstract(source), sweep_blocks(source, pictures)
        case Runs():
            return source.title, f"{len(source.records)} runs.", several_blocks(source, pictures)
        case RunRecord():
            return title_of(source), run_abstract(source), run_blocks(source, pictures)


def _records(sources: Sequence[Source]) -> dict[str, list[RunRecord]]:
    """All runs, by condition, or by the group they are in."""
    records: dict[str, list[RunRecord]] = {}
    for source in sources:
        match source:
            case ExperimentFolder():
                many = len(sources) > 1
                for condition, runs in source.records.items():
                    records[f"{source.title} {condition}" if many else condition] = runs
            case SweepFolder():
                records[source.title] = sweep_runs(source)
            case Runs():
                records[source.title] = source.records
            case RunRecord():
                records[str(source.config.get("group", ""))] = [source]
    return records
