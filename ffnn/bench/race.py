"""The race itself: all contenders prepare a cell, then take turns, one epoch each, round after round.

The first round warms up and is not counted.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from ffnn.bench.contenders import contender_class
from ffnn.bench.process import ContenderProcess, LostError, worker_command
from ffnn.bench.results import CellResult
from ffnn.bench.work import Cell, make_task
from ffnn.data import Dataset

Notify = Callable[[str], None]

PILOT_EPOCHS = 5
"""Short epochs that tell how long a step takes, so that a cell's own epochs can be sized."""


@dataclass(frozen=True)
class Rules:
    """How the race is run.

    Every contender has `threads`, and in each cell `repeats` counted epochs; one of the first contender takes about
    `epoch_seconds`. A contender that does not answer within `timeout` seconds is given up. `images` are those of an
    epoch, by network, instead of its length in seconds; rounded down to whole batches.
    """

    threads: int = 1
    repeats: int = 5
    epoch_seconds: float = 0.2
    timeout: float = 180.0
    images: Mapping[str, int] = field(default_factory=dict)


QUICK = Rules(repeats=3, epoch_seconds=0.1)
"""For a first look."""


class Race:
    """Contenders' processes, and what they are asked; a context manager that ends them all.

    Contenders have their turns in the order of `names`; `notify` takes a line for the user; a dataset stands in for
    made-up images; `command` makes, from name and threads, the command that serves a contender. `lost` tells why
    contenders that began did not end the race, `described` each one's versions and BLAS libraries. `folder` has the
    files that they are told to read; it goes when the race does.
    """

    def __init__(
        self,
        names: Sequence[str],
        rules: Rules,
        notify: Notify,
        dataset: Dataset | None = None,
        command: Callable[[str, int], list[str]] = worker_command,
    ) -> None:
        self.rules, self.dataset = rules, dataset
        self._notify = notify
        self.lost: dict[str, str] = {}
        self.described: dict[str, dict[str, Any]] = {}
        self._running: dict[str, ContenderProcess] = {}
        self._stack = ExitStack()
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="ffnn-bench-")))
        for name in names:
            device = contender_class(name).device
            self._running[name] = ContenderProcess(command(name, rules.threads), rules.threads, device)

    def __enter__(self) -> "Race":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._running.values():
            process.close()
        self._stack.close()

    def run(self, cells: Sequence[Cell]) -> Iterator[CellResult]:
        """The result of one cell after the other."""
        for cell in cells:
            yield self._run(cell)

    def _run(self, cell: Cell) -> CellResult:
        fit = [name for name in self._running if not contender_class(name).unfit(cell.description)]
        images = self._size(cell, fit)
        notes = self._prepare(cell, images, fit)
        rounds = [self._round(fit) for _ in range(self.rules.repeats + 1)][1:]
        whole = [name for name in fit if name in self._running]
        for name in whole:
            if name not in self.described and (answer := self.ask(name, "describe")):
                self.described[name] = answer
        return CellResult(
            cell,
            images,
            seconds={name: [answers[name]["seconds"] for answers in rounds] for name in whole},
            cpu_seconds={name: [answers[name]["cpu_seconds"] for answers in rounds] for name in whole},
            losses={name: [answers[name]["loss"] for answers in rounds] for name in whole},
            notes={name: note for name in whole if (note := notes.get(name))},
        )

    def _size(self, cell: Cell, names: Sequence[str]) -> int:
        """Images of an epoch that takes the first of `names` that is left about as long as the rules say."""
        available = len(self.dataset) if self.dataset else None
        if cell.network in self.rules.images:
            return cell.whole_batches(min(self.rules.images[cell.network], available or sys.maxsize))
        pilot = cell.images(float("inf"), self.rules.epoch_seconds, available)
        for name in names:
            self._prepare(cell, pilot, [name])
            answers = [self.ask(name, "epoch") for _ in range(PILOT_EPOCHS)]
            taken = [answer["seconds"] for answer in answers if answer]
            if len(taken) == PILOT_EPOCHS:
                return cell.images(min(taken) * cell.batch_size / pilot, self.rules.epoch_seconds, available)
        return pilot

    def _prepare(self, cell: Cell, images: int, names: Sequence[str]) -> Mapping[str, str]:
        """Give the same task to all; what each says about it."""
        file = self.folder / "task.npz"
        make_task(cell, images, self.dataset).save(file)
        answers = {name: self.ask(name, "prepare", file=str(file)) for name in names}
        return {name: answer["note"] for name, answer in answers.items() if answer}

    def _round(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """One epoch of each that is left."""
        return {name: answer for name in names if (answer := self.ask(name, "epoch"))}

    def ask(self, name: str, do: str, **arguments: Any) -> dict[str, Any] | None:
        """The contender's answer; None, and it is out of the race, where it has none."""
        if name not in self._running:
            return None
        try:
            return self._running[name].ask(do, self.rules.timeout, **arguments)
        except LostError as reason:
            self._running.pop(name).close()
            self.lost[name] = str(reason)
            self._notify(f"{name} is out: {reason}")
            return None
