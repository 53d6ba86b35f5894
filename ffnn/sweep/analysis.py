"""After a sweep: which trials were best, which parameters mattered, and a config to train with.

Everything is written beside the runs, trials.csv and best.yaml; `ffnn report` draws from them.
"""

import shlex
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ffnn.csv_file import write_records
from ffnn.files import replacing, storing
from ffnn.lab.config import BOOKKEEPING
from ffnn.lab.offline import told_to_wandb
from ffnn.sweep.distributions import Interval
from ffnn.sweep.edges import ENOUGH, edges
from ffnn.sweep.live import short_settings
from ffnn.sweep.plan import Plan
from ffnn.sweep.trials import Trial, ranked
from ffnn.tracking import dump_yaml
from ffnn.tracking.plain import write_json
from ffnn.words import count_of

if TYPE_CHECKING:
    from rich.table import Table

BEST = 10
"""Trials in the printed table."""
ON_PAPER = 110
"""Letters of a line where there is no terminal that says how many it has."""


def importances(trials: Sequence[Trial], plan: Plan) -> dict[str, float]:
    """The part of the metric's variance that each searched parameter explains (fANOVA); empty if that cannot be said.

    Hutter et al., ICML 2014, in Optuna.
    """
    values = [trial.best for trial in trials]
    if len(trials) < 4 or len(set(values)) < 2 or not plan.space.searched:
        return {}
    import optuna
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances
    from optuna.trial import create_trial

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = optuna.create_study(direction="maximize")
        study.add_trials(
            [create_trial(value=t.best, params=dict(t.latents), distributions=dict(t.dimensions)) for t in trials]
        )
        return dict(get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0)))


def caveat(trials: int, parameters: int) -> str:
    """What must be said beside importances from so many trials; nothing if they are enough.

    Examples
    --------
    >>> caveat(4, 2), caveat(20, 2)
    ('a guess from 4 trials; 20 or more would tell', '')
    """
    enough = ENOUGH * parameters
    return "" if trials >= enough else f"a guess from {count_of(trials, 'trial')}; {enough} or more would tell"


def write_table(trials: Mapping[str, Trial], plan: Plan, path: Path) -> None:
    """One row a trial, in the order they were begun: name, how it ended, metric, seconds, run, parameters."""
    rows = [
        {
            "trial": trial.key,
            "status": trial.status,
            plan.metric.name: trial.best,
            "seconds": round(trial.seconds, 2),
            "run": trial.run or "",
            **plan.space.values(trial.latents),
        }
        for trial in trials.values()
    ]
    write_records(path, list(rows[0]), rows)


def best_settings(trial: Trial, plan: Plan) -> dict[str, Any]:
    """A trial's settings, as `ffnn train --config` takes them; where its run went is left out."""
    from ffnn.sweep.command import settings_of

    file = plan.parameters_file("KEY")
    settings = settings_of(plan.argv(trial.arguments), {str(file): plan.given(trial.arguments)})
    return {name: value for name, value in settings.items() if name not in BOOKKEEPING}


def write_best(trial: Trial, plan: Plan, path: Path) -> None:
    """Write `best.yaml`."""
    with replacing(path) as file:
        file.write(f"# trial {trial.key} of {plan.group}: {plan.metric.name} {trial.best:.6g}, {trial.status}\n")
        dump_yaml(best_settings(trial, plan), file)


def write_about(trials: Mapping[str, Trial], plan: Plan, weights: Mapping[str, float], path: Path) -> None:
    """Write `sweep.json`: what a report cannot see in the trials, such as the metric's direction and importances."""
    best = ranked(trials.values(), plan.metric)
    about = {
        "file": str(plan.sweep.path),
        "description": f"{plan.sweep.file.method} search",
        "metric": plan.metric.name,
        "maximize": plan.metric.goal == "maximize",
        "logarithmic": _logarithmic(plan),
        "importances": dict(weights),
        "caveat": caveat(len(best), len(plan.space.searched)) if weights else "",
        "edges": edges_of(best, plan),
        "command": _command(plan, len(trials)),
    }
    write_json(path, about)


