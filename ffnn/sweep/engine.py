"""The engine of a sweep: keeps workers busy, watches their trials, and stops what hyperband stops.

One thread looks after everything a few times a second; the trials are processes, so that whatever happens to
one of them costs that one.
"""

import itertools
import json
import select
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ffnn.backend.threads import usable_cores
from ffnn.errors import FFNNError
from ffnn.files import storing
from ffnn.lab.stacked import stack_key
from ffnn.lab.termination import NOT_AMONG_THE_BEST
from ffnn.sweep import ledger as words
from ffnn.sweep.command import words_of_train
from ffnn.sweep.forkserver import ForkServer
from ffnn.sweep.hyperband import bands, stops
from ffnn.sweep.ledger import Ledger, Outcome, Proposal, Trial, as_if_running
from ffnn.sweep.plan import Plan
from ffnn.sweep.process import TrialProcess, environment
from ffnn.sweep.samplers import Sampler, usable
from ffnn.sweep.stacked_trials import Request, StackedTrial, start_stack
from ffnn.sweep.watch import RunWatch, finished_run, mark_unfinished_runs
from ffnn.tracking import dump_yaml

POLL_SECONDS = 0.1
LOOK_SECONDS = 2.0
"""How often other owners are looked after."""
SHOW_SECONDS = 0.5
GRACE_SECONDS = 20.0
"""From asking a trial to end until it is killed; W&B's agent waits 30 s."""
DIED = "the sweep that ran it was killed"
HOPELESS = 5
"""So many failures before the first success end a sweep: something is wrong with all of them."""


@dataclass
class Worker:
    """A trial under way in this process.

    Attributes
    ----------
    place : int
        Of its process among those of this sweep; trials of a stack share theirs.
    company : int
        Trials in its process when it was started.
    ending : Outcome or None
        Why it was asked to end.
    kill_at : float
        When it is killed if it has not ended.
    """

    trial: Trial
    process: TrialProcess | StackedTrial
    place: int
    watch: RunWatch
    epochs: int
    company: int = 1
    began: float = field(default_factory=time.monotonic)
    ending: Outcome | None = None
    kill_at: float = float("inf")

    @property
    def seconds(self) -> float:
        """Since it was started."""
        return time.monotonic() - self.began

    def end(self, outcome: Outcome, grace: float) -> None:
        """Ask it to end, once."""
        if self.ending is None:
            self.ending = outcome
            self.kill_at = time.monotonic() + grace
            self.process.interrupt()


@dataclass(frozen=True)
class Situation:
    """What a person watching wants to know."""

    trials: dict[str, Trial]
    workers: list[Worker]
    size: int | None


