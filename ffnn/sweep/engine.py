"""The engine of a sweep: keeps workers busy, watches their trials, and stops what hyperband stops.

One thread looks after everything a few times a second; the trials are processes, so that whatever happens to
one of them costs that one.
"""

import itertools
import select
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ffnn.backend.threads import usable_cores
from ffnn.errors import FFNNError
from ffnn.files import storing
from ffnn.lab.stacked import stack_key
from ffnn.lab.termination import NOT_AMONG_THE_BEST
from ffnn.lab.workers import Workers
from ffnn.sweep.command import words_of_train
from ffnn.sweep.guard import Fork
from ffnn.sweep.hyperband import bands, stops
from ffnn.sweep.ledger import Ledger
from ffnn.sweep.live import View
from ffnn.sweep.plan import Plan
from ffnn.sweep.process import TrialProcess
from ffnn.sweep.samplers import Sampler
from ffnn.sweep.stacks import StackedTrial
from ffnn.sweep.trials import (
    COUNTED,
    FAILED,
    GIVEN_BACK,
    HUNG,
    INTERRUPTED,
    KILLED,
    PRUNED,
    RUNNING,
    Outcome,
    Proposal,
    Trial,
)
from ffnn.sweep.watch import mark_unfinished_runs
from ffnn.sweep.worker import DIED, Worker, left_behind, start_workers

STOPPED = Outcome(INTERRUPTED, "Ctrl-C")
POLL_SECONDS = 0.1
LOOK_SECONDS = 2.0
"""How often other owners are looked after."""
SHOW_SECONDS = 0.5
GRACE_SECONDS = 20.0
"""From asking a trial to end until it is killed; W&B's agent waits 30 s."""
HOPELESS = 5
"""So many failures before the first success end a sweep: something is wrong with all of them."""


@dataclass(frozen=True)
class Wish:
    """What the command line asks for, beside the file and the settings.

    Attributes
    ----------
    workers : int >= 1, optional
        Processes at a time; by default it is left to `ffnn.sweep.session`.
    timeout : float, optional
        Seconds after which a trial counts as hanging.
    stack : int >= 1
        Trials that one process trains as one stack, where their networks have one shape.
    join : bool
        Take part in what another process may have begun a moment ago.
    sweeps : int >= 1
        So many share the cores.
    """

    count: int | None = None
    workers: Workers = None
    seed: int | None = None
    timeout: float | None = None
    storage: str | None = None
    resume: bool = False
    retry_failed: bool = False
    stack: int = 1
    join: bool = False
    sweeps: int = 1

    @property
    def goes_on(self) -> bool:
        """Whether a sweep that is there may be continued."""
        return self.resume or self.retry_failed

    @property
    def redo(self) -> tuple[str, ...]:
        """Statuses that a trial may have had before now and is run again for."""
        return (*((KILLED,) if self.goes_on else ()), *((FAILED, HUNG) if self.retry_failed else ()))


