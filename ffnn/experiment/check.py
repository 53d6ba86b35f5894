"""What is wrong with experiment files, found before anything runs: every fault with its file and line.

`ffnn run` and `ffnn run --check` both begin here, so the one refuses what the other refuses.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ffnn.data import DATASETS
from ffnn.errors import FFNNError, nearest
from ffnn.experiment.faults import Fault, FaultsError, faults_of
from ffnn.experiment.file import Compare, Experiment, Origin, Search, Variation, dataset_of, plan_jobs
from ffnn.experiment.overrides import pointless_claims
from ffnn.lab.config import config_problems, override
from ffnn.lab.jobs import Job
from ffnn.sweep.marks import Marks
from ffnn.tracking import load_yaml
from ffnn.tracking.keys import redact
from ffnn.tracking.yaml_file import nearest_file

SECTIONS: Mapping[Any, Mapping[str, Any]] = {
    "experiment": Experiment.model_fields,
    "compare": Compare.model_fields,
    "search": Search.model_fields,
    "datasets": Variation.model_fields,
}
LAYERS = ("hidden_layers", "num_layers", "hidden_units")
"""Settings that mean the same thing, so that one that is wrong may stand there as another."""

ESSENTIAL = {"question", "expected", "conditions", "grid"}
OTHERS = {
    "parameters": "ffnn sweep",
    "experiment": "ffnn study",
    "conditions": "ffnn run",
    "grid": "ffnn run",
    "learning_rate": "ffnn train --config",
}
"""What files of each kind say, and the command that takes them."""

COMMAND_LINE = "the command line"


@dataclass(frozen=True)
class Checked:
    """An experiment in which nothing is wrong, as its file wants it on the data set it runs on.

    The settings are those of the command line, for all runs; the claims left out are of two conditions that these
    settings make the same.
    """

    path: Path
    experiment: Experiment
    settings: Mapping[str, Any]
    jobs: Sequence[Job]
    seeds: int
    left_out: Sequence[str] = ()


def check_files(
    paths: Sequence[Path], overrides: Mapping[str, Any], seeds: int | None = None
) -> tuple[list[Checked], list[str]]:
    """The experiments in files, and everything that is wrong in them, a line each.

    Settings and seeds of the command line win over those of the files.
    """
    checked, lines = [], []
    for path in paths:
        try:
            values = _load(path)
        except FFNNError as problem:
            lines.append(str(problem))
            continue
        marks = Marks(path)
        experiment, faults = _understood(values)
        if experiment is not None:
            planned = experiment.on_dataset(dataset_of(override(experiment.base, overrides)))
            jobs, refusal = _planned(planned, path.stem, overrides, seeds)
            faults += _faults_of_settings(experiment, overrides, planned=refusal is None)
            faults += _faults_of_sweep(experiment, path)
        lines += [_line(fault, marks) for fault in faults]
        if experiment is not None and not faults:
            if refusal is not None:  # of what is made from the names of file, data set and condition
                lines.append(f"{path}: {refusal}")
                continue
            left_out = pointless_claims(planned, jobs)
            checked.append(Checked(path, planned.without(left_out), overrides, jobs, seeds or planned.seeds, left_out))
    return checked, list(dict.fromkeys(redact(" ".join(line.split()), long_words=False) for line in lines))


def describe_problem(problem: ValidationError, top: Mapping[str, Any]) -> str:
    """What is wrong first in a file with an experiment in it: the place, what was expected, what was received.

    `top` are the fields of the file's outermost level, by name.
    """
    return str(faults_of(problem, top, SECTIONS)[0])


def _load(path: Path) -> Mapping[str, Any]:
    """What a file says, as names and values."""
    form = "question, expected, base, and conditions or grid"
    if path.is_dir():
        raise FFNNError(f"{path}: expected an experiment file; received a folder: name files in it, {path}/*.yaml")
    if not path.exists():
        hint = nearest_file(path, [*path.parent.glob("*.yaml"), *Path("experiments").glob("*.yaml")])
        raise FFNNError(f"{path}: expected an experiment file; there is none of this name{hint}")
    values = load_yaml(path)
    if values is None:
        raise FFNNError(f"{path}: expected an experiment file with {form}; it is empty")
    if not isinstance(values, dict):
        raise FFNNError(f"{path}: the file: expected names and values: {form}; received {type(values).__name__}")
    if not ESSENTIAL & set(values):
        received = command_for(values, path) or f"one with {', '.join(map(str, values))}"
        raise FFNNError(f"{path}: expected an experiment file with {form}; received {received}")
    return values


def command_for(values: Mapping[str, Any], path: Path) -> str:
    """What a file of another kind is taken by, in words; empty where its kind is not known.

    Examples
    --------
    >>> command_for({"method": "grid", "parameters": {}}, Path("a.yaml"))
    'what runs by: ffnn sweep a.yaml'
    """
    command = next((command for key, command in OTHERS.items() if key in values), "")
    return f"what runs by: {command} {path}" if command else ""


def _understood(values: Mapping[str, Any]) -> tuple[Experiment | None, list[Fault]]:
    """The experiment, as far as it can be understood without what is wrong in it, and all that is wrong."""
    try:
        return Experiment.model_validate(values), []
    except ValidationError as problem:
        errors = problem.errors(include_url=False)
        faults = faults_of(problem, Experiment.model_fields, SECTIONS)
    contradictions = (error.get("ctx", {}).get("error") for error in errors)
    experiment = next((error.experiment for error in contradictions if isinstance(error, FaultsError)), None)
    if experiment is None and all(error["type"] == "extra_forbidden" for error in errors):
        understood = deepcopy(dict(values))
        for error in errors:
            section: Any = understood
            for part in error["loc"][:-1]:
                section = section[part]
            del section[error["loc"][-1]]
        experiment, more = _understood(understood)
        faults += more
    return experiment, faults


def _planned(
    experiment: Experiment, name: str, overrides: Mapping[str, Any], seeds: int | None
) -> tuple[list[Job], FFNNError | None]:
    """The runs, or what is wrong with the first of them that cannot be."""
    try:
        return plan_jobs(experiment, name, overrides, seeds), None
    except FFNNError as problem:
        return [], problem


def _faults_of_settings(experiment: Experiment, overrides: Mapping[str, Any], planned: bool) -> list[Fault]:
    """Every setting that no run could have, on the data set at hand and on those that the file knows.

    Where the runs at hand are `planned`, their settings are known to be right.
    """
    faults: list[Fault] = []
    origins: Mapping[str, Sequence[Origin]] = {}
    now = dataset_of(override(experiment.base, overrides))
    others = [dataset for dataset in experiment.datasets if dataset in DATASETS and dataset != now]
    for dataset in [now, *others]:
        settings = dict(overrides) if dataset == now else {**overrides, "dataset": dataset}
        adapted = experiment.on_dataset(dataset)
        for condition, differences in adapted.all_conditions().items():
            values = override(override(adapted.base, differences), settings)
            problems = [] if planned and dataset == now else config_problems(values)
            if "seed" in values:
                refusal = "an experiment runs seeds 0, 1, ... itself; expected --seeds=N, received seed"
                problems = [("seed", refusal), *problems]
            origins = origins or (experiment.all_origins() if problems else {})
            for setting, text in problems:
                sources = _sources(experiment, condition, origins[condition], dataset, overrides)
                faults.append(_placed(setting, text, sources, condition))
    return list(dict.fromkeys(faults))


def _sources(
    experiment: Experiment, condition: str, origins: Iterable[Origin], dataset: str, overrides: Mapping[str, Any]
) -> Iterable[Origin]:
    """Where a condition's settings come from, those that win first."""
    yield (COMMAND_LINE,), overrides
    variation = experiment.datasets.get(dataset)
    if variation:
        yield ("datasets", dataset, "conditions", condition), variation.conditions.get(condition, {})
    yield from origins
    if variation:
        yield ("datasets", dataset, "base"), variation.base
    yield ("base",), experiment.base


