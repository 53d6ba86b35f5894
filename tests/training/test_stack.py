"""A stack of networks against the same networks trained alone: to the bit, and by steps that a device can repeat."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
from reference import both_engines
from training.problem import clouds

from ffnn.backend import create_engine
from ffnn.backend.engine import Array, Kernel
from ffnn.backend.numpy_engine import NumpyEngine
from ffnn.backend.stacked import StackedArray, StackedEngine
from ffnn.data.batches import Batches, Pool
from ffnn.errors import FFNNError
from ffnn.nn import (
    ACTIVATIONS,
    GELU,
    LOSSES,
    OPTIMIZERS,
    SCHEDULES,
    BatchNorm,
    ClipNorm,
    ClipValue,
    Dropout,
    L2Penalty,
    Layer,
    Linear,
    Network,
    Objective,
    ReLU,
    Softmax,
    Tanh,
    WeightAverage,
)
from ffnn.training.stack import Stack
from ffnn.training.trainer import Plan, Trainer

Layers = Callable[[], list[Layer]]
Make = Callable[[Any, int], tuple[Objective, Any, Plan]]
"""From an engine and a member's number: its network, optimizer and plan. The stack's own are those of member 0."""


def plain() -> list[Layer]:
    return [Linear(6), ReLU(), Linear(3)]


def rich() -> list[Layer]:
    return [Dropout(0.1), Linear(6), BatchNorm(), GELU(), Dropout(0.3), Linear(5), Tanh(), Linear(3)]


def make(
    engine: Any,
    number: int,
    *,
    layers: Layers = plain,
    loss: dict[str, Any] | str = "cross_entropy",
    optimizer: dict[str, Any] | str = "sgd",
    schedule: Sequence[Any] = ("constant",),
    clips: Sequence[Any] = (),
    ema: bool = False,
    l2: Sequence[float] = (0.0,),
    decay: Sequence[float] = (0.0,),
    rates: Sequence[float] = (0.1, 0.03),
    per_example: bool = False,
) -> tuple[Objective, Any, Plan]:
    def own(values: Sequence[Any]) -> Any:
        return values[number % len(values)]

    network = Network(layers(), 4, engine, seed=number % 3)
    penalty = L2Penalty(own(l2), per_example) if own(l2) else None
    average = WeightAverage(network.parameters, 0.9 + 0.01 * number) if ema else None
    plan = Plan(3, SCHEDULES.create(own(schedule)), clips, average)
    moving = OPTIMIZERS.create(optimizer, learning_rate=own(rates), weight_decay=own(decay))
    return Objective(network, LOSSES.create(loss), penalty), moving, plan


def members(engine: Any, count: int, make: Make, one_order: bool = False, batch_size: int = 32) -> list[Trainer]:
    images, labels = clouds()
    pool = Pool(engine, images, labels, np.full(4, 1 / 255), np.full(4, -0.3))
    rows = np.arange(len(labels))
    trainers = []
    for number in range(count):
        objective, optimizer, plan = make(engine, number)
        train = Batches(pool, rows[:220], batch_size, shuffle_seed=0 if one_order else number)
        trainers.append(Trainer(objective, optimizer, train, Batches(pool, rows[220:], 64), plan))
    return trainers


def fit_together(trainers: Sequence[Trainer], make: Make) -> None:
    stack = Stack(trainers, lambda engine: make(engine, 0))
    stack.rehearse()
    with ExitStack() as courses:
        for trainer in trainers:
            courses.enter_context(trainer.course())
        while trainers[0].goes_on:
            for trainer in stack.train_epoch():
                trainer.train_epoch(observed=True)
                trainer.finish_epoch()


def everything(trainer: Trainer) -> dict[str, Any]:
    """All that a trainer holds in the end, as bytes and numbers; times apart."""
    host = trainer.objective.network.engine.host
    arrays = {**trainer.objective.network.state_dict(), **trainer.optimizer.state_dict()}
    if trainer.plan.average:
        arrays |= {
            "average": np.array(host(trainer.plan.average.values)),
            "average steps": np.array(trainer.plan.average.steps),
        }
    history = [
        {name: value for name, value in record.items() if not name.startswith("time/")} for record in trainer.history
    ]
    return {
        "arrays": {name: (array.dtype.name, (array + 0).tobytes()) for name, array in arrays.items()},
        "history": history,
        "where": (trainer.status, trainer.reason, trainer.step, trainer.epoch),
    }


def check(name: str, dtype: str, make: Make, count: int = 4, **given: Any) -> None:
    alone = members(create_engine(name, dtype), count, make, **given)
    for trainer in alone:
        trainer.fit()
    together = members(create_engine(name, dtype), count, make, **given)
    fit_together(together, make)
    results = [everything(trainer) for trainer in alone]
    assert count == 1 or len({str(result["arrays"]) for result in results}) > 1
    for one, other in zip(results, together, strict=True):
        assert everything(other) == one


def of(**options: Any) -> Make:
    return lambda engine, number: make(engine, number, **options)


CASES = {
    **{
        f"optimizer {name}": of(optimizer=name, decay=(0.0, 0.1), schedule=("cosine", "constant"))
        for name in OPTIMIZERS
    },
    **{
        f"activation {name}": of(layers=lambda name=name: [Linear(6), ACTIVATIONS.create(name), Linear(3)])
        for name in ACTIVATIONS
    },
    "softmax at the end": of(layers=lambda: [Linear(3), Softmax()], loss="mean_squared_error"),
    "no hidden layer": of(layers=lambda: [Linear(3)]),
    **{f"loss {name}": of(loss=name) for name in LOSSES},
    "weighted classes": of(loss={"name": "cross_entropy", "class_weights": [0.2, 1.0, 3.0], "label_smoothing": 0.1}),
    "weighted focal": of(loss={"name": "focal", "class_weights": [0.0, 1.0, 0.0]}),
    "penalty": of(l2=(0.0, 0.1, 0.01)),
    "penalty per example": of(l2=(0.3, 0.1), per_example=True),
    "clips": of(clips=[ClipValue(0.3), ClipNorm(0.2)]),
    "all at once": of(
        layers=rich, optimizer="adamw", schedule=("linear", "cosine"), ema=True, l2=(0.01, 0), rates=(0.01,)
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("engine", ["numpy", pytest.param("numba", marks=pytest.mark.slow)])  # which compiles for each
def test_every_network_of_a_stack_is_the_one_trained_alone(engine: str, case: str) -> None:
    check(engine, "float32", CASES[case])


@both_engines
@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
@pytest.mark.parametrize("one_order", [False, True], ids=["own orders", "one order"])
def test_so_it_is_on_both_engines_in_both_types_whether_batches_are_shared_or_not(
    engine_name: str, dtype: str, one_order: bool
) -> None:
    check(engine_name, dtype, CASES["all at once"], one_order=one_order)


@pytest.mark.parametrize(("count", "batch_size"), [(1, 32), (2, 220), (3, 219), (2, 110), (7, 44)])
def test_any_number_of_networks_and_any_batch_size_will_do(count: int, batch_size: int) -> None:
    check("numpy", "float64", of(optimizer="adam"), count, batch_size=batch_size)


def test_a_network_that_diverges_does_so_at_the_step_at_which_it_would_alone() -> None:
    def wild(engine: Any, number: int) -> tuple[Objective, Any, Plan]:
        return make(engine, number, rates=(0.1, 1e30, 0.1, 3e4), layers=lambda: [Linear(6), Linear(3)])

    alone = members(create_engine("numba"), 4, wild)
    for trainer in alone:
        trainer.fit()
    together = members(create_engine("numba"), 4, wild)
    stack = Stack(together, lambda engine: wild(engine, 0))
    courses = [trainer.course() for trainer in together]
    for course in courses:
        course.__enter__()
    for trainer, course in zip(stack.train_epoch(), courses, strict=True):
        try:
            trainer.train_epoch(observed=True)
            trainer.finish_epoch()
        except Exception as problem:
            assert course.__exit__(type(problem), problem, problem.__traceback__)
    assert "diverged" in [trainer.status for trainer in alone]
    for one, other in zip(alone, together, strict=True):
        if one.status == "diverged" and one.epoch == 0:
            assert everything(other) == everything(one)
        else:
            assert other.history[0]["train/loss"] == one.history[0]["train/loss"]


class InterruptingEngine(NumpyEngine):
    """Has somebody ask a trainer to end while the third step of a stack is taken."""

    def __init__(self) -> None:
        super().__init__("float64")
        self.interrupt: Callable[[], None] = lambda: None
        self.steps = 1  # the first one is taken before anything is recorded

    def capture(self, step: Callable[[], None]) -> Callable[[int], None]:
        def counted() -> None:
            self.steps += 1
            if self.steps == 3:
                self.interrupt()
            step()

        return super().capture(counted)


def test_a_stack_stops_between_two_steps_for_one_of_its_networks_and_goes_on_for_the_others() -> None:
    adam = of(optimizer="adam", layers=rich)
    alone = members(NumpyEngine("float64"), 3, adam)
    for trainer in alone:
        trainer.fit()
    engine = InterruptingEngine()
    together = members(engine, 3, adam)
    engine.interrupt = together[1].interrupt
    with ExitStack() as courses:
        for trainer in together:
            courses.enter_context(trainer.course())
        assert Stack(together, lambda engine: adam(engine, 0)).train_epoch() == [together[1]]
        assert [trainer.current.place for trainer in together] == [3, 3, 3]
        # The two others go on as a stack of their own, from the middle of the epoch.
        rest = [together[0], together[2]]
        stack = Stack(rest, lambda engine: adam(engine, 0))
        while rest[0].goes_on:
            for trainer in stack.train_epoch():
                trainer.train_epoch(observed=True)
                trainer.finish_epoch()
    assert together[1].status == "stopped"
    assert [everything(trainer) for trainer in rest] == [everything(alone[0]), everything(alone[2])]


# -- what a device needs ----------------------------------------------------------------------------


class TapeEngine(NumpyEngine):
    """Records a step as a CUDA graph is recorded: which kernels ran over which arrays with which numbers.

    Nothing runs while it records; playing repeats the calls and nothing else. What the host would have had to tell
    anew at every step is therefore wrong at the second one.
    """

    name = "tape"

    def __init__(self, dtype: str) -> None:
        super().__init__(dtype)
        self.tape: list[tuple[Callable[..., None], tuple[Any, ...]]] | None = None
        self.sealed = False

    def _do(self, act: Callable[..., None], *arguments: Any) -> None:
        if self.tape is None:
            act(*arguments)
        else:
            self.tape.append((act, arguments))

    def _build(self, kind: str, formula: Any) -> Kernel:
        kernel = super()._build(kind, formula)
        return lambda *arguments: self._do(kernel, *arguments)

    def matmul(self, a: Array, b: Array, out: Array) -> None:
        self._do(super().matmul, a, b, out)

    def one_hot(self, labels: Array, on: float, off: float, out: Array) -> None:
        self._do(super().one_hot, labels, on, off, out)

    def square_sum(self, array: Array, out: Array) -> None:
        self._do(super().square_sum, array, out)

    def empty(self, shape: tuple[int, ...], dtype: Any = None) -> Array:
        assert not self.sealed, "allocates while it is recorded"
        return super().empty(shape, dtype)

    def array(self, values: Any, dtype: Any = None) -> Array:
        assert not self.sealed, "copies from the host while it is recorded"
        return super().array(values, dtype)

    def host(self, array: Array) -> np.ndarray:
        assert not self.sealed, "reads while it is recorded"
        return super().host(array)

    def read(self, cell: Array) -> float:
        assert not self.sealed, "reads while it is recorded"
        return super().read(cell)

    def capture(self, step: Callable[[], None]) -> Callable[[int], None]:
        self.tape, self.sealed = [], True
        step()
        tape, self.tape, self.sealed = self.tape, None, False

        def play(times: int) -> None:
            for act, arguments in tape * times:
                act(*arguments)

        return play


@pytest.mark.parametrize("case", ["all at once", "clips", "weighted classes", "optimizer adam", "penalty"])
def test_a_recorded_step_repeats_right_and_neither_allocates_nor_reads(case: str) -> None:
    alone = members(NumpyEngine("float64"), 3, CASES[case])
    for trainer in alone:
        trainer.fit()
    together = members(TapeEngine("float64"), 3, CASES[case])
    fit_together(together, CASES[case])
    for one, other in zip(alone, together, strict=True):
        assert everything(other) == everything(one)


# -- arrays of a stack -----------------------------------------------------------------------------


def test_a_stacked_array_shows_one_networks_shape_and_holds_all_values() -> None:
    engine = StackedEngine(NumpyEngine("float64"), 3)
    array = engine.empty((4, 2))
    array[...] = engine.each(np.arange(24.0).reshape(3, 4, 2))
    assert (array.shape, len(array), array.ndim, array.size, array.T.shape) == ((4, 2), 4, 2, 8, (2, 4))
    np.testing.assert_array_equal(array.T.member(1), np.arange(8.0, 16.0).reshape(4, 2).T)
    np.testing.assert_array_equal(array[1:3].member(2), [[18, 19], [20, 21]])
    np.testing.assert_array_equal(array.reshape(-1).member(0), np.arange(8.0))
    array[:2] = engine.array(np.full((2, 2), 7.0))
    assert np.all(engine.host(array)[:, :2] == 7)
    shared = engine.array([1.0, 2.0])
    assert all(shared.member(number) is not None and shared.member(number)[1] == 2 for number in range(3))


def test_what_only_a_single_network_has_is_refused() -> None:
    engine = StackedEngine(NumpyEngine("float64"), 2)
    for act in (
        lambda: engine.read(engine.zeros((1,))),
        lambda: engine.norm(engine.zeros((4,))),
        lambda: engine.argmax(engine.zeros((4, 2))),
        lambda: engine.moments(engine.zeros((4,)), [(0, 4)]),
        lambda: engine.warp(*(StackedArray(np.zeros((1, 1))),) * 5),
    ):
        with pytest.raises(TypeError, match="ask its members' engine"):
            act()


def test_a_rehearsal_changes_no_network() -> None:
    adam = of(optimizer="adam", layers=rich, ema=True)
    trainers = members(NumpyEngine("float64"), 2, adam)
    before = [everything(trainer) for trainer in trainers]
    Stack(trainers, lambda engine: adam(engine, 0)).rehearse()
    assert [everything(trainer) for trainer in trainers] == before


@pytest.mark.parametrize("batch_size", [16, 32])
def test_trainers_of_other_batches_are_no_stack(batch_size: int) -> None:
    engine, own = create_engine("numpy"), of()
    trainers = [*members(engine, 1, own), *members(engine, 1, own, batch_size=batch_size)]  # of two pools
    with pytest.raises(FFNNError, match="all trainers of a stack need the same pool and 7 batches of 32 rows"):
        Stack(trainers, lambda stacked: own(stacked, 0))