def _logarithmic(plan: Plan) -> dict[str, bool]:
    """Of each searched parameter, whether its scale is a logarithmic one."""
    return {name: isinstance(d, Interval) and d.log for name, d in plan.space.searched.items()}


def edges_of(best: Sequence[Trial], plan: Plan) -> list[str]:
    """Where the best of the ranked trials lies at an end of the space."""
    if not best:
        return []
    enough = plan.space.grid_size if plan.sweep.file.method == "grid" else ENOUGH * len(plan.space.searched)
    return edges(plan.space, plan.space.values(best[0].latents), len(best), len(best) >= enough)


def leave_files(trials: Mapping[str, Trial], plan: Plan, weights: Mapping[str, float]) -> dict[str, Path]:
    """Write trials.csv, sweep.json and best.yaml, as far as there is something to write; where they are."""
    with storing(plan.own_folder):
        plan.own_folder.mkdir(parents=True, exist_ok=True)
    places = {"trials": plan.own_folder / "trials.csv"}
    write_table(trials, plan, places["trials"])
    write_about(trials, plan, weights, plan.own_folder / "sweep.json")
    best = ranked(trials.values(), plan.metric)
    if best:
        places["best"] = plan.own_folder / "best.yaml"
        write_best(best[0], plan, places["best"])
    return places


def _command(plan: Plan, count: int) -> str:
    """The command line that runs the same sweep elsewhere."""
    options = {"count": count, "seed": plan.seed, **plan.overrides}
    return shlex.join(
        ["ffnn", "sweep", str(plan.sweep.path), *(f"--{name}={value}" for name, value in options.items())]
    )


def present(trials: Mapping[str, Trial], plan: Plan) -> None:
    """Print the best trials and the importances; write table and config. `ffnn report` draws."""
    from rich.text import Text

    from ffnn.console import Console

    if not trials:
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=max(console.width, ON_PAPER))
    best = ranked(trials.values(), plan.metric)
    weights = importances(best, plan)
    places: dict[str, Any] = dict(leave_files(trials, plan, weights))
    console.print(Text.assemble("\n", (plan.group, "bold"), f": {in_numbers(trials)}"))
    if best:
        console.print(_table(best, plan))
        cut = f"{BEST} best of {len(best)} with a result; all are in trials.csv\n" if len(best) > BEST else ""
        console.print(f"{cut}best: {short_settings(best[0])}")
        for sentence in edges_of(best, plan):
            console.print(sentence, style="yellow")
        if weights:
            shares = ", ".join(f"{name} {weight:.2f}" for name, weight in weights.items())
            doubt = caveat(len(best), len(plan.space.searched))
            console.print(f"importance of parameters: {shares}{f' ({doubt})' if doubt else ''}")
    for name, place in places.items():
        console.print(f"{name:<9}{place}", soft_wrap=True)
    if best:
        console.print(f"train it: ffnn train --config {shlex.quote(str(places['best']))}", soft_wrap=True)
        console.print(f"report:   ffnn report {shlex.quote(str(plan.folder))}", soft_wrap=True)
    if line := told_to_wandb(plan.folder, "*"):
        console.print(f"W&B      {line}", soft_wrap=True)


def _table(best: Sequence[Trial], plan: Plan) -> "Table":
    """The best trials, a line each."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, expand=True)
    table.add_column("trial", no_wrap=True)
    table.add_column(plan.metric.name, justify="right", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("settings", no_wrap=True, overflow="ellipsis", ratio=1)
    for trial in best[:BEST]:
        table.add_row(*map(Text, (trial.key, f"{trial.best:.4f}", trial.status, short_settings(trial))))
    return table


def in_numbers(trials: Mapping[str, Trial]) -> str:
    """Such as "40 trials: 31 finished, 9 stopped by hyperband"."""
    counts: dict[str, int] = {}
    for trial in trials.values():
        counts[trial.status] = counts.get(trial.status, 0) + 1
    listed = ", ".join(f"{count} {status}" for status, count in counts.items())
    return f"{count_of(len(trials), 'trial')}: {listed}"
