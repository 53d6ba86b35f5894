"""The ledger: nothing is taken twice, nothing is lost, and only the dead are declared dead."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ffnn.sweep.distributions import LogUniformValues
from ffnn.sweep.ledger import Ledger
from ffnn.sweep.owners import LEASE_SECONDS, Owners, here, started
from ffnn.sweep.samplers import METHODS, Bayes, impute
from ffnn.sweep.schema import Metric
from ffnn.sweep.space import Space, read_space
from ffnn.sweep.storage import open_storage
from ffnn.sweep.trials import FAILED, FINISHED, INTERRUPTED, LOST, PRUNED, RUNNING, Outcome, Proposal

SPACE = Space({("learning_rate",): LogUniformValues(1e-5, 0.1)})
MAXIMIZE = Metric(name="best/val/accuracy", goal="maximize")


def ledger(folder: Path) -> Ledger:
    return Ledger(open_storage(folder / "journal.log"), "sweep", maximize=True)


def proposal(key: str, rate: float = 0.01) -> Proposal:
    dimensions = {name: distribution.optuna() for name, distribution in SPACE.searched.items()}
    return Proposal(key, {"learning_rate": rate}, {"learning_rate": rate}, dimensions)


def test_a_trial_is_taken_once(tmp_path: Path) -> None:
    one, other = ledger(tmp_path), ledger(tmp_path)
    taken = one.claim(proposal("a"), None)
    assert taken
    assert other.claim(proposal("a"), None) is None
    one.end(taken, Outcome(FINISHED, best=0.5, latest=0.4))
    assert other.claim(proposal("a"), None) is None
    (trial,) = other.trials().values()
    assert (trial.status, trial.best, trial.latest, trial.arguments) == (FINISHED, 0.5, 0.4, {"learning_rate": 0.01})


def test_the_limit_counts_trials_and_not_attempts(tmp_path: Path) -> None:
    book = ledger(tmp_path)
    first = book.claim(proposal("a"), 2)
    assert first
    book.end(first, Outcome(INTERRUPTED))
    assert book.claim(proposal("a"), 2)
    assert book.claim(proposal("b"), 2)
    assert book.claim(proposal("c"), 2) is None
    assert len(book.attempts()) == 3


def test_a_failed_trial_is_run_again_only_for_who_asks_and_once(tmp_path: Path) -> None:
    book = ledger(tmp_path)
    failed = book.claim(proposal("a"), None)
    assert failed
    book.end(failed, Outcome(FAILED, "exit code 1"))
    assert book.claim(proposal("a"), None) is None
    assert book.claim(proposal("a"), None, redo={failed.id})
    assert ledger(tmp_path).claim(proposal("a"), None, redo={failed.id}) is None


@pytest.mark.posix
def test_what_a_dead_process_was_running_is_given_back_once(tmp_path: Path) -> None:
    code = f"""
import os, sys
sys.path[:0] = {[str(Path(__file__).parent)]!r}
from pathlib import Path
from test_ledger import ledger, proposal
assert ledger(Path({str(tmp_path)!r})).claim(proposal("a"), None)
os.kill(os.getpid(), 9)
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert process.returncode == -9, process.stderr
    one, other = ledger(tmp_path), ledger(tmp_path)
    alive = one.claim(proposal("b"), None)
    assert alive
    assert [trial.key for trial in one.reap(lambda trial: Outcome(LOST, ""))] == ["a"]
    assert other.reap(lambda trial: Outcome(LOST, "")) == []
    assert {key: trial.status for key, trial in other.trials().items()} == {"a": LOST, "b": RUNNING}
    assert other.claim(proposal("a"), 2)


def test_who_was_declared_dead_cannot_end_the_trial_any_more(tmp_path: Path) -> None:
    book = ledger(tmp_path)
    trial = book.claim(proposal("a"), None)
    assert trial
    assert book.end(trial, Outcome(LOST))
    assert not book.end(trial, Outcome(FINISHED, best=1.0))
    book.report(trial, 1, 0.5)
    assert book.trials()["a"].status == LOST


def test_iterations_are_seen_by_everybody(tmp_path: Path) -> None:
    book = ledger(tmp_path)
    trial = book.claim(proposal("a"), None)
    assert trial
    for step, value in enumerate([0.1, 0.4, 0.3], start=1):
        book.report(trial, step, value)
    assert ledger(tmp_path).trials()["a"].history == {1: 0.1, 2: 0.4, 3: 0.3}


class Clock:
    """Seconds that a test moves on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def elsewhere(records: dict[str, Any], clock: Clock) -> Owners:
    """An observer, and records of owners that it shares with others."""
    return Owners(lambda: records, records.__setitem__, clock)


def test_another_machine_is_dead_when_its_heart_stops_and_its_clock_does_not_matter() -> None:
    records: dict[str, Any] = {"far": {"machine": "another", "pid": 1, "started": "1", "beat": 7}}
    clock = Clock()
    observer = elsewhere(records, clock)
    assert not observer.dead()("far")
    clock.now += LEASE_SECONDS - 1
    assert not observer.dead()("far")
    records["far"] = {**records["far"], "beat": 8}
    assert not observer.dead()("far")
    clock.now += LEASE_SECONDS - 1
    assert not observer.dead()("far")
    clock.now += 2
    assert observer.dead()("far")


def test_on_this_machine_a_process_is_looked_up() -> None:
    records: dict[str, Mapping[str, Any]] = {
        "me": {"machine": here(), "pid": os.getpid(), "started": started(os.getpid()), "beat": 1},
        "a later process with my number": {"machine": here(), "pid": os.getpid(), "started": "0", "beat": 1},
        "gone": {"machine": here(), "pid": 2**22 + 1, "started": "5", "beat": 1},
    }
    judge = elsewhere(dict(records), Clock()).dead()
    assert [judge(name) for name in records] == [False, True, True]


def test_an_owner_whom_the_system_hides_is_known_by_its_heart(monkeypatch: pytest.MonkeyPatch) -> None:
    """/proc mounted with hidepid shows nobody another user's processes."""

    def refuse(number: int, _: int) -> None:
        raise PermissionError(number)

    records: dict[str, Any] = {"far": {"machine": here(), "pid": 2**22 + 1, "started": "5", "beat": 1}}
    clock = Clock()
    observer = elsewhere(records, clock)
    monkeypatch.setattr(os, "kill", refuse)
    assert not observer.dead()("far")
    clock.now += LEASE_SECONDS + 1
    assert observer.dead()("far")


