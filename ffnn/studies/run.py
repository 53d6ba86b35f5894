"""A study from its file to its page: the runs that are missing, the statistics, the published figures beside ours.

The page is written as HTML and PDF, and its table of figures as CSV.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ffnn.experiment.comparison import compare
from ffnn.experiment.file import plan_jobs
from ffnn.experiment.runs import alone_if_timed, run_experiment
from ffnn.experiment.tables import write_comparison, write_runs
from ffnn.lab.jobs import Job
from ffnn.lab.workers import Workers
from ffnn.locks import one_writer
from ffnn.report.document import Block
from ffnn.report.html import write_html
from ffnn.report.markdown import write_markdown
from ffnn.report.pdf import write_pdf
from ffnn.report.pictures import Pictures
from ffnn.studies.file import read_study
from ffnn.studies.finished import Finished
from ffnn.studies.page import make_page, make_summary, write_figures
from ffnn.terminal import to_stderr


def run_study(
    path: Path, settings: Mapping[str, Any], seeds: int | None, workers: Workers, fresh: bool, command: str
) -> Path:
    """Run a study and write its page, whose path, `RUNS_DIR/study-NAME/report.html`, is given back.

    A module of the file's name in `ffnn.studies` adds to the page. The settings, for all runs, win over those of the
    file; the command is what was typed, for the page; the other arguments are those of `run_experiment`. FFNNError if
    the file is wrong, or its data or a framework cannot be had.
    """
    study = read_study(path, settings)
    name = f"study-{path.stem}"
    planned = plan_jobs(study.experiment, name, settings, seeds)
    jobs = [Job(job.condition, job.config.model_copy(update={"group": name})) for job in planned]
    measures = [figure.measure for figure in study.published]
    measures += [claim.measure for claim in study.experiment.claims(study.tests)]
    records = run_experiment(jobs, alone_if_timed(workers, measures), to_stderr, fresh)
    claims = study.experiment.compare.model_copy(update={"claims": study.tests})
    comparison = compare(study.experiment.model_copy(update={"compare": claims}), records)
    folder = Path(jobs[0].config.runs_dir) / name
    finished = Finished(study, path, folder, records, comparison, command, Pictures(folder / "figures"))
    with one_writer(folder):
        write_runs(records, folder / "runs.csv")
        write_comparison(comparison, folder)
        write_figures(finished, folder / "figures.csv")
        document = make_page(finished)
        sections = _sections_of(path.stem)
        if sections:
            document = replace(document, blocks=[*document.blocks, *sections(finished)])
        finished.pictures.finish()
        write_html(document, folder / "report.html")
        write_pdf(document, folder / "report.pdf")
        write_markdown(make_summary(finished), folder / "summary.md")
    return folder / "report.html"


def _sections_of(name: str) -> Callable[[Finished], Sequence[Block]] | None:
    """What the module of this name adds to the page, if there is one."""
    module = f"ffnn.studies.{name}"
    return getattr(import_module(module), "sections", None) if name.isidentifier() and find_spec(module) else None
