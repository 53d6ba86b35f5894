"""What every study's page shows: what was done, its figures beside ours, each of its claims, all conditions.

Verdicts follow from the statistics of `ffnn.experiment`; nobody writes one by hand.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from ffnn.catalogue import label_of
from ffnn.comparison.measures import MEASURES
from ffnn.comparison.rows import MOODS, texts_of
from ffnn.comparison.statistics import Mean
from ffnn.csv_file import write_csv
from ffnn.data import DATASETS
from ffnn.experiment.claims import Verdict, verdict_of
from ffnn.experiment.findings import caveats
from ffnn.experiment.tables import claim_numbers
from ffnn.figures import draw_curves
from ffnn.report.document import Block, Bullets, Cell, Code, Details, Document, Heading, Note, Paragraph, Row, Table
from ffnn.report.markup import literal
from ffnn.report.provenance import data_remarks
from ffnn.studies.file import Published, Said
from ffnn.studies.finished import Finished
from ffnn.words import count_of

WORDS: dict[Verdict, str] = {"confirmed": "confirmed", "contradicted": "refuted", "undecided": "undecided"}
"""For verdicts on what a study concludes."""

COLUMNS = ("best/val/accuracy", "test/accuracy", "test/macro_f1", "test/loss", "time/train_seconds", "parameters")
CURVES = {name: label_of(name) for name in ("train/loss", "val/accuracy")}
MOST_CURVES = 14
"""More conditions than this in one figure cannot be told apart."""


def make_page(finished: Finished) -> Document:
    """The part of a study's page that all studies have."""
    study = finished.study
    blocks: list[Block] = [Heading("What was done"), Paragraph(literal(study.did))]
    if study.missed:
        blocks.append(Paragraph(literal(study.missed)))
    blocks += [*_remarks(finished), *_published(finished), *_claims(finished), *_conditions(finished)]
    verdicts = [verdict_on(finished, conclusion) for conclusion in study.claims]
    confirmed, refuted = verdicts.count("confirmed"), verdicts.count("contradicted")
    abstract = (
        f"{literal(study.experiment.question)} Of {count_of(len(study.claims), 'claim')} {confirmed} confirmed by our "
        f"runs, {refuted} refuted, {len(study.claims) - confirmed - refuted} undecided."
    )
    runs = sum(map(len, finished.records.values()))
    counts = f"{count_of(runs, 'run')}, {count_of(finished.comparison.seeds, 'seed')}"
    return Document(study.title, blocks, f"{counts}; {_data(finished)}", abstract)


def make_summary(finished: Finished) -> Document:
    """What a table of all studies needs: the published figures beside ours, and a verdict on each claim."""
    blocks = [Paragraph(f"`make study-{finished.path.stem}`"), *_remarks(finished)]
    page = make_page(finished)
    return Document(page.title, [*blocks, *_published(finished), *_claims(finished)], page.subtitle, page.abstract)


def verdict_on(finished: Finished, conclusion: Said) -> Verdict:
    """On a conclusion, by the claims that stand for it."""
    return verdict_of(finished.judged(conclusion))


def write_figures(finished: Finished, path: Path) -> None:
    """`figures.csv`: what was published, ours, and the difference, a row a figure."""
    rows = [
        [figure.what, figure.condition, figure.measure, figure.value, mean.mean, mean.half_width, difference]
        for figure, mean, difference in _figures(finished)
    ]
    write_csv(path, ["figure", "condition", "measure", "published", "ours", "± 95 %", "difference"], rows)


def _figures(finished: Finished) -> Iterator[tuple[Published, Mean, float]]:
    """Each published figure, ours, and the difference."""
    for figure in finished.study.published:
        mean = finished.comparison.mean(figure.condition, figure.measure)
        yield figure, mean, mean.mean - figure.value


def _data(finished: Finished) -> str:
    """The data sets, and whether what was there is a part or a copy of what is published."""
    first = [runs[0] for runs in finished.records.values() if runs]
    sources = ["; ".join([DATASETS.create(run.config["dataset"]).title, *data_remarks(run)]) for run in first]
    return ", ".join(dict.fromkeys(sources))


def _remarks(finished: Finished) -> list[Block]:
    experiment, seeds = finished.study.experiment, finished.comparison.seeds
    remarks = [literal(text) for text in finished.study.assumed]
    for condition, runs in finished.records.items():
        for run in runs[:1]:
            settings = experiment.base | experiment.all_conditions()[condition]
            if "epochs" in settings and settings["epochs"] != run.config["epochs"]:
                epochs = count_of(run.config["epochs"], "epoch")
                remarks.append(f"**Shortened**: {literal(condition)} ran {epochs} of {settings['epochs']}.")
    if seeds < experiment.seeds:
        remarks.append(f"**Shortened**: {count_of(seeds, 'seed')} of {experiment.seeds}.")
    remarks += [literal(text) for text in caveats(finished.comparison)]
    return [Heading("What to know about these runs"), Bullets(remarks), Code(finished.command)] if remarks else []


def _published(finished: Finished) -> list[Block]:
    rows = []
    for figure, mean, difference in _figures(finished):
        measure = MEASURES[figure.measure]
        ours = measure.format(mean)
        named = [figure.what, figure.condition, measure.heading, measure.shown(figure.value)]
        rows.append([*named, ours, measure.shown(difference, "+")])
    if not rows:
        return []
    columns = ["figure", "condition here", "measure", "published", "ours", "difference"]
    return [
        Heading("Published figures and ours"),
        Table(columns, rows, "Ours: mean ± 95 % interval over seeds.", "lllrrr"),
    ]


def _claims(finished: Finished) -> list[Block]:
    rows: list[Sequence[Cell | str]] = []
    for conclusion in finished.study.claims:
        verdict = verdict_on(finished, conclusion)
        for number, result in enumerate(finished.judged(conclusion)):
            texts = texts_of(claim_numbers(result), MEASURES[result.claim.measure])
            tested = [result.claim.text, texts.difference, texts.p]
            text, judgement = (conclusion.said, Cell(WORDS[verdict], MOODS[verdict])) if number == 0 else ("", "")
            rows.append([text, *tested, judgement])
    columns = ["claim", "tested here as", "difference", "p", "verdict"]
    caption = (
        "Differences are left minus right with 95 % intervals, paired by seed; p: one-sided t tests of both sides, "
        "corrected by Holm over all rows. Claims marked (ours) are not the study's."
    )
    return [Heading("Its claims, tested"), Table(columns, rows, caption, "llrrl")] if rows else []


def _conditions(finished: Finished) -> list[Block]:
    rows = [[condition, *(finished.shown(condition, name) for name in COLUMNS)] for condition in finished.records]
    table = Table(
        ["condition", *(MEASURES[name].heading for name in COLUMNS)],
        rows,
        "Mean ± 95 % interval over seeds; test figures at the epoch that was best on validation.",
        "l" + "r" * len(COLUMNS),
        sortable=True,
    )
    if len(rows) > MOST_CURVES:
        return [Heading("All conditions"), Details(count_of(len(rows), "condition"), [table])]
    histories = {condition: [run.history for run in runs] for condition, runs in finished.records.items()}
    curves = finished.pictures.draw(
        "curves",
        partial(draw_curves, histories, CURVES, "mean over seeds, band from least to most"),
        "Training loss and validation accuracy by epoch, a line a condition",
    )
    return [Heading("All conditions"), table, Row([curves])]


def note_on_time() -> Note:
    """What a reader must know about seconds."""
    return Note("Seconds hold for one machine and for what else it did at the time; ratios within a table say more.")
