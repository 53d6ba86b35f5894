"""The ledger of a sweep: which trials there are, who runs them and how they ended, shared by all who work on it.

It is kept as an Optuna study. A trial is known by the hash of its config; every attempt at it is one Optuna
trial, so a trial run again after a crash keeps its name and its history.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Json, ValidationError

from ffnn.errors import FFNNError
from ffnn.sweep.distribution import Latent
from ffnn.sweep.owners import RECORD, Owners
from ffnn.sweep.storage import Storage

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

RUNNING, FINISHED, DIVERGED, PRUNED = "running", "finished", "diverged", "stopped by hyperband"
FAILED, HUNG, KILLED, INTERRUPTED, LOST = "failed", "timed out", "killed", "interrupted", "lost"
GIVEN_BACK = (INTERRUPTED, LOST)
"""Not the trial's own doing: it is run again by whoever comes next."""
COUNTED = (FINISHED, DIVERGED, PRUNED)
"""The trial went its way: its best value is a result."""


@dataclass(frozen=True)
class Proposal:
    """A trial that could be run: its point, what it would receive, and its name."""

    key: str
    latents: Mapping[str, Latent]
    arguments: Mapping[str, Any]
    dimensions: Mapping[str, "BaseDistribution"]


@dataclass(frozen=True)
class Trial:
    """One attempt at a trial, as the ledger has it.

    Attributes
    ----------
    id, number : int
        Optuna's; the number counts attempts.
    key : str
        Hash of the config.
    latents, arguments, dimensions : dict
    status : str
        One of the words above.
    reason : str
    owner : str
    history : dict
        The metric's value at each iteration that was reported, in order.
    best, latest : float or None
        Of the metric, once it is over.
    run : str or None
        Its run directory.
    seconds : float
    """

    id: int
    number: int
    key: str
    latents: dict[str, Latent]
    arguments: dict[str, Any]
    dimensions: dict[str, "BaseDistribution"]
    status: str
    reason: str
    owner: str
    history: dict[int, float]
    best: float | None
    latest: float | None
    run: str | None
    seconds: float

    @property
    def over(self) -> bool:
        """Whether nothing more will come of it without being asked for."""
        return self.status not in (RUNNING, *GIVEN_BACK)


