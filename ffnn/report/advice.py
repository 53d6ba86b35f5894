"""What to try next after an experiment, said only where the numbers give a reason.

Each rule reads the comparison and the runs, and gives a sentence or nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ffnn.comparison.groups import best_group
from ffnn.comparison.measures import CHOICE, MEASURES
from ffnn.comparison.statistics import Mean, mean_of, seeds_needed
from ffnn.records import read_json
from ffnn.report.formats import Sweep
from ffnn.report.markup import code, literal
from ffnn.report.sources import ExperimentFolder
from ffnn.words import count_of

MOST_SEEDS = 50
STILL_RISING = 0.5
"""Share of the best condition's runs whose last epoch was the best one, from which they count as cut short."""

WIDE_GAP = 0.03
"""Of training and validation accuracy: beyond it a network has learnt its training images by heart."""

Rule = Callable[[ExperimentFolder], str | None]


def advice(folder: ExperimentFolder) -> list[str]:
    """What to try next, in the report's markup, the most pressing first."""
    return [text for rule in RULES if (text := rule(folder))]


def best_condition(folder: ExperimentFolder) -> str | None:
    """The condition with the highest mean accuracy on validation, which is what choices are made by."""
    return best_group(folder.records, MEASURES[CHOICE])


def _more_seeds(folder: ExperimentFolder) -> str | None:
    """For the open claims and conditions: how many seeds could settle the nearest one."""
    claims, conditions = (
        [row for row in folder.comparison.get(part, []) if row.get("verdict") == "undecided"]
        for part in ("claims", "conditions")
    )
    needed = [n for row in (claims or conditions) if (n := seeds_to_show(row)) is not None]
    if not (claims or conditions):
        return None
    what = count_of(len(claims), "open claim") if claims else count_of(len(conditions), "undecided condition")
    if not needed:
        return f"**More seeds**: the {what} cannot be told from chance with these runs."
    fewest = min(needed)
    if fewest > MOST_SEEDS:
        return (
            f"**Not more seeds**: to settle any of the {what} would take more than {MOST_SEEDS} at the scatter "
            "seen here; a difference so small hardly matters."
        )
    return (
        f"**More seeds**: at the scatter seen here, {fewest} seeds could show the clearest of the {what} "
        f"({code(f'--seeds={fewest}')}; finished runs are kept)."
    )


def seeds_to_show(entry: Mapping[str, Any]) -> int | None:
    """Seeds with which a difference like this one would exceed its 95 % interval; None where that cannot be said."""
    distance = float(entry.get("from the edge", entry.get("difference")) or 0)
    half_width = float(entry.get("difference ± 95 %") or 0)
    return seeds_needed(Mean(distance, half_width, int(entry.get("pairs") or 0)), MOST_SEEDS)


def _diverged(folder: ExperimentFolder) -> str | None:
    names = [row["condition"] for row in folder.comparison.get("conditions", []) if row.get("diverged")]
    if not names:
        return None
    return (
        f"**Keep runs from diverging**: {', '.join(map(literal, names))} did; a smaller {code('learning_rate')}, "
        f"{code('warmup_epochs')} or {code('clip_norm')} would show what the condition is worth when it trains."
    )


def _longer(folder: ExperimentFolder) -> str | None:
    best = best_condition(folder)
    runs = [run for run in folder.records.get(best or "", []) if len(run.history) > 1]
    rising = sum(run.summary.get("best/epoch") == len(run.history) for run in runs)
    if not runs or rising < STILL_RISING * len(runs):
        return None
    epochs = max(len(run.history) for run in runs)
    return (
        f"**Train longer**: {literal(best)} was still improving in its last epoch in {rising} of {len(runs)} runs; "
        f"{code(f'--epochs={2 * epochs}')} would show where it ends."
    )


def _regularize(folder: ExperimentFolder) -> str | None:
    best = best_condition(folder)
    gap = mean_of([MEASURES["gap/accuracy"].of(run) for run in folder.records.get(best or "", [])]).mean
    if not gap >= WIDE_GAP:
        return None
    return (
        f"**Regularize**: at the end {literal(best)} is {100 * gap:.1f} points better on its training images than on "
        f"validation; {code('dropout')}, {code('l2')}, {code('augment')} or early stopping ({code('patience')}) "
        "may close the gap."
    )


def _cheaper(folder: ExperimentFolder) -> str | None:
    """A condition that is shown to be equal to the reference, and takes clearly less time."""
    rows = {row["condition"]: row for row in folder.comparison.get("conditions", [])}
    reference = rows.get(str(folder.comparison.get("reference")), {})
    time = "time/train_seconds mean"
    equal = [row for row in rows.values() if row.get("verdict") == "equal" and row.get(time)]
    if not equal or not reference.get(time):
        return None
    fastest = min(equal, key=lambda row: float(row[time]))
    ratio = float(reference[time]) / float(fastest[time])
    if ratio < 1.25:
        return None
    return (
        f"**Take the cheaper one**: {literal(fastest['condition'])} is equal to {literal(reference['condition'])} and "
        f"trains {ratio:.1f} times as fast."
    )


def _search(folder: ExperimentFolder) -> str | None:
    sweep = folder.comparison.get("experiment", {}).get("sweep")
    if not sweep:
        return None
    dataset = next((run.config.get("dataset") for runs in folder.records.values() for run in runs), None)
    on = f" --dataset={dataset}" if isinstance(dataset, str) else ""
    return f"**Search around it**: {code(f'ffnn sweep {sweep} --count=40{on}')} tries the same settings together."


def _widen(folder: ExperimentFolder) -> str | None:
    """Searches whose best trial lies at an end of their space."""
    searches: dict[str, list[str]] = {}
    for path in sorted(folder.path.glob("trials/*/sweep/sweep.json")):
        for sentence in read_json(path, Sweep).get("edges", []):
            searches.setdefault(sentence, []).append(path.parent.parent.name)
    if not searches:
        return None
    listed = "; ".join(f"{literal(sentence)} ({literal(', '.join(names))})" for sentence, names in searches.items())
    return f"**Widen the search**: {listed}."


RULES: Sequence[Rule] = (_widen, _diverged, _more_seeds, _longer, _regularize, _cheaper, _search)
