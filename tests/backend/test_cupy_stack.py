"""Stacks on the GPU engine's stand-in: the recorded step is repeated, and every network is the one trained alone."""

import pytest
from backend.emulated import needs_compiler
from backend.stand_in import stand_in_device
from training.test_stack import CASES, check

pytestmark = [needs_compiler, pytest.mark.slow]


@pytest.mark.parametrize("case", ["all at once", "clips", "weighted classes", "penalty", "softmax at the end"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_network_of_a_stack_is_the_one_trained_alone(case: str, dtype: str) -> None:
    with stand_in_device():
        check("cupy", dtype, CASES[case], 3)
