"""The ledger of a sweep: which trials there are, who runs them and how they ended, shared by all who work on it.

It is kept as an Optuna study. Every attempt at a trial is one Optuna trial, so that a trial run again after a crash
keeps its name and its history.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Json, ValidationError

from ffnn.errors import FFNNError
from ffnn.sweep.owners import RECORD, Owners
from ffnn.sweep.storage import Storage
from ffnn.sweep.trials import DIVERGED, FINISHED, GIVEN_BACK, LOST, PRUNED, RUNNING, Outcome, Proposal, Trial

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


class Ledger:
    """The trials of one sweep, by its name, in a storage, which can hold several."""

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
        record = self._attributes().get("plan")
        if record is None:
            return None
        with self._read("the plan of the sweep"):
            _Beginning.model_validate_json(record)
            return dict(json.loads(record))

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
        attempts = self.storage.patiently(lambda: self._optuna.get_all_trials(self._study, deepcopy=False))
        with self._read("trials of a sweep"):
            return [_trial(frozen) for frozen in attempts]

    def trials(self) -> dict[str, Trial]:
        """The latest attempt at each trial, by its key, in the order the trials were first begun."""
        return {attempt.key: attempt for attempt in self.attempts()}

    def claim(self, proposal: Proposal, limit: int | None, redo: Collection[int] = ()) -> Trial | None:
        """Take a trial for this process to run, or None if it is no longer to be had.

        `limit` is how many trials the sweep has in all; after attempts of an id in `redo` a trial may be run again
        though it is over.
        """
        self.owners.beat()
        claimed = self.storage.patiently(lambda: self._claim(proposal, limit, redo))
        if claimed:
            self._claimed.add(claimed.id)
        return claimed

    def _claim(self, proposal: Proposal, limit: int | None, redo: Collection[int]) -> Trial | None:
        with self.storage.locked():
            trials = self.trials()
            last = trials.get(proposal.key)
            if last is None and limit is not None and len(trials) >= limit:
                return None
            if last and last.status == RUNNING and last.owner == self.owners.id and last.id not in self._claimed:
                return last  # the storage went away between taking it and saying so
            if last is not None and last.status not in GIVEN_BACK and last.id not in redo:
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
        names = [*(["run"] if outcome.run is not None else []), "reason", "best", "latest", "seconds", "status"]

        def write() -> None:
            for name in names:
                self._optuna.set_trial_user_attr(trial.id, name, getattr(outcome, name))
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
            user_attrs={"key": proposal.key, "arguments": json.dumps(proposal.arguments), "owner": self.owners.id},
            system_attrs={},
            intermediate_values={},
        )

    def _read_owners(self) -> dict[str, Any]:
        owners = {
            name.removeprefix("owner "): record
            for name, record in self._attributes().items()
            if name.startswith("owner ")
        }
        return {
            owner: record
            for owner, record in owners.items()
            if isinstance(record, dict) and record.keys() >= RECORD and isinstance(record["pid"], int)
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
    record = dict(_Record.model_validate(frozen.user_attrs))
    if not frozen.state.is_finished():
        record |= {"status": RUNNING, "best": None, "latest": None}
    history = dict(sorted(frozen.intermediate_values.items()))
    return Trial(id=frozen._trial_id, latents=frozen.params, dimensions=frozen.distributions, history=history, **record)
