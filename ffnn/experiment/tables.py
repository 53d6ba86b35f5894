"""The files that an experiment leaves beside its runs: `runs.csv`, `comparison.csv` and `comparison.json`.

Each is replaced as a whole, so a reader never finds half of one.
"""

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ffnn.comparison.groups import Group
from ffnn.comparison.measures import MEASURES
from ffnn.comparison.rows import numbers_of
from ffnn.csv_file import write_records
from ffnn.experiment.claims import Judged
from ffnn.experiment.comparison import Comparison
from ffnn.experiment.findings import caveats, certainty_in_words, finding_in_words, notes
from ffnn.tracking import RunRecord
from ffnn.tracking.keys import redact_values
from ffnn.tracking.plain import write_json


def write_runs(records: Mapping[str, Sequence[RunRecord]], path: Path) -> None:
    """`runs.csv`: one row a run, with condition, seed, its place seen from there, and every number of its summary."""
    rows = [
        {
            "condition": condition,
            "seed": run.config["seed"],
            "run": Path(os.path.relpath(run.path, path.parent)).as_posix(),
            **{key: value for key, value in run.summary.items() if isinstance(value, int | float | str)},
        }
        for condition, runs in records.items()
        for run in runs
    ]
    _write_csv(rows, path)


def write_comparison(comparison: Comparison, folder: Path, command: str = "") -> list[Path]:
    """`comparison.csv`, one row a condition, and `comparison.json` with everything else; what is NaN is left out.

    That is the claims, what the experiment's file says, and the command that runs it again.
    """
    rows = [_numbers(comparison, group) for group in comparison.groups]
    _write_csv(rows, folder / "comparison.csv")
    everything = {
        "question": comparison.experiment.question,
        "expected": comparison.experiment.expected,
        "found": finding_in_words(comparison),
        "verdict": comparison.verdict,
        "certainty": certainty_in_words(comparison),
        "caveats": caveats(comparison),
        "notes": notes(comparison),
        "metric": comparison.experiment.metric,
        "margin": comparison.experiment.compare.margin,
        "reference": comparison.reference,
        "conditions": rows,
        "claims": [claim_numbers(result) for result in comparison.judged],
        "command": command,
        "experiment": redact_values(comparison.experiment.model_dump(mode="json")),
    }
    path = folder / "comparison.json"
    write_json(path, everything)
    return [folder / "comparison.csv", path]


def _numbers(comparison: Comparison, group: Group) -> dict[str, Any]:
    numbers: dict[str, Any] = {
        "condition": group.name,
        "runs": len(group.runs),
        "diverged": group.diverged,
        "missing": comparison.missing(group),
    }
    for name in MEASURES:
        mean = comparison.mean(group.name, name)
        if mean.count:
            numbers |= {f"{name} mean": mean.mean, f"{name} std": mean.std, f"{name} ± 95 %": mean.half_width}
    named = {comparison.experiment.metric: group.mean, "difference": group.difference}
    others = {
        # Which intervals are those of rounding to whole images, as the seeds scatter less.
        "of rounding": " ".join(name for name, mean in named.items() if mean.rounded),
        "pairs": group.difference.count,
        "p": group.pairs.p if group.pairs else math.nan,
    }
    return numbers | numbers_of(group.pairs, group.p, group.verdict, others)


def claim_numbers(result: Judged) -> dict[str, Any]:
    """What comparison.json says of a claim."""
    claim, mean = result.claim, result.pairs.mean
    others = {"from the edge": result.excess, "of rounding": mean.rounded, "pairs": mean.count}
    tested = numbers_of(result.pairs, result.p, result.verdict, others)
    return {"claim": claim.text, "measure": claim.measure, "margin": claim.margin, **tested}


def _write_csv(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    write_records(path, columns, ({key: _cell(value) for key, value in row.items()} for row in rows))


def _cell(value: Any) -> Any:
    return "" if isinstance(value, float) and math.isnan(value) else value
