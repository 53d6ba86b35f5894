"""What a sweep is going to do: a file, the settings given beside it, and where everything goes.

Two processes that work on one sweep must mean the same one, so the plan is kept with its trials.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ffnn.errors import FFNNError
from ffnn.lab.config import BOOKKEEPING, Config
from ffnn.sweep.command import check_macros, config_of, expand, settings_of
from ffnn.sweep.schema import Metric, Sweep
from ffnn.sweep.space import Space, read_space
from ffnn.tracking.folders import folder_name_fault

DEFAULT_METRIC = Metric(name="best/val/accuracy", goal="maximize")


@dataclass(frozen=True)
class Plan:
    """A sweep with everything decided; the space has the overrides in it.

    `overrides` are settings of every trial that can change its result, `bookkeeping` those that cannot: where it goes
    and what it is called. `count` is that of all trials, where the file's run_cap or the method does not say less.
    """

    sweep: Sweep
    space: Space
    overrides: dict[str, Any]
    bookkeeping: dict[str, Any]
    seed: int
    count: int | None

    @property
    def group(self) -> str:
        """The sweep's name, its folder, and its runs' W&B group."""
        return str(self.bookkeeping["group"])

    @property
    def folder(self) -> Path:
        """Where the sweep's runs are."""
        return Path(self.bookkeeping["runs_dir"]) / self.group

    @property
    def own_folder(self) -> Path:
        """Where everything is that is not a run's."""
        return self.folder / "sweep"

    @property
    def metric(self) -> Metric:
        """What the sweep improves; the best validation accuracy, if the file does not say."""
        return self.sweep.file.metric or DEFAULT_METRIC

    @property
    def limit(self) -> int | None:
        """Trials in all; None where only the grid's size ends it."""
        return min((n for n in (self.count, self.sweep.file.run_cap) if n is not None), default=None)

    @property
    def size(self) -> int | None:
        """Trials to expect: the limit, or what of it the grid has; None where nothing ends the sweep."""
        if self.sweep.file.method != "grid":
            return self.limit
        return min((n for n in (self.limit, self.space.grid_size) if n is not None), default=None)

    def parameters_file(self, key: str) -> Path:
        """Where a trial finds its parameters."""
        return self.own_folder / "trials" / f"{key}.json"

    def given(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """All that a trial with these arguments is given."""
        return {**arguments, **self.bookkeeping}

    def argv(self, arguments: Mapping[str, Any], key: str = "KEY") -> list[str]:
        """The argument list that a trial is started with."""
        file = self.sweep.file
        return expand(file.command, self.given(arguments), file.program, self.parameters_file(key))

    def config(self, arguments: Mapping[str, Any]) -> Config:
        """The config of the run that a trial with these arguments is."""
        return config_of(self.argv(arguments), {str(self.parameters_file("KEY")): self.given(arguments)})

    def identify(self, arguments: Mapping[str, Any]) -> str:
        """A trial's name: the hash of its config, or of its arguments where those give none."""
        try:
            identity: Any = self.config(arguments).identity()
        except FFNNError:
            identity = dict(arguments)
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:8]

    def record(self) -> dict[str, Any]:
        """What must be the same for two processes to work on one sweep."""
        file = self.sweep.file.model_dump(include={"method", "metric", "parameters", "early_terminate", "command"})
        return {**file, "overrides": self.overrides, "seed": self.seed}


def make_plan(
    sweep: Sweep, settings: Mapping[str, Any], seed: int | None, count: int | None, before: Mapping[str, Any]
) -> Plan:
    """The plan for a sweep; the settings, for every trial, win over the file's parameters.

    `before` is the record of the sweep that goes on, if one does: what is not given now is taken from there. FFNNError
    if what is given now differs from what it began with.
    """
    bookkeeping = {name: value for name, value in settings.items() if name in BOOKKEEPING}
    overrides = {name: value for name, value in settings.items() if name not in BOOKKEEPING}
    overrides = {**before.get("overrides", {}), **overrides}
    if seed is None:
        seed = int(before.get("seed", 0))
    space = read_space(sweep.file.parameters, sweep.marks).fixed(overrides)
    if sweep.file.method == "grid":
        try:
            space = space.for_grid()
        except FFNNError as problem:
            name = str(problem).partition(":")[0].split(".")
            raise FFNNError(f"{sweep.marks.at('parameters', *name)}: {str(problem).partition(': ')[2]}") from None
    stem = sweep.path.stem
    usual = {"runs_dir": "runs", "group": stem, "job_type": "sweep", "tags": [stem]}
    bookkeeping = {**usual, **_bookkeeping(sweep, space), **bookkeeping}
    _checked_group(bookkeeping["group"])
    plan = Plan(sweep, space, overrides, bookkeeping, seed, count if count is not None else before.get("count"))
    _check_the_same(plan, before)
    return plan


def folder_of(sweep: Sweep, settings: Mapping[str, Any]) -> tuple[Path, str]:
    """Where the runs of a sweep go, and its group, before anything else is decided about it."""
    bookkeeping = {**_bookkeeping(sweep, read_space(sweep.file.parameters, sweep.marks)), **settings}
    group = _checked_group(bookkeeping.get("group", sweep.path.stem))
    return Path(str(bookkeeping.get("runs_dir", "runs"))) / group, group


def _checked_group(name: object) -> str:
    if fault := folder_name_fault(group := str(name)):
        raise FFNNError(f"group: {fault}; --group=NAME gives it another")
    return group


def _bookkeeping(sweep: Sweep, space: Space) -> dict[str, Any]:
    """The bookkeeping that the file's command or parameters give."""
    everything = space.arguments(space.middle)
    arguments = {name: value for name, value in everything.items() if name in BOOKKEEPING}
    check_macros(sweep)
    argv = expand(sweep.file.command, arguments, sweep.file.program, Path("args.json"))
    try:
        settings = settings_of(argv, {"args.json": arguments})
    except FFNNError as problem:
        raise FFNNError(f"{sweep.marks.at('command')}: {str(problem).removeprefix('command: ')}") from None
    return {name: value for name, value in settings.items() if name in BOOKKEEPING}


def _check_the_same(plan: Plan, before: Mapping[str, Any]) -> None:
    now = json.loads(json.dumps(plan.record()))
    for name, value in now.items():
        if before and before.get(name) != value:
            raise FFNNError(
                f"{plan.sweep.path}: {name} differs from what the sweep {plan.group!r} began with: it had "
                f"{json.dumps(before.get(name))}, now {json.dumps(value)}; change it back, or begin another sweep "
                "with --group=NAME"
            )
