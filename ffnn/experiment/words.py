"""An experiment in words before anything runs: how many runs of what, and where they go."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ffnn.errors import FFNNError
from ffnn.experiment.check import Checked
from ffnn.experiment.overrides import effective, replaced
from ffnn.lab.build import check_fits
from ffnn.lab.config import name_of, override
from ffnn.words import count_of


def plan_in_words(checked: Checked) -> str:
    """What will be run, in one line.

    A run that serves several conditions is counted once.
    """
    jobs, experiment = checked.jobs, checked.experiment
    runs = len({job.config.digest() for job in jobs})
    conditions = len({job.condition for job in jobs})
    kind = f"searches of {experiment.search.trials} trials" if experiment.search else "run" + "s" * (runs != 1)
    shared = f" ({len(jobs) - runs} fewer, as some conditions have the same settings)" if runs < len(jobs) else ""
    epochs = sorted({job.config.epochs for job in jobs})
    length = f"{epochs[0]}" if len(epochs) == 1 else f"{epochs[0]} to {epochs[-1]}"
    return (
        f"{checked.path.stem}: {count_of(conditions, 'condition')}, {count_of(checked.seeds, 'seed')}: {runs} {kind} "
        f"on {name_of(jobs[0].config.dataset)}{shared}, {length} epoch{'s' * (length != '1')} each"
    )


def explanation(checked: Checked) -> Iterator[str]:
    """Everything that `--check` tells about a file in which nothing is wrong."""
    experiment, config = checked.experiment, checked.jobs[0].config
    yield plan_in_words(checked)
    yield f"  question: {experiment.question}"
    yield f"  expected: {experiment.expected}"
    compare = experiment.compare
    yield f"  judged by {experiment.metric} against {compare.against}, equal within {compare.margin:g}"
    for name, differences in experiment.all_conditions().items():
        settings = effective(experiment, differences, checked.settings)
        yield f"  condition {name}: {_listed(settings) or 'as all'}"
    yield f"  in all: {_listed(override(experiment.base, checked.settings))}"
    yield from (f"  {line}" for line in replaced_in_words(checked))
    for claim in experiment.compare.claims:
        yield f"  claim: {claim}"
    if experiment.search:
        yield f"  searches {experiment.sweep}"
    yield from (f"  on this machine now: {line}" for line in _lacking_memory(checked))
    yield f"  runs go to {Path(config.runs_dir) / config.group}/"


def _lacking_memory(checked: Checked) -> Iterator[str]:
    """Conditions that could not be trained here at this moment; another machine may have the memory."""
    for condition, config in {job.condition: job.config for job in checked.jobs}.items():
        try:
            check_fits(config)
        except FFNNError as problem:
            yield f"condition {condition}: {problem}"


def replaced_in_words(checked: Checked) -> Iterator[str]:
    """What the command line takes from the conditions, a line each; nothing where it takes nothing."""
    for name, conditions in replaced(checked.experiment, checked.settings).items():
        every = len(conditions) == len(checked.experiment.all_conditions())
        whose = "every condition" if every else ", ".join(conditions)
        yield f"--{name}={checked.settings[name]} replaces what the file gives {whose}"
    if checked.left_out:
        yield f"left out, as both sides are the same runs now: {'; '.join(checked.left_out)}"


def _listed(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in settings.items())
