"""Clipping against PyTorch and as a property, and weight averaging by worked numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import Twin, both_engines, tensor
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from ffnn.backend import create_engine
from ffnn.nn import ClipNorm, ClipValue, Linear, Network, Objective, SoftmaxCrossEntropy, Tanh, WeightAverage


@both_engines
@pytest.mark.parametrize("limit", [1e-3, 0.2, 5.0, 1e3])
def test_clipping_is_pytorchs(limit: float, engine_name: str) -> None:
    rng = np.random.default_rng(0)
    inputs, labels = rng.standard_normal((12, 4)) * 3, rng.integers(0, 3, 12)
    for ours, theirs in [(ClipNorm(limit), clip_grad_norm_), (ClipValue(limit), clip_grad_value_)]:
        network = Network([Linear(6), Tanh(), Linear(3)], 4, create_engine(engine_name, "float64"))
        objective, twin = Objective(network, SoftmaxCrossEntropy()), Twin(network)
        objective.gradients(inputs, labels)
        functional.cross_entropy(twin(tensor(inputs)), tensor(labels)).backward()
        ours.apply(network.parameters)
        theirs(twin.parameters(), limit)
        twin.assert_same_gradients(network)


@both_engines
@given(limit=st.floats(1e-6, 1e6), scale=st.floats(0, 1e8))
@settings(max_examples=30)
def test_clipping_never_increases_the_norm(engine_name: str, limit: float, scale: float) -> None:
    network = Network([Linear(3)], 4, create_engine(engine_name, "float64"))
    grads = network.parameters.grads
    for clip, bound in [(ClipNorm(limit), limit), (ClipValue(limit), limit * np.sqrt(grads.size))]:
        grads[...] = np.random.default_rng(0).standard_normal(grads.size) * scale
        before = np.array(grads)
        clip.apply(network.parameters)
        assert np.linalg.norm(grads) <= min(bound, np.linalg.norm(before)) * (1 + 1e-12)
        assert (np.sign(grads) == np.sign(before)).all()


@both_engines
def test_clipping_does_not_hide_a_nan(engine_name: str) -> None:
    for clip in (ClipNorm(1.0), ClipValue(1.0)):
        network = Network([Linear(3)], 4, engine_name)
        network.parameters.grads[5] = np.nan
        clip.apply(network.parameters)
        assert np.isnan(network.parameters.grads[5])


def take_in(average: WeightAverage) -> None:
    """As a step does."""
    average.move(average.numbers(average.steps))
    average.steps += 1


@both_engines
def test_weight_average_by_worked_numbers(engine_name: str) -> None:
    network = Network([Linear(1)], 1, create_engine(engine_name, "float64"))
    values = network.parameters.values
    values[...] = [8, 4]
    average = WeightAverage(network.parameters, decay=0.75)
    values[...] = [0, 10]
    take_in(average)  # d = 1/10: 0.1 * 8 + 0.9 * 0 = 0.8 and 0.1 * 4 + 0.9 * 10 = 9.4
    np.testing.assert_allclose(average.values, [0.8, 9.4])
    values[...] = [1, 2]
    take_in(average)  # d = 2/11: (2 * 0.8 + 9 * 1) / 11 and (2 * 9.4 + 9 * 2) / 11
    np.testing.assert_allclose(average.values, [10.6 / 11, 36.8 / 11])
    average.steps = 1000  # from here on (1 + t) / (10 + t) exceeds the decay
    average.values[...] = [8, 4]
    values[...] = [0, 8]
    take_in(average)  # 0.75 * 8 + 0.25 * 0 = 6 and 0.75 * 4 + 0.25 * 8 = 5
    np.testing.assert_array_equal(average.values, [6, 5])
    values[...] = [-2, 1]
    take_in(average)  # 0.75 * 6 - 0.25 * 2 = 4 and 0.75 * 5 + 0.25 * 1 = 4
    np.testing.assert_array_equal(average.values, [4, 4])
    with pytest.raises(ZeroDivisionError), average.in_place():
        assert network.forward(np.array([[2.0]]))[0, 0] == 2 * 4 + 4
        raise ZeroDivisionError
    np.testing.assert_array_equal(values, [-2, 1])
