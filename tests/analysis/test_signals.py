"""Signals through depth against what He et al. (2015) and Glorot & Bengio (2010) derived for wide layers."""

import math

import pytest

from ffnn.analysis.signals import signals

DEPTH, WIDTH = 20, 128
# The factor of one layer: n Var(w) for a linear network, half of it for ReLU.
FACTORS = {
    ("he_normal", "relu"): 1.0,
    ("he_uniform", "relu"): 1.0,
    ("xavier_normal", "relu"): 1 / 2,
    ("xavier_uniform", "identity"): 1.0,
    ("lecun_normal", "identity"): 1.0,
    ("pytorch_uniform", "identity"): 1 / 3,
    ("normal", "relu"): WIDTH * 0.01**2 / 2,
}


@pytest.mark.parametrize("pair", FACTORS, ids=" ".join)
def test_each_layer_multiplies_the_variance_by_the_published_factor(pair):
    found = signals(*pair, depth=DEPTH, width=WIDTH)
    for kept in (found.kept_forward, found.kept_backward):
        assert kept ** (1 / (DEPTH - 1)) == pytest.approx(FACTORS[pair], rel=0.06)


def test_he_keeps_relus_variance_over_20_layers_and_a_small_normal_loses_it():
    kept, lost = (signals(name, "relu", DEPTH, WIDTH) for name in ("he_normal", "normal"))
    assert 1 / 3 < kept.kept_forward < 3
    assert 1 / 3 < kept.kept_backward < 3
    assert math.log10(lost.kept_forward) == pytest.approx(19 * math.log10(0.0064), abs=1)


def test_behind_sigmoids_signals_stay_large_but_say_nothing():
    found = signals("xavier_normal", "sigmoid", DEPTH, WIDTH, networks=2)
    assert found.kept_forward > 0.1
    assert found.kept_between < 1e-15
    assert found.kept_backward < 1e-15


def test_weights_of_zero_let_nothing_through():
    found = signals("zeros", "relu", depth=3, width=8, networks=1)
    assert (found.kept_forward, found.kept_between, found.kept_backward) == (0, 0, 0)