class Engine:
    """Runs a sweep, or this machine's part of it.

    Parameters
    ----------
    plan : Plan
    ledger : Ledger
    sampler : Sampler
    workers : int >= 1
        Processes at a time.
    timeout : float, optional
        Seconds after which a trial counts as hanging.
    redo : collection of str
        Statuses that a trial may have had before now and is run again for.
    show : callable
        Given the situation after every look.
    tell : callable
        Given a trial when it has ended, and before it its number, from 1, in the order in which trials were begun.
    server : ForkServer, optional
        Starts trials faster.
    stack : int >= 1
        Trials that one process trains as one stack, where their networks have one shape.
    """

    def __init__(
        self,
        plan: Plan,
        ledger: Ledger,
        sampler: Sampler,
        workers: int,
        timeout: float | None,
        redo: Collection[str],
        show: Callable[[Situation], None],
        tell: Callable[[int, Trial], None],
        server: ForkServer | None = None,
        stack: int = 1,
    ) -> None:
        self.plan, self.ledger, self.sampler = plan, ledger, sampler
        self.count, self.timeout, self.show, self.tell = workers, timeout, show, tell
        self._server, self._stack = server, stack
        self._places = itertools.count()
        self._redo_statuses = tuple(redo)
        self._workers: list[Worker] = []
        self._looked = self._shown = float("-inf")
        self._failed: set[int] = set()
        self._successes = 0
        self._threads = max(1, usable_cores() // workers)

    def run(self) -> None:
        """Work until the sweep is over, for everybody.

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
        self._redo = {trial.id for trial in self.ledger.trials().values() if trial.status in self._redo_statuses}
        try:
            while self._step():
                self._pause()
        except KeyboardInterrupt:
            self._end_all(Outcome(words.INTERRUPTED, "Ctrl-C"))
            raise
        finally:
            for worker in self._workers:
                worker.process.close()

    def _step(self) -> bool:
        self.ledger.owners.beat()
        for worker in list(self._workers):
            self._attend(worker)
        if len(self._failed) >= HOPELESS and not self._successes:
            self._end_all(Outcome(words.INTERRUPTED, "the sweep gave up"))
            raise FFNNError(
                f"the first {len(self._failed)} trials failed, so the sweep ends here; what they printed is in "
                f"{self.plan.own_folder / 'trials'}/*.log, the last: {self._last_reason}"
            )
        while len({worker.place for worker in self._workers}) < self.count and (trials := self._next_together()):
            self._workers += self._start(trials)
        if time.monotonic() - self._shown >= SHOW_SECONDS:
            self._shown = time.monotonic()
            self.show(Situation(self.ledger.trials(), list(self._workers), self.plan.size))
        return bool(self._workers) or self._others_at_work()

    # -- what to run -----------------------------------------------------------------------------

    def _next_together(self) -> list[Trial]:
        """The next trial, and others that can be trained together with it; what cannot is left for later."""
        passed: dict[str, Trial] = {}
        first = self._next(passed)
        if first is None:
            return []
        together, key = [first], self._stack_key(first.arguments)
        while key and len(together) < self._stack and len(passed) < self._stack:
            before = len(passed)
            following = self._next(passed, key)
            if following:
                together.append(following)
            elif len(passed) == before:
                break
        return together

    def _stack_key(self, arguments: Mapping[str, Any]) -> str | None:
        if self._stack == 1 or words_of_train(self.plan.argv(arguments)) is None:
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
            if any(self.plan.metric.reached(trial.best) for trial in usable(trials.values())):
                return None
            proposal = self._given_back(trials) or self._new(trials)
            if proposal is None:
                return None
            if key and self._stack_key(proposal.arguments) != key:
                passed[proposal.key] = as_if_running(proposal)
                return None
            if claimed := self.ledger.claim(proposal, self.plan.limit, self._redo):
                return claimed

    def _given_back(self, trials: dict[str, Trial]) -> Proposal | None:
        for trial in trials.values():
            if trial.status in words.GIVEN_BACK or trial.id in self._redo:
                return Proposal(trial.key, trial.latents, trial.arguments, trial.dimensions)
        return None

    def _new(self, trials: dict[str, Trial]) -> Proposal | None:
        if self.plan.limit is not None and len(trials) >= self.plan.limit:
            return None
        return self.sampler.propose(trials)

    def _look(self) -> None:
        """End or give back what dead owners left behind."""
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            self._looked = time.monotonic()
            for trial in self.ledger.reap(self._left_behind):
                mark_unfinished_runs(self.plan.folder, self.plan.argv(trial.arguments, trial.key), DIED)

    def _left_behind(self, trial: Trial) -> Outcome:
        argv = self.plan.argv(trial.arguments, trial.key)
        watch = finished_run(self.plan.folder, argv, self.plan.metric.name)
        if watch is None:
            return Outcome(words.LOST, DIED)
        summary = watch.summary()
        status = words.DIVERGED if summary["status"] == "diverged" else words.FINISHED
        seconds = float(summary.get("time/total_seconds", 0.0))
        return self._read_outcome(watch, status, str(summary.get("reason") or ""), seconds)

    def _others_at_work(self) -> bool:
        trials = self.ledger.trials().values()
        return any(trial.status == words.RUNNING for trial in trials)

    # -- running it ------------------------------------------------------------------------------

    def _start(self, trials: Sequence[Trial]) -> list[Worker]:
        """Start a process for a trial, or one for several."""
        plan, place = self.plan, next(self._places)
        files = [plan.parameters_file(trial.key) for trial in trials]
        argvs = [plan.argv(trial.arguments, trial.key) for trial in trials]
        for trial, file in zip(trials, files, strict=True):
            with storing(file):
                file.write_text(json.dumps(plan.given(trial.arguments)), encoding="utf-8")
            described = file.with_suffix(".yaml")  # as W&B's agent writes it
            with storing(described), described.open("w", encoding="utf-8") as stream:
                dump_yaml({"wandb_version": 1, **{k: {"value": v} for k, v in trial.arguments.items()}}, stream)
        watches = [RunWatch(plan.folder, argv, plan.metric.name) for argv in argvs]
        if len(trials) == 1:
            environ = environment(self._threads, files[0].with_suffix(".yaml"))
            processes: Sequence[TrialProcess | StackedTrial] = [
                TrialProcess(argvs[0], environ, files[0].with_suffix(".log"), self._server)
            ]
        else:
            requests = [Request.beside(file, argv) for file, argv in zip(files, argvs, strict=True)]
            file = files[0].with_name(f"stack-{trials[0].key}.json")
            processes = start_stack(requests, environment(self._threads), file, self._server)
        return [
            Worker(trial, process, place, watch, self._epochs(trial), len(trials))
            for trial, process, watch in zip(trials, processes, watches, strict=True)
        ]

    def _epochs(self, trial: Trial) -> int:
        try:
            return self.plan.config(trial.arguments).epochs
        except FFNNError:
            return 0  # the trial will say the same, and fail

    def _attend(self, worker: Worker) -> None:
        found = worker.watch.path is None and worker.watch.find() is not None
        if found:
            self.ledger.note_run(worker.trial, str(worker.watch.path))
        code = worker.process.poll()
        new = worker.watch.follow()
        if new:
            self._report(worker, new)
        if code is not None:
            self._finish(worker, code)
        elif self.timeout is not None and worker.seconds > self.timeout * worker.company:
            worker.end(Outcome(words.HUNG, f"after {self.timeout * worker.company:g} s"), GRACE_SECONDS / 4)
        if time.monotonic() > worker.kill_at and not self._shared(worker):
            worker.process.kill()

    def _shared(self, worker: Worker) -> bool:
        """Whether trials that nobody wants to end run in the same process."""
        return any(other.place == worker.place and not other.ending for other in self._workers)

    def _report(self, worker: Worker, new: list[float]) -> None:
        """Tell the others what they need, and no more: in a shared storage every value has its price."""
        rule, own = self.plan.sweep.file.early_terminate, worker.watch.values
        looks = set(bands(rule, len(own))) if rule else set()
        if rule and looks and not worker.ending:
            others = [trial.history for trial in self.ledger.trials().values() if trial.key != worker.trial.key]
            band = stops(rule, self.plan.metric.sign, own, [*others, dict(enumerate(own, start=1))])
            if band is not None:
                reason = f"at epoch {band}: {NOT_AMONG_THE_BEST}{rule.eta:g}"
                worker.end(Outcome(words.PRUNED, reason), GRACE_SECONDS)
        first = len(own) - len(new) + 1
        if self.plan.metric.impute_while_running not in ("false", False):
            looks |= {len(own)}
        for step in sorted(step for step in looks if step >= first):
            self.ledger.report(worker.trial, step, own[step - 1])

    def _finish(self, worker: Worker, code: int) -> None:
        self._workers.remove(worker)
        outcome = self._outcome(worker, code)
        self.ledger.end(worker.trial, outcome)
        if outcome.status in (words.FAILED, words.HUNG):
            self._failed.add(worker.place)  # what fails together fails once
        self._successes += outcome.status in words.COUNTED
        self._last_reason = outcome.reason
        trials = self.ledger.trials()
        number = list(trials).index(worker.trial.key) + 1
        self.tell(number, trials[worker.trial.key])

    def _outcome(self, worker: Worker, code: int) -> Outcome:
        watch = worker.watch
        summary = watch.summary()
        status, reason = self._status(worker, code, str(summary.get("status", "")), str(summary.get("reason") or ""))
        if status not in (words.FINISHED, words.DIVERGED):
            watch.mark("failed" if status in (words.FAILED, words.HUNG, words.KILLED) else "stopped", reason)
        return self._read_outcome(watch, status, reason, worker.seconds)

    def _read_outcome(self, watch: RunWatch, status: str, reason: str, seconds: float) -> Outcome:
        values, single = watch.values, watch.value_of_summary()
        return Outcome(
            status=status,
            reason=reason,
            best=self.plan.metric.best(values) if values else single,
            latest=values[-1] if values else single,
            run=str(watch.path) if watch.path else None,
            seconds=seconds,
        )

    def _status(self, worker: Worker, code: int, status: str, reason: str) -> tuple[str, str]:
        if code == 0 and status in ("finished", "diverged"):  # it was faster than whoever asked it to end
            return (words.DIVERGED if status == "diverged" else words.FINISHED), reason
        if worker.ending:
            return worker.ending.status, worker.ending.reason
        if code < 0:
            return words.KILLED, f"by signal {-code}"
        if status == "stopped":
            return words.KILLED, reason or "interrupted from outside"
        return words.FAILED, f"exit code {code}: {worker.process.last_words()}"

    def _end_all(self, outcome: Outcome) -> None:
        for worker in self._workers:
            worker.end(outcome, GRACE_SECONDS)
        while self._workers:
            for worker in list(self._workers):
                self._attend(worker)
            self._pause()

    def _pause(self) -> None:
        """Until it is time to look again, or a trial has ended."""
        processes = [worker.process for worker in self._workers]
        if all(process.poll() is None for process in processes):  # one that has ended has nothing to wait for
            select.select(processes, [], [], POLL_SECONDS)
