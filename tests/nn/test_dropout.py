"""Dropout as properties: how much it zeroes, which masks repeat, and that backward wears the forward's mask."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import both_engines

from ffnn.backend import create_engine
from ffnn.errors import FFNNError
from ffnn.nn import Dropout, Linear, Network
from ffnn.nn.layer import key_of_step


def make(rate: float, columns: int, engine_name: str = "numpy", dtype: str = "float32", seed: int = 0) -> Network:
    return Network([Dropout(rate)], columns, create_engine(engine_name, dtype), seed)


def mask(network: Network, rows: int) -> np.ndarray:
    ones = np.ones((rows, network.input_size), network.engine.dtype)
    return np.array(network.forward(ones, training=True)) != 0


@both_engines
@given(rate=st.floats(0.01, 0.95), seed=st.integers(0, 2**31))
@settings(max_examples=25)
def test_fraction_zeroed_and_mean_kept(engine_name: str, rate: float, seed: int) -> None:
    network = make(rate, 100, engine_name, "float64", seed)
    outputs = np.array(network.forward(np.ones((200, 100)), training=True))
    # Six standard errors of 20,000 coins.
    assert abs((outputs == 0).mean() - rate) < 6 * np.sqrt(rate * (1 - rate) / outputs.size)
    np.testing.assert_allclose(outputs[outputs != 0], 1 / (1 - rate), rtol=1e-14)
    assert abs(outputs.mean() - 1) < 6 * np.sqrt(rate / (1 - rate) / outputs.size)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_every_row_and_column_gets_its_share(rate: float) -> None:
    zeroed = np.mean([~mask(network, 32) for network in [make(rate, 20)] for _ in range(400)], axis=0)
    assert np.abs(zeroed - rate).max() < 5 * np.sqrt(rate * (1 - rate) / 400)


def test_masks_repeat_with_seed_and_step_only() -> None:
    first, again, other = make(0.5, 30, seed=3), make(0.5, 30, seed=3), make(0.5, 30, seed=4)
    masks = [mask(first, 20) for _ in range(4)]
    for step in range(4):
        np.testing.assert_array_equal(mask(again, 20), masks[step])
        # Half of all values agree by chance.
        assert 0.4 < (mask(other, 20) == masks[step]).mean() < 0.6
        for earlier in masks[:step]:
            assert 0.4 < (masks[step] == earlier).mean() < 0.6


def test_masks_of_two_layers_differ() -> None:
    network = Network([Dropout(0.5), Dropout(0.5)], 400, create_engine("numpy", "float64"))
    # A value passes both with probability 1/4; with equal masks it would be 1/2.
    assert 0.2 < (network.forward(np.ones((10, 400)), training=True) != 0).mean() < 0.3


def test_a_mask_is_the_same_on_every_engine_and_type() -> None:
    masks = [mask(make(0.3, 50, name, dtype), 40) for name in ("numpy", "numba") for dtype in ("float32", "float64")]
    for other in masks[1:]:
        np.testing.assert_array_equal(other, masks[0])


def test_a_row_keeps_its_mask_when_the_batch_is_longer() -> None:
    np.testing.assert_array_equal(mask(make(0.5, 9), 30)[:4], mask(make(0.5, 9), 4))


@both_engines
def test_backward_wears_the_forwards_mask(engine_name: str) -> None:
    network = make(0.4, 30, engine_name)
    grads = np.random.default_rng(0).standard_normal((20, 30)).astype(np.float32)
    for rows in (20, 7, 20):
        kept = mask(network, rows)
        np.testing.assert_allclose(
            network.backward(grads[:rows], needs_input_grad=True), grads[:rows] * kept / 0.6, rtol=1e-6
        )


@both_engines
def test_evaluation_is_the_identity_and_takes_no_step(engine_name: str) -> None:
    network = make(0.4, 5, engine_name)
    x = np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32)
    np.testing.assert_array_equal(network.forward(x), x)
    np.testing.assert_array_equal(network.backward(x, needs_input_grad=True), x)
    assert network.states()["dropout1.stream"][1] == 0
    np.testing.assert_array_equal(mask(network, 3), mask(make(0.4, 5, engine_name), 3))


def test_rate_zero_is_the_identity() -> None:
    x = np.ones((2, 5), np.float32)
    np.testing.assert_array_equal(make(0.0, 5).forward(x, training=True), x)


def test_a_loaded_count_continues_the_masks() -> None:
    whole, first = make(0.5, 12), make(0.5, 12)
    masks = [mask(whole, 6) for _ in range(5)]
    for _ in range(3):
        mask(first, 6)
    second = make(0.5, 12)
    second.load_state_dict(first.state_dict())
    np.testing.assert_array_equal(mask(second, 6), masks[3])
    np.testing.assert_array_equal(mask(second, 6), masks[4])


def test_keys_of_steps_are_many() -> None:
    keys = {key_of_step(seed, step) for seed in range(50) for step in range(1000)}
    # 50,000 of 2**32: by chance fewer than one pair is expected to meet.
    assert len(keys) > 49_995
    assert all(0 <= key < 2**32 for key in keys)


@both_engines
def test_a_nan_may_be_dropped_but_not_changed(engine_name: str) -> None:
    network = make(0.5, 100, engine_name)
    kept = mask(make(0.5, 100, engine_name), 10)
    outputs = network.forward(np.full((10, 100), np.nan, np.float32), training=True)
    np.testing.assert_array_equal(np.isnan(outputs), kept)


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5, float("nan"), "0.5", True])
def test_wrong_rates_are_refused(rate: object) -> None:
    with pytest.raises(FFNNError, match=rf"rate must be in \[0, 1\); received {rate!r}"):
        Dropout(rate)  # type: ignore[arg-type]


@pytest.mark.parametrize("units", [0, -3, 2.0, True, "4"])
def test_wrong_numbers_of_units_are_refused(units: object) -> None:
    with pytest.raises(FFNNError, match=rf"units must be a whole number of at least 1; received {units!r}"):
        Linear(units)  # type: ignore[arg-type]
