"""Several runs in one process whose networks are trained as one: each is recorded, tested and stopped by itself.

Small networks leave most of a processor idle. Runs that differ in nothing but numbers can share every step.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ffnn.backend.threads import sharing
from ffnn.errors import FFNNError
from ffnn.lab.build import Parts, Source, build_member, is_shared, load_source
from ffnn.lab.config import BOOKKEEPING, Config, name_of
from ffnn.lab.run import new_run, prepare, write_beginning
from ffnn.lab.session import Notify, Session, patiently, under_way
from ffnn.lab.termination import Interruption
from ffnn.tracking import RunDirectory, RunRecord, describe_environment, read_run
from ffnn.training.stack import Stack
from ffnn.training.trainer import Callback, Trainer

DIFFERING = {
    "seed", "initializer", "bias_initializer", "l2", "l2_per_example", "learning_rate", "weight_decay", "schedule",
    "warmup_epochs", "ema", "epochs", "monitor", "patience", "patience_monitor", "min_delta",
}  # fmt: skip
"""Settings in which the members of a stack may differ, beside the options of one kind of optimizer."""


def stack_key(config: Config) -> str | None:
    """Equal for configs that can be trained as one stack; None for one that is trained alone.

    Alone are reference frameworks, augmented images, which another thread prepares, checkpoints within epochs, and
    epochs of a single step.
    """
    if config.framework != "ffnn" or config.augment or config.checkpoint_every or config.batch_size == "full":
        return None
    common = {name: value for name, value in config.resolved().items() if name not in DIFFERING | BOOKKEEPING}
    common |= {"optimizer": name_of(config.optimizer), "ema": config.ema is not None}
    return json.dumps([common, config.threads, config.data_dir, config.device_memory_limit], sort_keys=True)


@dataclass
class Member:
    """One run of a stack.

    `notify` takes its lines for the user; `command` is what the run records as its own, in place of the process's;
    `ended` is given the member when its run is over. `outcome` is the finished run, or why there is none; None while it
    is under way. Its matrix products take `threads`.
    """

    config: Config
    notify: Notify
    progress: Callback = field(default_factory=Callback)
    command: str | None = None
    ended: Callable[["Member"], None] = lambda member: None
    outcome: RunRecord | FFNNError | None = None
    threads: int = 1
    _contexts: ExitStack = field(default_factory=ExitStack)
    _start: float = 0.0
    _prepared: tuple[Parts, Config] | None = None
    _directory: RunDirectory | None = None
    _trainer: Trainer | None = None

    @property
    def trainer(self) -> Trainer:
        """What trains it, once it has begun."""
        assert self._trainer is not None
        return self._trainer

    @property
    def parts(self) -> Parts:
        """What the run is made of, once it is prepared."""
        assert self._prepared is not None
        return self._prepared[0]

    def prepare(self, source: Source, threads: int | None) -> None:
        """Build what the run is made of."""
        self._start = time.perf_counter()
        with self.held():
            self._prepared = _, resolved = prepare(self.config, self.notify, threads, source)
            self.threads = resolved.threads or 1

    def begin(self, size: int, environment: dict[str, Any], interruption: Interruption) -> None:
        """Make the run directory and everything else up to the first step."""
        assert self._prepared is not None
        parts, resolved = self._prepared
        with self.held():
            self._directory = directory = self._contexts.enter_context(new_run(self.config))
            entries = {"config_digest": self.config.digest(), "stack": size}
            facts = {**environment, "command": self.command or environment["command"]}
            write_beginning(directory, resolved, parts, entries, facts)
            session = Session(
                resolved, parts, directory, entries, self.notify, self.progress, interruption, self._start,
                make_trainer=build_member,
            )  # fmt: skip
            self._trainer = self._contexts.enter_context(under_way(session))
            self._contexts.enter_context(self._trainer.course())

    def interrupt(self) -> None:
        """Have it end as "stopped", between two steps; another thread may call it."""
        if self._trainer is not None:
            self._trainer.interrupt()

    @contextmanager
    def held(self) -> Iterator[None]:
        """An FFNNError within it, or the end of its training, ends this run and no other; all else is meant for all."""
        try:
            yield
        except BaseException as problem:
            self.close(*sys.exc_info())
            if isinstance(problem, KeyboardInterrupt):
                raise

    def close(self, *problem: Any) -> None:
        """End the run, test it and write it down; as `__exit__`, with what went wrong, if anything did."""
        if self.outcome is not None:
            return
        try:
            if problem and problem[0] and not self._contexts.__exit__(*problem):
                raise problem[1]
            self._contexts.close()
            assert self._directory is not None
            self.outcome = read_run(self._directory.path)
        except FFNNError as error:
            self.outcome = error
        self.ended(self)


def train_stacked(members: Sequence[Member], max_threads: int | None = None) -> None:
    """Train all members, whose configs have one `stack_key`, and leave each with its outcome.

    Every run is the one that `train` would have made: with the same weights, on a CPU to the bit, the same history and
    the same files, but for times, which are those of the whole stack. FFNNError if the data cannot be had;
    KeyboardInterrupt after a second Ctrl-C; the first one ends all runs as "stopped".
    """
    with Interruption() as interruption, ExitStack() as group:
        source = load_source(members[0].config)
        for member in members:
            member.prepare(source, max_threads)
        prepared = [member for member in members if member.outcome is None]
        if not prepared:
            return
        # Around all of them: the end of one run must not set the others' threads free.
        shared = is_shared(prepared[0].config, prepared[0].parts)
        group.enter_context(sharing(source.pool.engine, prepared[0].threads, shared))
        environment = describe_environment()  # with all libraries loaded, as a run alone finds it
        for member in prepared:
            group.push(lambda *problem, member=member: bool(member.close(*problem)))
            member.begin(len(prepared), environment, interruption)
            if interruption.received:  # it was meant for those that have not begun, too
                raise KeyboardInterrupt
        _train_together([member for member in prepared if member.outcome is None])


def _train_together(members: Sequence[Member]) -> None:
    stack: Stack | None = None
    while members:
        # All at one place of the epoch: one that found its own way to the end of it waits for the others.
        place = max(member.trainer.current.place for member in members)
        trainers = [member.trainer for member in members if member.trainer.current.place == place]
        if stack is None or stack.trainers != trainers:
            stack = None  # its memory is wanted for the next one
            stack = Stack(trainers, members[0].parts.blueprint)
            with patiently(members[0].notify):
                stack.rehearse()
        alone = stack.train_epoch()
        for finish in (partial(Trainer.train_epoch, observed=True), Trainer.finish_epoch):
            for member in members:
                if member.trainer in alone and member.outcome is None:
                    with member.held():
                        finish(member.trainer)
        for member in members:
            if not member.trainer.goes_on:
                member.close()
        members = [member for member in members if member.outcome is None]
