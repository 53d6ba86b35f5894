"""What a person sees while a sweep runs: a table that keeps itself up to date, or a line a trial elsewhere."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ffnn.lab.offline import delivery_of
from ffnn.sweep.plan import Plan
from ffnn.sweep.trials import FINISHED, Trial, ranked
from ffnn.sweep.worker import Worker
from ffnn.terminal import say
from ffnn.tracking import Delivery
from ffnn.words import count_of

if TYPE_CHECKING:
    from rich.console import Group

    from ffnn.console import Console

WIDE = 110
"""Letters of a terminal from which a column is named after the metric."""

FRAME = 4
"""Lines of a table that are no trials: title, headings, a rule, and what is left out."""
LEFT_OVER = 1
"""Lines of the terminal that stay free, or the table would scroll."""


class View:
    """What a person is shown of a sweep; by itself nothing."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def __enter__(self) -> "View":
        return self

    def __exit__(self, *exception: object) -> None:
        """Put it away."""

    def show(self, trials: Mapping[str, Trial], workers: Sequence[Worker]) -> None:
        """Keep it up to date."""

    def tell(self, number: int, trial: Trial) -> None:
        """A trial has ended; its number is that of its row in trials.csv."""


class Lines(View):
    """A line when a trial has ended, with a name before it where there is one; for logs and pipes."""

    def __init__(self, plan: Plan, name: str = "") -> None:
        super().__init__(plan)
        self._name = f"{name} " if name else ""

    def tell(self, number: int, trial: Trial) -> None:
        """Print how it ended."""
        size = self.plan.size
        place = f"[{number}/{size}]" if size else f"[{number}]"
        delivery = _delivery(trial)
        remark = delivery.remark() if delivery else ""
        say(f"{self._name}{place} {trial.key} {describe(trial, self.plan)}{remark}", err=True)


class Table(View):
    """A live table: first the trials under way, then the best one and the latest, as many as the terminal has room."""

    def __init__(self, plan: Plan, console: "Console | None" = None) -> None:
        from rich.live import Live

        from ffnn.console import Console

        super().__init__(plan)
        self._began, self._finished = time.monotonic(), 0
        self._lacking: dict[str, str] = {}
        self._console = console or Console(stderr=True)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)

    def __enter__(self) -> "Table":
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def tell(self, number: int, trial: Trial) -> None:
        """Count it, for the time left, and remember what W&B lacks of it."""
        self._finished += 1
        delivery = _delivery(trial)
        if delivery and not delivery.whole:
            self._lacking[trial.key] = f", W&B {delivery.state}"

    def show(self, trials: Mapping[str, Trial], workers: Sequence[Worker]) -> None:
        """Draw the table anew."""
        self._live.update(self.draw(trials, workers), refresh=True)

    def draw(self, trials: Mapping[str, Trial], workers: Sequence[Worker]) -> "Group":
        """The title, a line for each trial there is room for, and how many more there are."""
        from rich import box
        from rich.console import Group
        from rich.table import Table as RichTable
        from rich.text import Text

        table = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, expand=True)
        # The metric's name where there is room for it; the title says it anyway.
        metric = self.plan.metric.name if self._console.size.width > WIDE else "metric"
        for heading in ("trial", "status", "epoch", metric, "seconds"):
            justify: Literal["left", "right"] = "left" if heading in ("trial", "status") else "right"
            table.add_column(heading, justify=justify, no_wrap=True)
        table.add_column("settings", no_wrap=True, overflow="ellipsis", ratio=1)
        room = max(1, self._console.size.height - FRAME - LEFT_OVER)
        running = [self._running(worker) for worker in workers]
        best = next(iter(ranked(trials.values(), self.plan.metric)), None)
        over = [trial for trial in trials.values() if trial.over][::-1]
        over = over if best is None else [best, *(trial for trial in over if trial.key != best.key)]
        finished = [self._ended(trial) for trial in over]
        for cells in running[:room]:
            table.add_row(*map(Text, cells), style="bold")
        for number, cells in enumerate(finished[: max(0, room - len(running))]):
            table.add_row(*map(Text, cells), style="green" if number == 0 and over[0].best is not None else "")
        hidden = {"running": len(running) - room, "finished": len(finished) - max(0, room - len(running))}
        more = ", ".join(f"{count} {what}" for what, count in hidden.items() if count > 0)
        title = Text(self._title(len(over), best), no_wrap=True, overflow="ellipsis", style="italic")
        return Group(title, table, *([Text(f"and {more} more", style="dim", no_wrap=True)] if more else []))

    def _running(self, worker: Worker) -> tuple[str, ...]:
        values = worker.watch.values
        shown = f"{self.plan.metric.best(values):.4f}" if values else ""
        epoch = f"{worker.watch.epochs}/{worker.epochs}"
        return worker.trial.key, "running", epoch, shown, f"{worker.seconds:.1f}", short_settings(worker.trial)

    def _ended(self, trial: Trial) -> tuple[str, ...]:
        shown = "" if trial.best is None else f"{trial.best:.4f}"
        status = trial.status.partition(" by ")[0]  # nobody but hyperband stops trials
        status += self._lacking.get(trial.key, "")
        return trial.key, status, "", shown, f"{trial.seconds:.1f}", short_settings(trial)

    def _title(self, over: int, best: Trial | None) -> str:
        size, name = self.plan.size, self.plan.metric.name
        parts = [f"{self.plan.group}: {over} of {count_of(size, 'trial')}" if size else count_of(over, "trial")]
        if self._finished and size:
            seconds = (time.monotonic() - self._began) / self._finished * max(0, size - over)
            parts.append(f"{_duration(seconds)} left")
        if best:
            parts.append(f"{'' if name.startswith('best/') else 'best '}{name} {best.best:.4f} ({best.key})")
        return "; ".join(parts)


def short_settings(trial: Trial) -> str:
    """The searched settings of a trial in short, such as "learning_rate=0.00123 optimizer=adam"."""
    flat = _flatten(trial.arguments)
    return " ".join(f"{name}={_short(flat.get(name))}" for name in trial.latents)


def describe(trial: Trial, plan: Plan) -> str:
    """How a trial ended, in a line."""
    value = "" if trial.best is None else f", {plan.metric.name} {trial.best:.4f}"
    reason = f" ({trial.reason})" if trial.reason and trial.status != FINISHED else ""
    return f"{short_settings(trial)}: {trial.status}{reason}{value}, {trial.seconds:.1f} s"


def _delivery(trial: Trial) -> Delivery | None:
    return delivery_of(Path(trial.run)) if trial.run else None


def _flatten(arguments: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
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