def test_a_heart_beats_every_few_seconds_only() -> None:
    written: list[int] = []
    clock = Clock()
    owner = Owners(dict, lambda name, record: written.append(record["beat"]), clock)
    for _ in range(100):
        owner.beat()
        clock.now += 0.5
    assert written == list(range(1, 11))


def listed(method: str, seed: int, count: int, space: Space = SPACE) -> list[str]:
    sampler = METHODS.create(method, space=space, seed=seed, identify=repr, metric=MAXIMIZE)
    book: dict[str, Any] = {}
    while len(book) < count and (found := sampler.propose(book)):
        book[found.key] = None
    return list(book)


def test_the_seed_decides_a_random_list() -> None:
    assert listed("random", 3, 20) == listed("random", 3, 20)
    assert not set(listed("random", 3, 20)) & set(listed("random", 4, 20))
    assert listed("random", 3, 20)[:8] == listed("random", 3, 8)


def test_a_small_space_is_tried_out_and_then_ends(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("parameters: {a: {values: [1, 2, 3]}, b: {values: [x, y]}}")
    from ffnn.sweep.marks import Marks

    space = read_space({"a": {"values": [1, 2, 3]}, "b": {"values": ["x", "y"]}}, Marks(path))
    for method in ("random", "grid"):
        found = listed(method, 0, 100, space.for_grid())
        assert len(found) == len(set(found)) == 6


def finished(book: Ledger, key: str, rate: float, value: float) -> None:
    trial = book.claim(proposal(key, rate), None)
    assert trial
    book.end(trial, Outcome(FINISHED, best=value, latest=value))


def bayes(monkeypatch: pytest.MonkeyPatch, gaussian: bool) -> Bayes:
    sampler = Bayes(SPACE, 0, lambda arguments: f"{arguments['learning_rate']:.6g}", MAXIMIZE)
    monkeypatch.setattr(sampler, "_gaussian", gaussian)
    return sampler


@pytest.mark.parametrize("gaussian", [True, False], ids=["GP", "TPE"])
def test_bayesian_search_climbs_a_hill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gaussian: bool) -> None:
    """The hill of -(log10(rate) + 3)^2: after 15 trials the best is within a factor of two of its top."""
    import math

    if gaussian:
        pytest.importorskip("torch")
    sampler, book = bayes(monkeypatch, gaussian), ledger(tmp_path)
    for _ in range(15):
        found = sampler.propose(book.trials())
        assert found
        rate = float(found.latents["learning_rate"])
        finished(book, found.key, rate, -((math.log10(rate) + 3) ** 2))
    best = max(book.trials().values(), key=lambda trial: trial.best or -99)
    assert 0.0005 < best.latents["learning_rate"] < 0.002
    late = list(book.trials().values())[8:]
    near = [abs(math.log10(float(trial.latents["learning_rate"])) + 3) < 1 for trial in late]
    assert sum(near) > len(near) / 2  # four of the eight halves of a decade; random search would have half


def test_bayesian_search_answers_alike_when_asked_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = ledger(tmp_path)
    for number in range(6):
        finished(book, str(number), 10 ** (-1.2 - 0.6 * number), 0.1 * number)
    one, other = (bayes(monkeypatch, True).propose(book.trials()) for _ in range(2))
    assert one == other


def trial_with(tmp_path: Path, outcomes: list[Outcome | None], histories: list[list[float]]) -> list[Any]:
    book = ledger(tmp_path)
    for number, (outcome, history) in enumerate(zip(outcomes, histories, strict=True)):
        trial = book.claim(proposal(str(number)), None)
        assert trial
        for step, value in enumerate(history, start=1):
            book.report(trial, step, value)
        if outcome:
            book.end(trial, outcome)
    return list(book.trials().values())


@pytest.mark.parametrize(
    ("rule", "while_running", "expected"),
    [
        ("worst", "false", [0.9, 0.3, 0.3, None]),
        ("best", "false", [0.9, 0.3, 0.6, None]),
        ("latest", "false", [0.9, 0.3, 0.2, None]),
        ("worst", "best", [0.9, 0.3, 0.3, 0.7]),
        ("worst", "latest", [0.9, 0.3, 0.3, 0.5]),
        ("worst", "worst", [0.9, 0.3, 0.3, 0.3]),
    ],
)
def test_a_failed_trial_counts_as_impute_says(
    tmp_path: Path, rule: str, while_running: str, expected: list[float | None]
) -> None:
    trials = trial_with(
        tmp_path,
        [Outcome(FINISHED, best=0.9), Outcome(PRUNED, best=0.3), Outcome(FAILED, best=0.6, latest=0.2), None],
        [[], [], [], [0.7, 0.5]],
    )
    metric = Metric.model_validate(
        {"name": "m", "goal": "maximize", "impute": rule, "impute_while_running": while_running}
    )
    assert impute(trials, metric) == expected
