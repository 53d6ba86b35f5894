"""What every study's page shows: what was done, its figures beside ours, each of its claims, all conditions.

Verdicts follow from the statistics of `ffnn.experiment`; nobody writes one by hand.
"""

from collections.abc import Sequence
from pathlib import Path

from ffnn.catalogue import label_of
from ffnn.comparison.measures import MEASURES
from ffnn.comparison.rows import format_p
from ffnn.csv_file import write_csv
from ffnn.data import DATASETS
from ffnn.experiment.claims import Judged
from ffnn.experiment.findings import caveats
from ffnn.figures import draw_curves
from ffnn.report.document import (
    Block,
    Bullets,
    Cell,
    Code,
    Details,
    Document,
    Heading,
    Mood,
    Note,
    Paragraph,
    Row,
    Table,
    literal,
)
from ffnn.report.provenance import data_remarks
from ffnn.studies.file import Said
from ffnn.studies.finished import Finished
from ffnn.words import count_of

VERDICTS: dict[str, tuple[str, Mood]] = {
    "confirmed": ("confirmed", "good"),
    "contradicted": ("refuted", "bad"),
    "undecided": ("undecided", "unsure"),
}
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
    confirmed = sum(verdict_of(finished, said) == "confirmed" for said in study.claims)
    refuted = sum(verdict_of(finished, said) == "contradicted" for said in study.claims)
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


def verdict_of(finished: Finished, said: Said) -> str:
    """On a conclusion: confirmed if every claim that stands for it is, contradicted if one is, else undecided."""
    verdicts = {one.verdict for one in finished.judged(said)}
    if "contradicted" in verdicts:
        return "contradicted"
    return "confirmed" if verdicts == {"confirmed"} else "undecided"


def write_figures(finished: Finished, path: Path) -> None:
    """`figures.csv`: what was published, ours, and the difference, a row a figure."""
    rows = []
    for figure in finished.study.published:
        mean = finished.mean(figure.condition, figure.measure)
        ours = [mean.mean, mean.half_width, mean.mean - figure.value]
        rows.append([figure.what, figure.condition, figure.measure, figure.value, *ours])
    write_csv(path, ["figure", "condition", "measure", "published", "ours", "± 95 %", "difference"], rows)


def _data(finished: Finished) -> str:
    """The data sets, and whether what was there is a part or a copy of what is published."""
    said = []
    for runs in finished.records.values():
        for run in runs[:1]:
            said.append("; ".join([DATASETS.create(run.config["dataset"]).title, *data_remarks(run)]))
    return ", ".join(dict.fromkeys(said))


def _remarks(finished: Finished) -> list[Block]:
    said = [literal(text) for text in finished.study.assumed]
    for condition, runs in finished.records.items():
        for run in runs[:1]:
            asked = finished.study.experiment.base | finished.study.experiment.all_conditions()[condition]
            if "epochs" in asked and asked["epochs"] != run.config["epochs"]:
                epochs = count_of(run.config["epochs"], "epoch")
                said.append(f"**Shortened**: {literal(condition)} ran {epochs} of {asked['epochs']}.")
    if finished.comparison.seeds < finished.study.experiment.seeds:
        seeds = count_of(finished.comparison.seeds, "seed")
        said.append(f"**Shortened**: {seeds} of {finished.study.experiment.seeds}.")
    said += [literal(text) for text in caveats(finished.comparison)]
    return [Heading("What to know about these runs"), Bullets(said), Code(finished.command)] if said else []


def _published(finished: Finished) -> list[Block]:
    rows = []
    for figure in finished.study.published:
        measure = MEASURES[figure.measure]
        mean = finished.mean(figure.condition, figure.measure)
        rows.append(
            [
                figure.what,
                figure.condition,
                measure.heading,
                f"{measure.scale * figure.value:.{measure.digits}f}",
                mean.format(measure.scale, measure.digits),
                f"{measure.scale * (mean.mean - figure.value):+.{measure.digits}f}",
            ]
        )
    if not rows:
        return []
    columns = ["figure", "condition here", "measure", "published", "ours", "difference"]
    return [
        Heading("Published figures and ours"),
        Table(columns, rows, "Ours: mean ± 95 % interval over seeds.", "lllrrr"),
    ]


def _claims(finished: Finished) -> list[Block]:
    rows: list[Sequence[Cell | str]] = []
    for said in finished.study.claims:
        words, mood = VERDICTS[verdict_of(finished, said)]
        for number, one in enumerate(finished.judged(said)):
            first = number == 0
            rows.append([said.said if first else "", *_tested(one), Cell(words, mood) if first else ""])
    columns = ["claim", "tested here as", "difference", "p", "verdict"]
    caption = (
        "Differences are left minus right with 95 % intervals, paired by seed; p: one-sided t tests of both sides, "
        "corrected by Holm over all rows. Claims marked (ours) are not the study's."
    )
    return [Heading("Its claims, tested"), Table(columns, rows, caption, "llrrl")] if rows else []


def _tested(one: Judged) -> list[str]:
    measure = MEASURES[one.claim.measure]
    return [one.claim.text, one.pairs.mean.format(measure.scale, measure.digits, "+"), format_p(one.p)]


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
    curves = finished.figure(
        "curves",
        lambda path: draw_curves(histories, CURVES, "mean over seeds, band from least to most", path),
        "Training loss and validation accuracy by epoch, a line a condition",
    )
    return [Heading("All conditions"), table, Row([curves])]


def note_on_time() -> Note:
    """What a reader must know about seconds."""
    return Note("Seconds hold for one machine and for what else it did at the time; ratios within a table say more.")