def as_if_running(proposal: Proposal) -> Trial:
    """An attempt at a proposal that nobody has claimed, for a searcher that is to propose something else."""
    return Trial(
        id=-1, number=-1, key=proposal.key, latents=dict(proposal.latents), arguments=dict(proposal.arguments),
        dimensions=dict(proposal.dimensions), status=RUNNING, reason="", owner="", history={}, best=None, latest=None,
        run=None, seconds=0.0,
    )  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended."""

    status: str
    reason: str = ""
    best: float | None = None
    latest: float | None = None
    run: str | None = None
    seconds: float = 0.0


class Ledger:
    """The trials of one sweep in a storage.

    Parameters
    ----------
    storage : Storage
    name : str
        Of the sweep; one storage can hold several.
    maximize : bool
    """

    def __init__(self, storage: Storage, name: str, maximize: bool) -> None:
        from optuna.exceptions import DuplicatedStudyError
        from optuna.study import StudyDirection

        self.storage, self.name = storage, name
        self._optuna = storage.optuna
        direction = StudyDirection.MAXIMIZE if maximize else StudyDirection.MINIMIZE

        def study() -> int:
            try:
                return self._optuna.create_new_study([direction], name)
            except DuplicatedStudyError:
                return self._optuna.get_study_id_from_name(name)

        self._study = storage.patiently(study)
        self._claimed: set[int] = set()
        self.owners = Owners(self._read_owners, self._write_owner)

    def plan(self) -> dict[str, Any] | None:
        """The record of the plan that the sweep began with; None before it has one."""
        there = self._attributes().get("plan")
        if there is None:
            return None
        with self._read("the plan of the sweep"):
            _Beginning.model_validate_json(there)
            return dict(json.loads(there))

    def begin(self, plan: Mapping[str, Any]) -> dict[str, Any]:
        """Begin with this plan, unless another process was faster; the plan that holds."""

        def begin() -> None:
            with self.storage.locked():
                if self.plan() is None:
                    self._optuna.set_study_user_attr(self._study, "plan", json.dumps(dict(plan)))

        self.storage.patiently(begin)
        return self.plan() or {}

    def attempts(self) -> list[Trial]:
        """Every attempt, in the order they were begun."""
        found = self.storage.patiently(lambda: self._optuna.get_all_trials(self._study, deepcopy=False))
        with self._read("trials of a sweep"):
            return [_trial(frozen) for frozen in found]

    def trials(self) -> dict[str, Trial]:
        """The latest attempt at each trial, by its key, in the order the trials were first begun."""
        return {attempt.key: attempt for attempt in self.attempts()}

    def claim(self, proposal: Proposal, limit: int | None, redo: Collection[int] = ()) -> Trial | None:
        """Take a trial for this process to run, or None if it is no longer to be had.

        Parameters
        ----------
        proposal : Proposal
        limit : int, optional
            Trials of the sweep in all.
        redo : collection of int
            Attempts, by id, after which the trial may be run again though it is over.
        """
        self.owners.beat()
        claimed = self.storage.patiently(lambda: self._claim(proposal, limit, redo))
        if claimed:
            self._claimed.add(claimed.id)
        return claimed

    def _claim(self, proposal: Proposal, limit: int | None, redo: Collection[int]) -> Trial | None:
        with self.storage.locked():
            trials = self.trials()
            there = trials.get(proposal.key)
            if there is None and limit is not None and len(trials) >= limit:
                return None
            if there and there.status == RUNNING and there.owner == self.owners.id and there.id not in self._claimed:
                return there  # the storage went away between taking it and saying so
            if there is not None and there.status not in GIVEN_BACK and there.id not in redo:
                return None
            identity = self._optuna.create_new_trial(self._study, self._template(proposal))
            return _trial(self._optuna.get_trial(identity))

    def reap(self, outcome: Callable[[Trial], Outcome]) -> list[Trial]:
        """End what dead owners were running, as `outcome` says; what is lost is thereby given back."""
        under_way = [trial for trial in self.attempts() if trial.status == RUNNING]
        dead = self.owners.dead()
        return [trial for trial in under_way if dead(trial.owner) and self.end(trial, outcome(trial))]

    def report(self, trial: Trial, step: int, value: float) -> None:
        """Tell everybody the metric's value of one iteration."""
        self._attempt(lambda: self._optuna.set_trial_intermediate_value(trial.id, step, value))

    def note_run(self, trial: Trial, run: str) -> None:
        """Tell everybody where the trial's run directory is."""
        self._attempt(lambda: self._optuna.set_trial_user_attr(trial.id, "run", run))

    def end(self, trial: Trial, outcome: Outcome) -> bool:
        """Write down how an attempt ended; False if somebody else has ended it."""
        from optuna.trial import TrialState

        states = {FINISHED: TrialState.COMPLETE, DIVERGED: TrialState.COMPLETE, PRUNED: TrialState.PRUNED}
        state = states.get(outcome.status, TrialState.FAIL)
        if outcome.best is None:
            state = TrialState.FAIL
        values = [outcome.best] if outcome.best is not None and state != TrialState.FAIL else None
        record = {
            "reason": outcome.reason, "best": outcome.best, "latest": outcome.latest, "seconds": outcome.seconds,
            "status": outcome.status,
        }  # fmt: skip

        def write() -> None:
            if outcome.run is not None:
                self._optuna.set_trial_user_attr(trial.id, "run", outcome.run)
            for name, value in record.items():
                self._optuna.set_trial_user_attr(trial.id, name, value)
            self._optuna.set_trial_state_values(trial.id, state, values)

        return self._attempt(write)

    def _attempt(self, write: Callable[[], None]) -> bool:
        from optuna.exceptions import UpdateFinishedTrialError

        try:
            self.storage.patiently(write)
        except UpdateFinishedTrialError:
            return False
        return True

    def _template(self, proposal: Proposal) -> "FrozenTrial":
        from optuna.trial import FrozenTrial, TrialState

        return FrozenTrial(
            number=-1,
            trial_id=-1,
            state=TrialState.RUNNING,
            value=None,
            datetime_start=datetime.now(),
            datetime_complete=None,
            params=dict(proposal.latents),
            distributions=dict(proposal.dimensions),
            user_attrs={
                "key": proposal.key,
                "arguments": json.dumps(proposal.arguments),
                "owner": self.owners.id,
            },
            system_attrs={},
            intermediate_values={},
        )

    def _read_owners(self) -> dict[str, Any]:
        attributes = self._attributes()
        return {
            name.removeprefix("owner "): value
            for name, value in attributes.items()
            if name.startswith("owner ")
            and isinstance(value, dict)
            and value.keys() >= RECORD
            and isinstance(value["pid"], int)
        }

    @contextmanager
    def _read(self, what: str) -> Iterator[None]:
        """Say in a line that something else than ffnn wrote what is read in this block."""
        try:
            yield
        except ValidationError as problem:
            fault = problem.errors()[0]
            raise FFNNError(
                f"{self.storage.address}: expected {what} as ffnn writes it, under the name {self.name!r}; received "
                f"something else ({'.'.join(map(str, fault['loc']))}: {fault['msg']}); begin another with --group=NAME"
            ) from None

    def _write_owner(self, owner: str, record: dict[str, Any]) -> None:
        self.storage.patiently(lambda: self._optuna.set_study_user_attr(self._study, f"owner {owner}", record))

    def _attributes(self) -> dict[str, Any]:
        return self.storage.patiently(lambda: self._optuna.get_study_user_attrs(self._study))


class _Record(BaseModel):
    """What an attempt's attributes hold, in a storage that anybody may have written to."""

    key: str
    owner: str
    arguments: Json[dict[str, Any]]
    status: str = LOST
    reason: str = ""
    best: float | None = None
    latest: float | None = None
    run: str | None = None
    seconds: float = 0.0


class _Beginning(BaseModel, extra="allow"):
    """The plan that a sweep began with, as far as it is read before it is compared with another."""

    overrides: dict[str, Any] = {}
    seed: int = 0
    count: int | None = None


def _trial(frozen: "FrozenTrial") -> Trial:
    record = _Record.model_validate(frozen.user_attrs)
    running = not frozen.state.is_finished()
    return Trial(
        id=frozen._trial_id,
        number=frozen.number,
        key=record.key,
        latents=dict(frozen.params),
        arguments=record.arguments,
        dimensions=dict(frozen.distributions),
        status=RUNNING if running else record.status,
        reason=record.reason,
        owner=record.owner,
        history=dict(sorted(frozen.intermediate_values.items())),
        best=None if running else record.best,
        latest=None if running else record.latest,
        run=record.run,
        seconds=record.seconds,
    )
