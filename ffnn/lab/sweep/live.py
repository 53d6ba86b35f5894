"""What a person sees while a sweep runs: a table that keeps itself up to date, or a line a trial elsewhere."""

import time
from collections.abc import Callable
from typing import Any

import click

from ffnn.lab.sweep import ledger as words
from ffnn.lab.sweep.engine import Situation
from ffnn.lab.sweep.ledger import Trial
from ffnn.lab.sweep.plan import Plan
from ffnn.lab.sweep.samplers import usable

ROWS = 12
"""Finished trials that the table shows, the latest."""


class Lines:
    """A line when a trial has ended; for logs and pipes."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._situation: Situation | None = None

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing to put away."""

    def show(self, situation: Situation) -> None:
        """Remember how far the sweep is."""
        self._situation = situation

    def tell(self, trial: Trial) -> None:
        """Print how a trial ended."""
        there = self._situation.trials if self._situation else {}
        over = sum(other.over for other in {**there, trial.key: trial}.values())
        limit = self.plan.limit
        place = f"[{over}/{limit}]" if limit else f"[{over}]"
        click.echo(f"{place} {trial.key} {describe(trial, self.plan)}", err=True)


class Table:
    """A live table of the trials under way and the latest ones, the best so far and the time left."""

    def __init__(self, plan: Plan) -> None:
        from rich.console import Console
        from rich.live import Live

        self.plan, self._began, self._finished = plan, time.monotonic(), 0
        self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=True)

    def __enter__(self) -> "Table":
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def tell(self, trial: Trial) -> None:
        """Count it, for the time left."""
        self._finished += 1

    def show(self, situation: Situation) -> None:
        """Draw the table anew."""
        self._live.update(self.draw(situation), refresh=True)

    def draw(self, situation: Situation) -> Any:
        """The table."""
        from rich.markup import escape
        from rich.table import Table as RichTable

        table = RichTable(title=escape(self._title(situation)), title_justify="left")
        for heading in ("trial", "settings", "epoch", self.plan.metric.name, "status", "seconds"):
            table.add_column(heading, justify="right" if heading in ("epoch", "seconds") else "left")
        for trial in [trial for trial in situation.trials.values() if trial.over][-ROWS:]:
            shown = "" if trial.best is None else f"{trial.best:.4f}"
            cells = (trial.key, short_settings(trial), "", shown, trial.status, f"{trial.seconds:.1f}")
            table.add_row(*map(escape, cells))
        for worker in situation.workers:
            values = worker.watch.values
            shown = f"{self.plan.metric.best(values):.4f}" if values else ""
            epoch = f"{worker.watch.epochs}/{worker.epochs}"
            cells = (worker.trial.key, short_settings(worker.trial), epoch, shown, "running", f"{worker.seconds:.1f}")
            table.add_row(*map(escape, cells), style="bold")
        return table

    def _title(self, situation: Situation) -> str:
        over = sum(trial.over for trial in situation.trials.values())
        done = f"{over} of {situation.limit}" if situation.limit else str(over)
        parts = [f"{self.plan.group}: {done} trials"]
        found = usable(situation.trials.values())
        if found:
            best = min(found, key=lambda trial: self.plan.metric.sign * (trial.best or 0))
            parts.append(f"best {self.plan.metric.name} {best.best:.4f} ({best.key})")
        if self._finished and situation.limit:
            left = (time.monotonic() - self._began) / self._finished * max(0, situation.limit - over)
            parts.append(f"about {_duration(left)} left")
        return "; ".join(parts)


def short_settings(trial: Trial) -> str:
    """The searched settings of a trial in short.

    Such as "learning_rate=0.00123 optimizer=adam".
    """
    names = trial.latents
    flat = _flatten(trial.arguments)
    return " ".join(f"{name}={_short(flat.get(name))}" for name in names)


def describe(trial: Trial, plan: Plan) -> str:
    """How a trial ended, in a line."""
    value = "" if trial.best is None else f", {plan.metric.name} {trial.best:.4f}"
    reason = f" ({trial.reason})" if trial.reason and trial.status != words.FINISHED else ""
    return f"{short_settings(trial)}: {trial.status}{reason}{value}, {trial.seconds:.1f} s"


def view(plan: Plan, terminal: bool) -> Lines | Table:
    """The table on a terminal, lines elsewhere."""
    made: Callable[[Plan], Lines | Table] = Table if terminal else Lines
    return made(plan)


def _flatten(arguments: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in arguments.items():
        flat[prefix + name] = value
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{name}.")
    return flat


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
