"""The files that an experiment leaves beside its runs: `runs.csv`, `comparison.csv` and `comparison.json`.

Each is replaced as a whole, so a reader never finds half of one.
"""

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ffnn.csv_file import write_records
from ffnn.experiment.claims import Judged
from ffnn.experiment.comparison import Comparison, Row
from ffnn.experiment.findings import caveats, certainty_in_words, found_in_words, notes
from ffnn.experiment.statistics import mean_of
from ffnn.files import replacing
from ffnn.tracking import RunRecord, finite
from ffnn.tracking.keys import redact_values


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
    rows = [_numbers(comparison, row) for row in comparison.rows]
    _write_csv(rows, folder / "comparison.csv")
    everything = {
        "question": comparison.experiment.question,
        "expected": comparison.experiment.expected,
        "found": found_in_words(comparison),
        "verdict": comparison.verdict,
        "certainty": certainty_in_words(comparison),
        "caveats": caveats(comparison),
        "notes": notes(comparison),
        "metric": comparison.experiment.metric,
        "margin": comparison.experiment.compare.margin,
        "reference": comparison.reference,
        "conditions": rows,
        "claims": [_claim_numbers(one) for one in comparison.judged],
        "command": command,
        "experiment": redact_values(comparison.experiment.model_dump(mode="json")),
    }
    path = folder / "comparison.json"
    with replacing(path) as file:
        json.dump(finite(everything), file, indent=2, allow_nan=False, ensure_ascii=False)
        file.write("\n")
    return [folder / "comparison.csv", path]


def _numbers(comparison: Comparison, row: Row) -> dict[str, Any]:
    pairs = row.pairs
    numbers: dict[str, Any] = {
        "condition": row.condition,
        "runs": row.runs,
        "diverged": row.diverged,
        "missing": row.missing,
    }
    for name, mean in row.means.items():
        if mean.count:
            numbers |= {f"{name} mean": mean.mean, f"{name} std": mean.std, f"{name} ± 95 %": mean.half_width}
    difference = pairs.mean if pairs else mean_of([])
    return numbers | {
        "difference": difference.mean,
        "difference ± 95 %": difference.half_width,
        "of rounding": _of_rounding(comparison, row),
        "pairs": difference.count,
        "p": pairs.p if pairs else math.nan,
        "p (Holm)": row.p,
        "Hedges g": pairs.effect if pairs else math.nan,
        "verdict": row.verdict,
    }


def _of_rounding(comparison: Comparison, row: Row) -> str:
    """Which of a row's intervals are those of rounding to whole images, as its seeds scatter less."""
    metric = comparison.experiment.metric
    named = {metric: row.means[metric], "difference": row.pairs.mean if row.pairs else mean_of([])}
    return " ".join(name for name, mean in named.items() if mean.rounded)


def _claim_numbers(one: Judged) -> dict[str, Any]:
    mean = one.pairs.mean
    return {
        "claim": one.claim.text,
        "measure": one.claim.measure,
        "margin": one.claim.margin,
        "difference": mean.mean,
        "difference ± 95 %": mean.half_width,
        "from the edge": one.excess,
        "of rounding": mean.rounded,
        "pairs": mean.count,
        "p (Holm)": one.p,
        "Hedges g": one.pairs.effect,
        "verdict": one.verdict,
    }


def _write_csv(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    write_records(path, columns, ({key: _cell(value) for key, value in row.items()} for row in rows))


def _cell(value: Any) -> Any:
    return "" if isinstance(value, float) and math.isnan(value) else value
