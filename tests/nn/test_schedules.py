"""Schedules against PyTorch's schedulers step by step, by worked numbers, and within their bounds."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from ffnn.errors import FFNNError
from ffnn.nn import SCHEDULES, Warmup
from ffnn.nn.schedules import Clock

RATE = 0.4
Make = Callable[[torch.optim.Optimizer, Clock], lr_scheduler.LRScheduler]

BY_EPOCH: dict[str, list[tuple[dict[str, Any], Make]]] = {
    "constant": [({}, lambda o, clock: lr_scheduler.ConstantLR(o, factor=1.0))],
    "step": [
        ({}, lambda o, clock: lr_scheduler.StepLR(o, 10, 0.1)),
        ({"every": 3, "gamma": 0.5}, lambda o, clock: lr_scheduler.StepLR(o, 3, 0.5)),
    ],
    "exponential": [
        ({}, lambda o, clock: lr_scheduler.ExponentialLR(o, 0.95)),
        ({"gamma": 0.5}, lambda o, clock: lr_scheduler.ExponentialLR(o, 0.5)),
    ],
    "linear": [
        ({}, lambda o, clock: lr_scheduler.LinearLR(o, 1.0, 0.0, clock.epochs)),
        ({"minimum": 0.1}, lambda o, clock: lr_scheduler.LinearLR(o, 1.0, 0.25, clock.epochs)),
    ],
}
BY_STEP: dict[str, list[tuple[dict[str, Any], Make]]] = {
    "cosine": [
        ({}, lambda o, clock: lr_scheduler.CosineAnnealingLR(o, clock.total_steps)),
        ({"minimum": 0.1}, lambda o, clock: lr_scheduler.CosineAnnealingLR(o, clock.total_steps, 0.1)),
    ],
    "one_cycle": [
        ({}, lambda o, clock: lr_scheduler.OneCycleLR(o, RATE, clock.total_steps)),
        (
            {"warm_fraction": 0.5, "start_factor": 5, "end_factor": 100},
            lambda o, clock: lr_scheduler.OneCycleLR(
                o, RATE, clock.total_steps, pct_start=0.5, div_factor=5, final_div_factor=100
            ),
        ),
    ],
}
CASES = [
    pytest.param({"name": name, **options}, make, by_step, id="-".join([name, *map(str, options.values())]))
    for by_step, table in ((False, BY_EPOCH), (True, BY_STEP))
    for name, cases in table.items()
    for options, make in cases
]


def test_every_schedule_has_a_reference() -> None:
    assert {*BY_EPOCH, *BY_STEP} == set(SCHEDULES)


@pytest.mark.parametrize("clock", [Clock(1, 30), Clock(7, 12), Clock(100, 3)], ids=str)
@pytest.mark.parametrize(("spec", "make", "by_step"), CASES)
def test_rates_are_pytorchs(spec: dict[str, Any], make: Make, by_step: bool, clock: Clock) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1)], RATE)
    scheduler = make(optimizer, clock)
    schedule = SCHEDULES.create(spec)
    for step in range(clock.total_steps):
        expected = optimizer.param_groups[0]["lr"]
        assert schedule.at(step, RATE, clock) == pytest.approx(expected, rel=1e-10, abs=1e-12), step
        optimizer.step()
        last = step == clock.total_steps - 1
        if not last and (by_step or (step + 1) % clock.steps_per_epoch == 0):
            scheduler.step()


def test_linear_decay_by_worked_numbers() -> None:
    # eta_t = max(0.125, 1 - 0.25 t): 1, 0.75, 0.5, 0.25, then 1 - 4 * 0.25 = 0 < 0.125
    schedule = SCHEDULES.create({"name": "linear", "slope": 0.25, "minimum": 0.125})
    clock = Clock(2, 6)
    assert [schedule.at(step, 1.0, clock) for step in range(12)] == [
        *[1, 1, 0.75, 0.75, 0.5, 0.5, 0.25, 0.25],
        *[0.125] * 4,
    ]


def test_warmup_by_worked_numbers() -> None:
    # Half an epoch of 8 steps: 1/4, 2/4, 3/4, 4/4 of what the schedule says, then the schedule alone.
    warm = Warmup(SCHEDULES.create({"name": "step", "every": 1, "gamma": 0.5}), epochs=0.5)
    assert [warm.at(step, 8.0, Clock(8, 2)) for step in range(10)] == [2, 4, 6, 8, 8, 8, 8, 8, 4, 4]
    # Two epochs of 2 steps: the schedule halves while the warm-up still rises.
    warm = Warmup(SCHEDULES.create({"name": "step", "every": 1, "gamma": 0.5}), epochs=2)
    assert [warm.at(step, 8.0, Clock(2, 3)) for step in range(6)] == [2, 4, 3, 4, 2, 2]
    assert Warmup(SCHEDULES.create("constant"), epochs=0).at(0, 3.0, Clock(5, 1)) == 3.0


@given(
    name=st.sampled_from(sorted(SCHEDULES)),
    minimum=st.floats(0, 1e-3),
    rate=st.floats(1e-3, 10),
    steps=st.integers(1, 50),
    epochs=st.integers(1, 20),
    warm=st.floats(0, 25),
    fraction=st.floats(0, 1),
)
@settings(max_examples=300)
def test_rates_stay_within_bounds(
    name: str, minimum: float, rate: float, steps: int, epochs: int, warm: float, fraction: float
) -> None:
    clock = Clock(steps, epochs)
    options = {"minimum": minimum} if "minimum" in SCHEDULES.options(name) else {}
    schedule = SCHEDULES.create(name, **options)
    step = round(fraction * (clock.total_steps - 1))
    value = schedule.at(step, rate, clock)
    assert options.get("minimum", 0) <= value <= rate * (1 + 1e-12)
    assert value > 0
    assert 0 <= Warmup(schedule, warm).at(step, rate, clock) <= value


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("step", "every", 0),
        ("step", "every", 1.5),
        ("step", "gamma", 0),
        ("step", "gamma", 1.1),
        ("exponential", "gamma", -0.5),
        ("linear", "slope", -1),
        ("linear", "minimum", -1),
        ("cosine", "minimum", float("nan")),
        ("one_cycle", "warm_fraction", 1.0),
        ("one_cycle", "start_factor", 0.5),
        ("one_cycle", "end_factor", 0.5),
    ],
)
def test_wrong_options_are_refused(name: str, option: str, value: Any) -> None:
    with pytest.raises(FFNNError, match=rf"{option} must be .*; received {value}"):
        SCHEDULES.create(name, **{option: value})


@pytest.mark.parametrize("name", ["cosine", "linear"])
def test_a_minimum_above_the_rate_is_refused(name: str) -> None:
    """The rate would rise where it is meant to fall."""
    schedule = SCHEDULES.create({"name": name, "minimum": 0.1})
    for guarded in (schedule, Warmup(schedule, 1)):
        guarded.check(0.1)
        with pytest.raises(FFNNError, match=r"minimum must be at most the learning rate, 0\.01, .* received 0\.1"):
            guarded.check(0.01)


@pytest.mark.parametrize("name", list(SCHEDULES))
def test_a_schedule_as_it_comes_has_nothing_to_remark(name: str) -> None:
    schedule = Warmup(SCHEDULES.create(name), 1)
    assert [schedule.remarks(0.001, Clock(7, epochs)) for epochs in (1, 15, 1000)] == [[], [], []]


def test_a_schedule_that_stands_still_and_a_warm_up_without_end_are_remarked() -> None:
    linear = SCHEDULES.create({"name": "linear", "slope": 0.001})
    for epochs in (15, 10**9):
        assert linear.remarks(0.001, Clock(7, epochs)) == [
            f"the learning rate is 0 from epoch 2 of {epochs} on, and nothing is learnt there"
        ]
    assert linear.remarks(0.01, Clock(7, 10)) == []
    warm = Warmup(SCHEDULES.create("constant"), 20)
    assert warm.remarks(0.5, Clock(7, 15)) == [
        "the warm-up lasts 20 epochs and the run 15: the learning rate never gets to 0.5"
    ]
    assert warm.remarks(0.5, Clock(7, 20)) == []
