"""Epochs as programs of compiled code: the same bits as step by step, and Python is not asked for each step."""

import gc
import pickle
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training.problem import clouds

from ffnn.backend import blas
from ffnn.backend.formulas import value_itself
from ffnn.backend.numba_engine import NumbaEngine
from ffnn.data.batches import Batches, Pool
from ffnn.errors import FFNNError
from ffnn.nn import LOSSES, OPTIMIZERS, ClipNorm, ClipValue, L2Penalty, Network, Objective, WeightAverage
from ffnn.nn.mlp import mlp_layers
from ffnn.training.history import Record
from ffnn.training.recorded import RecordedTrainer
from ffnn.training.stack import PATIENCE
from ffnn.training.trainer import Plan, Trainer

CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "float64": {"dtype": "float64", "optimizer": "sgd"},
    "dropout and batch norm": {"layers": {"batch_norm": True, "dropout": 0.3, "input_dropout": 0.1}},
    "penalty, clips, average": {"penalty": 1e-2, "clips": True, "ema": 0.9},
    "lion, two hidden layers": {"hidden": [16, 8], "optimizer": "lion", "layers": {"activation": "gelu"}},
    "hinge": {"loss": "hinge", "optimizer": "rmsprop"},
    "vectors": {"hidden": [1]},
    "one row": {"batch": 1},
}


def parts(
    engine: Any, *, hidden: Any = (8,), optimizer: str = "adam", loss: str = "cross_entropy", penalty: float = 0.0,
    clips: bool = False, ema: float = 0.0, layers: Any = None, inputs: int = 4, **_: Any,
) -> tuple[Objective, Any, Plan]:  # fmt: skip
    network = Network(mlp_layers(list(hidden), 3, **(layers or {})), inputs, engine, 0)
    objective = Objective(network, LOSSES.create(loss), L2Penalty(penalty) if penalty else None)
    plan = Plan(3, clips=[ClipValue(0.5), ClipNorm(0.1)] if clips else [])
    plan.average = WeightAverage(network.parameters, ema) if ema else None
    return objective, OPTIMIZERS.create(optimizer, learning_rate=0.01), plan


def trainer_of(case: dict[str, Any], recorded: bool, rows: int = 200) -> Trainer:
    engine = NumbaEngine(case.get("dtype", "float32"))
    images, labels = clouds(rows)
    pool = Pool(engine, images, labels, np.full(4, 1 / 255), np.zeros(4))
    order = np.arange(rows)
    train, val = Batches(pool, order, case.get("batch", 20), shuffle_seed=3), Batches(pool, order[:50], 50)
    objective, optimizer, plan = parts(engine, **case)
    given = objective, optimizer, train, val, plan, []
    return RecordedTrainer(lambda engine: parts(engine, **case), *given) if recorded else Trainer(*given)


def timeless(line: Record) -> Record:
    return {name: value for name, value in line.items() if "time/" not in name}


@pytest.mark.parametrize("case", CASES)
def test_an_epoch_as_a_program_has_the_bits_of_its_steps(case: str) -> None:
    one, other = (trainer_of(CASES[case], recorded) for recorded in (False, True))
    for trainer in (one, other):
        trainer.fit()
    assert one.status == other.status == "finished"
    for line, same in zip(one.history, other.history, strict=True):
        assert {k: v for k, v in line.items() if "time/" not in k} == {
            k: v for k, v in same.items() if "time/" not in k
        }
    assert np.array_equal(one.objective.network.parameters.values, other.objective.network.parameters.values)
    assert all(map(np.array_equal, one.optimizer.slots_now, other.optimizer.slots_now))


@pytest.mark.skipif(blas.product("float32") is None, reason="the BLAS of this NumPy is not found by its address")
def test_engines_are_called_as_often_for_long_epochs_as_for_short_ones() -> None:
    def calls_of_an_epoch(rows: int) -> int:
        trainer = trainer_of({}, True, rows)
        for _ in range(2):  # the first looks how many steps may be taken at once
            trainer.train_epoch()
        trainer._stack._at_once = rows  # type: ignore[attr-defined] - however slow this machine is
        calls = 0

        def count(frame: Any, event: str, argument: Any) -> None:
            nonlocal calls
            calls += event == "call" and Path(frame.f_code.co_filename).parent.name == "backend"

        sys.setprofile(count)
        try:
            trainer.train_epoch()
        finally:
            sys.setprofile(None)
        return calls

    short, long = calls_of_an_epoch(200), calls_of_an_epoch(2000)
    assert 0 < short <= long < short + 10, (short, long)


