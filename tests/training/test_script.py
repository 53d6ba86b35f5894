"""Scripts of epochs: numbers step by step, and the next epoch's written ahead."""

from typing import Any

import numpy as np
import pytest
from problem import make_trainer

from ffnn.nn import SCHEDULES, BatchNorm, Dropout, Linear, ReLU
from ffnn.nn.layer import key_of_step
from ffnn.training.script import Script


def trainers(**options: Any) -> list[Any]:
    def layers() -> list[Any]:
        return [Dropout(0.1), Linear(6), BatchNorm(), ReLU(), Dropout(0.5), Linear(3)]

    return [
        make_trainer(layers=layers(), seed=seed, learning_rate=rate, **options) for seed, rate in ((0, 0.1), (3, 0.2))
    ]


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_every_step_finds_the_numbers_that_it_would_be_given(optimizer: str, schedule: str) -> None:
    pair = trainers(optimizer=optimizer, schedule=SCHEDULES.create(schedule), ema=0.9)
    script = Script.of(pair, 2, 6)
    for number, trainer in enumerate(pair):
        for step in range(4):
            rate = trainer.plan.schedule.at(step, trainer.base_learning_rate, trainer.clock)
            decay = trainer.plan.average.numbers(step)
            assert script.floats[number, step].tolist() == [0, *decay, *trainer.optimizer.numbers(step + 1, rate)]
            keys = [key_of_step(int(layer.state()["stream"][0]), step) for layer in dropouts(trainer)]
            assert script.keys[number, step].tolist() == keys
        order = trainer.train.order(0)
        np.testing.assert_array_equal(script.rows[number], order[2 * 32 : 6 * 32].reshape(4, 32))


def dropouts(trainer: Any) -> list[Any]:
    return [layer for layer in trainer.objective.network.layers.values() if layer.kind == "dropout"]


def test_keys_of_many_steps_are_those_of_each() -> None:
    for seed in (0, 1, 2**32 - 1):
        steps = np.array([0, 1, 1000, 2**40], np.uint64)
        assert key_of_step(seed, steps).tolist() == [key_of_step(seed, int(step)) for step in steps]


def test_a_script_written_ahead_is_the_one_of_that_epoch_and_of_no_other() -> None:
    pair = trainers(optimizer="adam", schedule=SCHEDULES.create("cosine"), ema=0.9, epochs=3)
    ahead = Script.of_next_epoch(pair, 0, 6)
    assert ahead is not None
    assert not ahead.fits(pair, 0, 6)
    for trainer in pair:
        trainer.train_epoch()
    assert ahead.fits(pair, 0, 6)
    assert not ahead.fits(pair, 1, 6)
    now = Script.of(pair, 0, 6)
    for name in ("rows", "floats", "keys"):
        np.testing.assert_array_equal(getattr(ahead, name), getattr(now, name))
    pair[0].train_epoch()
    assert not ahead.fits(pair, 0, 6)
    assert Script.of_next_epoch(pair, 0, 6) is None


def test_one_order_is_laid_out_once() -> None:
    same = [make_trainer(seed=1), make_trainer(seed=1, learning_rate=0.5)]
    assert Script.of(same, 0, 6).rows.shape == (1, 6, 32)
    assert Script.of(trainers(), 0, 6).rows.shape == (2, 6, 32)


def test_rows_that_are_copied_to_a_device_have_half_the_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = trainers()
    here = Script.of(pair, 0, 6).rows
    monkeypatch.setattr(type(pair[0].train.engine), "runs_ahead", True)
    there = Script.of(pair, 0, 6).rows
    assert (here.dtype, there.dtype) == (np.int64, np.int32)
    np.testing.assert_array_equal(there, here)
