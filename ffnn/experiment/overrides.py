"""What the command line's settings take from an experiment: differences of conditions that they win over.

An experiment whose conditions differ in the learning rate alone asks nothing any more where one is given for all.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ffnn.errors import FFNNError
from ffnn.experiment.file import Experiment
from ffnn.lab.config import override
from ffnn.lab.jobs import Job


def replaced(experiment: Experiment, overrides: Mapping[str, Any]) -> dict[str, list[str]]:
    """For each setting of the command line, the conditions whose own setting has no effect beside it."""
    conditions: dict[str, list[str]] = {}
    for condition, differences in experiment.all_conditions().items():
        for name, value in overrides.items():
            if any(_is_replaced(experiment.base, differences, setting, {name: value}) for setting in differences):
                conditions.setdefault(name, []).append(condition)
    return conditions


def effective(experiment: Experiment, differences: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """What of a condition's settings the command line leaves."""
    return {
        setting: value
        for setting, value in differences.items()
        if not any(
            _is_replaced(experiment.base, differences, setting, {name: replacement})
            for name, replacement in overrides.items()
        )
    }


def pointless_claims(experiment: Experiment, jobs: Sequence[Job]) -> list[str]:
    """Claims about two conditions that differ in the file, and whose runs, with the command line's settings, do not."""
    claims = [claim for claim in experiment.claims() if isinstance(claim.right, str)]
    named = {name for claim in claims for name in (claim.left, claim.right)}
    runs: dict[Any, list[str]] = {}
    for job in jobs:
        if job.condition in named:
            runs.setdefault(job.condition, []).append(job.config.digest())
    conditions = experiment.all_conditions() if claims else {}
    written: dict[Any, Any] = {name: override(experiment.base, conditions[str(name)]) for name in named}
    return [
        claim.text
        for claim in claims
        if runs[claim.left] == runs[claim.right] and written[claim.left] != written[claim.right]
    ]


def _is_replaced(
    base: Mapping[str, Any], differences: Mapping[str, Any], setting: str, replacement: Mapping[str, Any]
) -> bool:
    """Whether one of the condition's settings matters, but not with what is given."""
    without = {name: value for name, value in differences.items() if name != setting}
    plain, bare = override(base, differences), override(base, without)
    if plain == bare:
        return False
    try:
        return override(plain, replacement) == override(bare, replacement)
    except FFNNError:  # an option of something that only the condition has
        return False