class Engine:
    """Runs a sweep, or this machine's part of it.

    Parameters
    ----------
    view : View
        Shown the trials after every look, and told of each that has ended.
    fork : Fork, optional
        Starts trials faster.
    """

    def __init__(
        self, plan: Plan, ledger: Ledger, sampler: Sampler, wish: Wish, view: View, fork: Fork | None = None
    ) -> None:
        self.plan, self.ledger, self.sampler, self.wish, self.view = plan, ledger, sampler, wish, view
        self._fork = fork
        self._places = itertools.count()
        self._workers: list[Worker] = []
        self._looked = self._shown = float("-inf")
        self._failed: set[int] = set()
        self._successes = 0
        self._size = wish.workers or 1
        self._threads = max(1, usable_cores() // (self._size * wish.sweeps))

    def processes(self) -> list[TrialProcess | StackedTrial]:
        """Those of the trials under way."""
        return [worker.process for worker in self._workers]

    def steps(self) -> Generator[None]:
        """Look after the trials, a little at a time, until the sweep is over for everybody; then comes a `pause`.

        A caller that closes the iterator ends the trials under way and gives them back, as Ctrl-C does.

        Raises
        ------
        KeyboardInterrupt
            After Ctrl-C, when the trials under way have ended and are given back.
        FFNNError
            If nothing but failures came of the first trials.
        """
        folder = self.plan.own_folder / "trials"
        with storing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self.ledger.owners.beat()
        self._look()
        self._redo = {trial.id for trial in self.ledger.trials().values() if trial.status in self.wish.redo}
        try:
            while self._step():
                yield
        except (KeyboardInterrupt, GeneratorExit):
            self._end_all(STOPPED)
            raise
        finally:
            for worker in self._workers:
                worker.process.close()

    def _step(self) -> bool:
        self.ledger.owners.beat()
        for worker in list(self._workers):
            self._attend(worker)
        if len(self._failed) >= HOPELESS and not self._successes:
            self._end_all(Outcome(INTERRUPTED, "the sweep gave up"))
            raise FFNNError(
                f"the first {len(self._failed)} trials failed, so the sweep ends here; what they printed is in "
                f"{self.plan.own_folder / 'trials'}/*.log, the last: {self._last_reason}"
            )
        while len({worker.place for worker in self._workers}) < self._size:
            trials = self._next_together()
            if not trials:
                break
            self._workers += start_workers(trials, self.plan, next(self._places), self._threads, self._fork)
        if time.monotonic() - self._shown >= SHOW_SECONDS:
            self._shown = time.monotonic()
            self.view.show(self.ledger.trials(), self._workers)
        return bool(self._workers) or any(trial.status == RUNNING for trial in self.ledger.trials().values())

    # -- what to run -----------------------------------------------------------------------------

    def _next_together(self) -> list[Trial]:
        """The next trial, and others that can be trained together with it; what cannot is left for later."""
        passed: dict[str, Trial] = {}
        first = self._next(passed)
        if first is None:
            return []
        together, key = [first], self._stack_key(first.arguments)
        while key and len(together) < self.wish.stack and len(passed) < self.wish.stack:
            before = len(passed)
            following = self._next(passed, key)
            if following:
                together.append(following)
            elif len(passed) == before:
                break
        return together

    def _stack_key(self, arguments: Mapping[str, Any]) -> str | None:
        if self.wish.stack == 1 or words_of_train(self.plan.argv(arguments)) is None:
            return None
        try:
            return stack_key(self.plan.config(arguments))
        except FFNNError:
            return None  # it will say so itself, and fail

    def _next(self, passed: dict[str, Trial], key: str | None = None) -> Trial | None:
        """Claim the next trial; where there is a key, only one of that key: another one is `passed` by."""
        self._look()
        while True:
            trials = {**self.ledger.trials(), **passed}
            if any(self.plan.metric.reached(trial.best) for trial in trials.values() if trial.usable):
                return None
            proposal = self._given_back(trials) or self._new(trials)
            if proposal is None:
                return None
            if key and self._stack_key(proposal.arguments) != key:
                # To the searcher, which is to propose something else, it is under way.
                passed[proposal.key] = Trial(
                    proposal.key, proposal.latents, proposal.arguments, proposal.dimensions, RUNNING
                )
                return None
            if claimed := self.ledger.claim(proposal, self.plan.limit, self._redo):
                return claimed

    def _given_back(self, trials: dict[str, Trial]) -> Trial | None:
        again = (trial for trial in trials.values() if trial.status in GIVEN_BACK or trial.id in self._redo)
        return next(again, None)

    def _new(self, trials: dict[str, Trial]) -> Proposal | None:
        if self.plan.limit is not None and len(trials) >= self.plan.limit:
            return None
        return self.sampler.propose(trials)

    def _look(self) -> None:
        """End or give back what dead owners left behind."""
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            self._looked = time.monotonic()
            for trial in self.ledger.reap(lambda trial: left_behind(trial, self.plan)):
                mark_unfinished_runs(self.plan.folder, self.plan.argv(trial.arguments, trial.key), DIED)

    # -- running it ------------------------------------------------------------------------------

    def _attend(self, worker: Worker) -> None:
        if worker.watch.path is None and worker.watch.find() is not None:
            self.ledger.note_run(worker.trial, str(worker.watch.path))
        code = worker.process.poll()
        new = worker.watch.follow()
        if new:
            self._report(worker, len(new))
        limit = float("inf") if self.wish.timeout is None else self.wish.timeout * worker.company
        if code is not None:
            self._finish(worker, code)
        elif worker.seconds > limit:
            worker.end(Outcome(HUNG, f"after {limit:g} s"), GRACE_SECONDS / 4)
        if time.monotonic() > worker.kill_at and not self._shared(worker):
            worker.process.kill()

    def _shared(self, worker: Worker) -> bool:
        """Whether trials that nobody wants to end run in the same process."""
        return any(other.place == worker.place and not other.ending for other in self._workers)

    def _report(self, worker: Worker, new: int) -> None:
        """Tell the others what they need of so many new values, and no more: in a shared storage each has its price."""
        rule, values = self.plan.sweep.file.early_terminate, worker.watch.values
        looks = set(bands(rule, len(values))) if rule else set()
        if rule and looks and not worker.ending:
            others = [trial.history for trial in self.ledger.trials().values() if trial.key != worker.trial.key]
            band = stops(rule, self.plan.metric.sign, values, [*others, dict(enumerate(values, start=1))])
            if band is not None:
                worker.end(Outcome(PRUNED, f"at epoch {band}: {NOT_AMONG_THE_BEST}{rule.eta:g}"), GRACE_SECONDS)
        if self.plan.metric.impute_while_running not in ("false", False):
            looks |= {len(values)}
        for step in sorted(step for step in looks if step > len(values) - new):
            self.ledger.report(worker.trial, step, values[step - 1])

    def _finish(self, worker: Worker, code: int) -> None:
        self._workers.remove(worker)
        outcome = worker.outcome(code, self.plan.metric)
        self.ledger.end(worker.trial, outcome)
        if outcome.status in (FAILED, HUNG):
            self._failed.add(worker.place)  # what fails together fails once
        self._successes += outcome.status in COUNTED
        self._last_reason = outcome.reason
        trials = self.ledger.trials()
        self.view.tell(list(trials).index(worker.trial.key) + 1, trials[worker.trial.key])

    def ask_to_end(self, outcome: Outcome = STOPPED) -> None:
        """Ask the trials under way to end, without waiting for them."""
        for worker in self._workers:
            worker.end(outcome, GRACE_SECONDS)

    def _end_all(self, outcome: Outcome) -> None:
        self.ask_to_end(outcome)
        while self._workers:
            for worker in list(self._workers):
                self._attend(worker)
            pause(self.processes())


def pause(processes: Sequence[TrialProcess | StackedTrial]) -> None:
    """Until it is time to look again, or a trial has ended."""
    if all(process.poll() is None for process in processes):  # one that has ended has nothing to wait for
        select.select(processes, [], [], POLL_SECONDS)