def test_what_another_thread_asks_for_meanwhile_is_done_and_not_written_down() -> None:
    """Batches may be prepared by a thread of their own, with the same engine."""
    engine = NumbaEngine("float64")
    a, b, out, other = (engine.array(np.arange(9.0).reshape(3, 3)) for _ in range(4))

    def step() -> None:
        engine.matmul(a, b, out)
        thread = threading.Thread(target=engine.matmul, args=(a, a, other))
        thread.start()
        thread.join()

    repeat = engine.capture(step)
    assert other.tolist() == (a @ a).tolist()
    other[...] = out[...] = 0
    repeat(2)
    assert out.tolist() == (a @ b).tolist()
    assert not other.any()


def test_steps_at_once_never_keep_waiting_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock that a step moves by a millisecond, and later, on a busy machine, by ten."""
    trainer = trainer_of({"batch": 2}, True, 2000)
    trainer.rehearse()
    stack = trainer._stack  # type: ignore[attr-defined]
    clock, cost, waits = 0.0, 0.001, []

    def step(times: int) -> None:
        nonlocal clock
        clock += times * cost
        waits.append(times)

    monkeypatch.setattr("ffnn.training.stack.time.perf_counter", lambda: clock)
    while sum(waits) < 500:
        stack._repeat(step, 500 - sum(waits))
    assert max(waits) * cost <= PATIENCE
    assert len(waits) < 20
    cost, waits = 0.01, []
    while sum(waits) < 500:
        stack._repeat(step, 500 - sum(waits))
    assert all(times * cost <= PATIENCE for times in waits[1:]), waits


def test_two_threads_on_one_engine_do_not_write_into_one_program() -> None:
    engine = NumbaEngine("float64")
    images, labels = clouds(200)
    pool = Pool(engine, images, labels, np.full(4, 1 / 255), np.zeros(4))

    def trainer(recorded: bool = True) -> Trainer:
        train, val = Batches(pool, np.arange(200), 20, shuffle_seed=3), Batches(pool, np.arange(50), 50)
        objective, optimizer, plan = parts(engine)
        given = objective, optimizer, train, val, plan, []
        return RecordedTrainer(parts, *given) if recorded else Trainer(*given)

    alone = trainer(recorded=False)
    alone.fit()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for _ in range(8):
            both = trainer(), trainer()
            threads = [threading.Thread(target=one.fit) for one in both]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            expected = alone.objective.network.parameters.values
            assert all(np.array_equal(one.objective.network.parameters.values, expected) for one in both)
    finally:
        sys.setswitchinterval(interval)


def test_steps_with_vectors_are_asked_for_as_before() -> None:
    trainer = trainer_of(CASES["one row"], True)
    trainer.rehearse()
    assert not trainer._stack.records  # type: ignore[attr-defined]


def test_a_trainer_is_gone_when_it_has_ended_and_nobody_has_it() -> None:
    """Not later, when Python looks for circles: it has a copy of all that it trains."""
    trainer = trainer_of({}, True)
    trainer.fit()
    gone = weakref.ref(trainer)
    gc.disable()
    try:
        del trainer
        assert gone() is None
    finally:
        gc.enable()


def test_a_kernels_complaint_is_heard_after_the_steps() -> None:
    engine = NumbaEngine("float64")
    out, pool, rows = engine.array(np.zeros((2, 3))), engine.array(np.ones((4, 3))), engine.array([0, 1], np.int64)

    def step() -> None:
        engine.gather(value_itself)(out, pool, rows, ())

    step()
    repeat = engine.capture(step)
    repeat(3)
    rows[0] = 99
    with pytest.raises(FFNNError, match="do not fit"):
        repeat(3)
    rows[0] = 0
    repeat(1)


def test_an_engine_in_another_process_looks_for_blas_itself() -> None:
    """An address is good in one process alone."""
    engine = pickle.loads(pickle.dumps(NumbaEngine("float64")))
    assert "Product" not in repr(vars(engine))
    a, out = engine.array(np.arange(9.0).reshape(3, 3)), engine.empty((3, 3))
    engine.capture(lambda: engine.matmul(a, a + 1, out))(1)


def test_a_library_that_multiplies_otherwise_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    real = blas._as_numpy
    monkeypatch.setattr(blas, "_as_numpy", lambda *given: real(*given) and False)
    assert blas.product.__wrapped__("float64") is None
