"""What an experiment came to, as tables and figures: conditions against the reference, the claims, and the cost.

All numbers are those of comparison.json; a study's page shows its claims by the same texts.
"""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ffnn.comparison.measures import CHOICE, MEASURES, Measure
from ffnn.comparison.rows import MOODS, number, texts_of
from ffnn.comparison.statistics import Mean
from ffnn.report.document import Cell, Figure, Paragraph, Table
from ffnn.report.markup import literal
from ffnn.report.pictures import Pictures
from ffnn.report.sources import ExperimentFolder

if TYPE_CHECKING:
    from ffnn.figures import Interval

SECONDS = "time/train_seconds"


def overview_row(folder: ExperimentFolder, *columns: str) -> list[Cell | str]:
    """Some of what comparison.json says, and how certain it is."""
    comparison = folder.comparison
    certainty = Cell(comparison["certainty"], MOODS.get(comparison["verdict"], ""))
    return [*(comparison[column] for column in columns), certainty]


def finding(comparison: Mapping[str, Any]) -> list[Paragraph]:
    """What was found, and the verdict on what was expected."""
    words, certainty = literal(comparison["found"]), literal(comparison["certainty"])
    return [Paragraph(f"**Found:** {words}."), Paragraph(f"**Verdict:** {certainty}.")]


def result_tables(folder: ExperimentFolder) -> list[Table]:
    """A table of the conditions and one of the claims."""
    comparison, measure = folder.comparison, _measure(folder)
    names = _measures(folder)
    seeds = max(row["runs"] for row in comparison["conditions"])
    table = Table(
        ["condition", *(MEASURES[name].heading for name in names), "difference", "p", "effect", "verdict"],
        [_condition_row(folder, row, names) for row in comparison["conditions"]],
        f"Mean ± 95 % interval over {seeds} seed{'s' * (seeds > 1)}, on one split; test figures at the epoch that was "
        f"best on validation. Difference to {literal(comparison['reference'])}, paired by seed; p: t test of pairs, "
        "Holm-corrected over its table; effect: Hedges' g of pairs, from three on; equal: within "
        f"±{measure.within(comparison['margin'])}."
        + "".join(f" {literal(line)}" for line in comparison.get("notes", [])),
        sortable=True,
    )
    if not comparison.get("claims"):
        return [table]
    claims = Table(
        ["expected", "difference", "p", "effect", "verdict"],
        [[claim["claim"], *_tested(claim, MEASURES[claim["measure"]])] for claim in comparison["claims"]],
        "The expected finding, claim by claim; p is Holm-corrected over the claims.",
        alignment="lrrrl",
    )
    return [table, claims]


def comparison_figures(folder: ExperimentFolder, pictures: Pictures) -> list[Figure]:
    """Means with their intervals; none where no condition has a result."""
    from ffnn.figures import draw_intervals

    measure, margin = _measure(folder), folder.comparison["margin"]
    intervals, reference = _intervals(folder), folder.comparison["reference"]
    if not intervals:
        return []
    figure = pictures.draw(
        "comparison",
        partial(draw_intervals, intervals, reference, measure.scale * margin, measure.heading, "", ends=_ends(measure)),
        f"{measure.heading} of each condition with its 95 % interval",
        f"Means and 95 % intervals; the grey band is {literal(reference)} ± {measure.within(margin)}.",
    )
    return [figure]


def cost_figures(folder: ExperimentFolder, pictures: Pictures) -> list[Figure]:
    """What was reached against the time it took; none where fewer than two conditions have both."""
    from ffnn.figures import draw_cost

    measure, intervals = _measure(folder), _intervals(folder)
    seconds = {
        row["condition"]: float(row[f"{SECONDS} mean"])
        for row in folder.comparison["conditions"]
        if row["condition"] in intervals and row.get(f"{SECONDS} mean", 0) > 0
    }
    if len(seconds) < 2:
        return []
    reached = {condition: intervals[condition] for condition in seconds}
    figure = pictures.draw(
        "time",
        partial(draw_cost, seconds, reached, measure.heading, ends=_ends(measure)),
        f"{measure.heading} against seconds of training for each condition",
        "What was reached against the time that training took; up and left is better. Times depend on what "
        "else the machine did.",
    )
    return [figure]


def difference_of(claim: Mapping[str, Any]) -> str:
    """A claim's difference with its interval and unit, in words."""
    measure = MEASURES[claim["measure"]]
    return f"the difference is {texts_of(claim, measure).difference} {measure.unit}".rstrip()


def _measure(folder: ExperimentFolder) -> Measure:
    return MEASURES[folder.comparison["metric"]]


def _measures(folder: ExperimentFolder) -> list[str]:
    """What the table has a column of: the choice among conditions, the metric, the time."""
    metric = folder.comparison["metric"]
    return [*([] if metric == CHOICE else [CHOICE]), metric, SECONDS]


def _ends(measure: Measure) -> tuple[float, float]:
    return (0.0, 100.0) if measure.scale == 100 else (-math.inf, math.inf)


def _intervals(folder: ExperimentFolder) -> "dict[str, Interval]":
    """Of each condition that has a result."""
    from ffnn.figures import Interval

    name, scale = folder.comparison["metric"], _measure(folder).scale
    return {
        row["condition"]: Interval(scale * row[f"{name} mean"], scale * number(row, f"{name} ± 95 %"))
        for row in folder.comparison["conditions"]
        if row.get(f"{name} mean") is not None
    }


def _condition_row(folder: ExperimentFolder, row: Mapping[str, Any], names: Sequence[str]) -> list[Cell | str]:
    remarks = [f"{row[key]} {key}" for key in ("diverged", "missing") if row.get(key)]
    label = f"{row['condition']} ({', '.join(remarks)})" if remarks else row["condition"]
    means = [_mean(row, name) for name in names]
    if row["condition"] == folder.comparison["reference"]:
        return [Cell(label, "strong"), *means, Cell(None), Cell(None), Cell(None), _verdict(row)]
    return [Cell(label), *means, *_tested(row, _measure(folder))]


def _tested(row: Mapping[str, Any], measure: Measure) -> list[Cell | str]:
    """Difference, p, effect and verdict."""
    texts, p, effect = texts_of(row, measure), number(row, "p (Holm)"), number(row, "Hedges g")
    return [
        Cell(texts.difference, order=number(row, "difference")),
        Cell(None if math.isnan(p) else texts.p, order=p),
        Cell(None if math.isnan(effect) else texts.effect, order=effect),
        _verdict(row),
    ]


def _verdict(row: Mapping[str, Any]) -> Cell:
    return Cell(row["verdict"], MOODS.get(row["verdict"], ""))


def _mean(row: Mapping[str, Any], name: str) -> Cell:
    middle, measure = number(row, f"{name} mean"), MEASURES[name]
    mean = Mean(middle, number(row, f"{name} ± 95 %"), 0 if math.isnan(middle) else 1)
    return Cell(measure.format(mean), order=middle)