def _placed(setting: str, text: str, sources: Iterable[Origin], condition: str) -> Fault:
    """A fault at the place that gives the setting its value."""
    synonyms = LAYERS if setting in LAYERS else (setting,)
    for place, settings in sources:
        for name in settings:
            if name.partition(".")[0] in synonyms:
                return Fault((*place, name), text.removeprefix(f"{name}: "))
    return Fault(("conditions", condition), text)


def _faults_of_sweep(experiment: Experiment, path: Path) -> Iterator[Fault]:
    """What is wrong with the file of the same values as a sweep, and with the space that is searched."""
    if experiment.sweep is None:
        return
    sweep = path.absolute().parent.parent / experiment.sweep
    if not sweep.is_file():
        files = [str(file.relative_to(sweep.parent.parent)) for file in sweep.parent.glob("*.yaml")]
        yield Fault(("sweep",), f"expected a sweep file; there is no {sweep}{nearest(experiment.sweep, files)}")
    elif experiment.search:
        from ffnn.sweep.explain import unknown_settings
        from ffnn.sweep.plan import make_plan
        from ffnn.sweep.schema import read_sweep

        try:
            problems = unknown_settings(make_plan(read_sweep(sweep), {}, None, experiment.search.trials, {}))
        except FFNNError as problem:
            problems = [str(problem)]
        yield from (Fault(("sweep",), problem) for problem in problems)


def _line(fault: Fault, marks: Marks) -> str:
    if fault.place[:1] == (COMMAND_LINE,):
        return f"--{'.'.join(map(str, fault.place[1:]))}: {fault.text}"
    return f"{marks.at(*fault.place)}: {fault.text}"
