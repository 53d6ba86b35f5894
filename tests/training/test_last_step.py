"""The last step of an epoch: taken with the others where nobody looks at it, else by the trainer itself."""

from typing import Any
from unittest import mock

import numpy as np
import pytest
from training.test_program import CASES, timeless, trainer_of
from training.test_stack import CASES as STACKS
from training.test_stack import TapeEngine, everything, members

from ffnn.backend import blas
from ffnn.backend.numpy_engine import NumpyEngine
from ffnn.training.script import Script
from ffnn.training.stack import Stack
from ffnn.training.trainer import Trainer

recorded_here = pytest.mark.skipif(
    blas.product("float32") is None, reason="the BLAS of this NumPy is not found by its address"
)


def train(trainer: Trainer, observed: bool = False) -> int:
    """How many steps the trainer took by itself."""
    step, taken = Trainer.take_step, []

    def counted(self: Trainer, *arguments: Any) -> float:
        taken.append(self.step)
        return step(self, *arguments)

    with mock.patch.object(Trainer, "take_step", counted), trainer.course():
        while trainer.goes_on:
            trainer.train_epoch(observed)
            trainer.finish_epoch()
    return len(taken)


@recorded_here
@pytest.mark.parametrize("case", ["plain", "dropout and batch norm", "penalty, clips, average"])
@pytest.mark.parametrize(("rows", "observed", "own"), [(200, False, 0), (200, True, 3), (210, False, 3)])
def test_a_recorded_trainer_has_the_same_bits_whoever_takes_it(case: str, rows: int, observed: bool, own: int) -> None:
    one, other = (trainer_of(CASES[case], recorded, rows) for recorded in (False, True))
    train(one, observed)
    assert train(other, observed) == own  # of three epochs
    assert one.status == other.status == "finished"
    assert [timeless(line) for line in one.history] == [timeless(line) for line in other.history]
    assert np.array_equal(one.objective.network.parameters.values, other.objective.network.parameters.values)
    assert all(map(np.array_equal, one.optimizer.slots_now, other.optimizer.slots_now))


@recorded_here
def test_weights_that_overflow_at_it_are_told_as_by_a_trainer_that_took_it() -> None:
    case = {"optimizer": "sgd", "batch": 200}  # an epoch is one step, whose own loss is finite
    one, other = (trainer_of(case, recorded) for recorded in (False, True))
    for trainer in (one, other):
        trainer.base_learning_rate = 1e39
        train(trainer)
    assert one.reason.startswith("step 1, epoch 1: it began in ")
    assert (one.status, one.reason) == (other.status, other.reason) == ("diverged", one.reason)


@pytest.mark.parametrize("engine", [NumpyEngine, TapeEngine])
@pytest.mark.parametrize("batch_size", [20, 32])
def test_a_stack_takes_it_if_it_is_told_that_nobody_looks(engine: type[NumpyEngine], batch_size: int) -> None:
    """220 rows are 11 batches of 20, or 7 of which the last is smaller."""
    make = STACKS["all at once"]
    alone, together = (members(engine("float64"), 3, make, batch_size=batch_size) for _ in range(2))
    for trainer in alone:
        train(trainer)
    stack, steps = Stack(together, lambda engine: make(engine, 0)), len(together[0].train)
    courses = [trainer.course() for trainer in together]
    for course in courses:
        course.__enter__()
    while together[0].goes_on:
        for trainer in stack.train_epoch(observed=False):
            assert trainer.current.place == (steps if batch_size == 20 else steps - 1)
            trainer.train_epoch()
            trainer.finish_epoch()
    for course in courses:
        course.__exit__(None, None, None)
    for one, other in zip(alone, together, strict=True):
        assert everything(other) == everything(one)


def test_the_next_epochs_script_counts_it() -> None:
    """Else the script that was written while a device computed would fit no epoch, and be written again."""
    pair = members(NumpyEngine("float64"), 2, STACKS["all at once"], batch_size=20)
    ahead = Script.of_next_epoch(pair, 0, 11)
    for trainer in pair:
        trainer.train_epoch()
    assert ahead is not None
    assert ahead.fits(pair, 0, 11)
