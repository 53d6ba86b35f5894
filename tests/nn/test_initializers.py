"""Initializers: moments against the stated formulas, bounds, and draws that depend on nothing but name and seed."""

import math
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from ffnn.backend import create_engine
from ffnn.errors import FFNNError
from ffnn.nn import INITIALIZERS, BatchNorm, Dropout, Layer, Linear, Network, ReLU

# By name: options, then mean, variance and bound of values for fan_in = 300 and fan_out = 200.
MOMENTS: dict[str, list[tuple[dict[str, Any], float, float, float]]] = {
    "zeros": [({}, 0, 0, 0)],
    "normal": [({}, 0, 1e-4, math.inf), ({"std": 2.0, "mean": 5.0}, 5, 4, math.inf)],
    "uniform": [({}, 0, 0.1**2 / 12, 0.05), ({"low": -0.5, "high": 0.5}, 0, 1 / 12, 0.5)],
    "xavier_uniform": [({}, 0, 2 / 500, math.sqrt(6 / 500))],
    "xavier_normal": [({}, 0, 2 / 500, math.inf)],
    "he_uniform": [({}, 0, 2 / 300, math.sqrt(6 / 300))],
    "he_normal": [({}, 0, 2 / 300, math.inf)],
    "lecun_uniform": [({}, 0, 1 / 300, math.sqrt(3 / 300))],
    "lecun_normal": [({}, 0, 1 / 300, math.inf)],
    "pytorch_uniform": [({}, 0, 1 / 900, math.sqrt(1 / 300))],
    "orthogonal": [({}, 0, 1 / 300, math.inf), ({"gain": 2.0}, 0, 4 / 300, math.inf)],
}
CASES = [
    pytest.param({"name": name, **options}, *rest, id="-".join([name, *map(str, options.values())]))
    for name, cases in MOMENTS.items()
    for options, *rest in cases
]


def test_every_initializer_has_its_moments_stated() -> None:
    assert set(MOMENTS) == set(INITIALIZERS)


@pytest.mark.parametrize(("spec", "mean", "variance", "bound"), CASES)
def test_moments_and_bounds(spec: dict[str, Any], mean: float, variance: float, bound: float) -> None:
    values = INITIALIZERS.create(spec)((300, 200), np.random.default_rng(0))
    assert values.shape == (300, 200)
    assert values.dtype == np.float64
    # Five standard errors of 60,000 values; that of a variance is at most variance * sqrt(2 / n).
    assert abs(values.mean() - mean) <= 5 * math.sqrt(variance / values.size)
    assert abs(values.var() - variance) <= 5 * variance * math.sqrt(2 / values.size)
    assert np.abs(values - mean).max() <= bound
    if 0 < bound < math.inf:
        assert np.abs(values - mean).max() > 0.999 * bound
    elif variance:
        # A normal, not truncated: more than 0.1 % of values lie beyond three deviations, and some beyond four.
        beyond = np.abs(values - mean) / math.sqrt(variance)
        assert 0.002 < (beyond > 3).mean() < 0.0034
        assert (beyond > 4).any()


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("xavier_uniform", torch.nn.init.xavier_uniform_),
        ("xavier_normal", torch.nn.init.xavier_normal_),
        ("he_uniform", torch.nn.init.kaiming_uniform_),
        ("he_normal", torch.nn.init.kaiming_normal_),
        ("pytorch_uniform", partial(torch.nn.init.kaiming_uniform_, a=math.sqrt(5))),  # as torch.nn.Linear does
    ],
)
def test_the_spread_is_pytorchs(name: str, theirs: Any) -> None:
    options = {"nonlinearity": "relu"} if name.startswith("he") else {}
    for fan_in, fan_out in [(50, 400), (400, 50)]:
        weight = torch.empty(fan_out, fan_in)
        theirs(weight, generator=torch.Generator().manual_seed(0), **options)
        values = INITIALIZERS.create(name)((fan_in, fan_out), np.random.default_rng(0))
        assert values.std() == pytest.approx(float(weight.std()), rel=0.02)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (7,)], ids=str)
@pytest.mark.parametrize("name", list(INITIALIZERS))
def test_odd_shapes_and_determinism(name: str, shape: tuple[int, ...]) -> None:
    make = INITIALIZERS.create(name)
    first, again, other = (make(shape, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert first.shape == shape
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(first, again)
    assert name == "zeros" or (first != other).any()


@pytest.mark.parametrize(("shape", "gain"), [((9, 4), 1.0), ((4, 9), 1.0), ((5, 5), 1.5), ((7,), 1.0)], ids=str)
def test_orthogonal_keeps_lengths(shape: tuple[int, ...], gain: float) -> None:
    values = INITIALIZERS.create({"name": "orthogonal", "gain": gain})(shape, np.random.default_rng(0))
    matrix = values.reshape(shape[0], -1)
    gram = matrix @ matrix.T if len(matrix) <= matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(gram, gain**2 * np.eye(len(gram)), atol=1e-12)


def test_orthogonal_matrices_are_uniform_over_all_of_them() -> None:
    """The diagonal of a uniform one is as often below 0 as above; that of a bare QR decomposition never above."""
    diagonal = [
        INITIALIZERS.create("orthogonal")((3, 3), np.random.default_rng(seed)).diagonal() for seed in range(200)
    ]
    below = np.mean(np.array(diagonal) < 0, axis=0)
    np.testing.assert_allclose(below, 0.5, atol=0.12)


def draws(layers: list[Layer], inputs: int = 6, engine: str = "numpy", dtype: str = "float64", seed: int = 0) -> Any:
    return Network(layers, inputs, create_engine(engine, dtype), seed).state_dict()


def test_a_draw_does_not_depend_on_the_layers_around_it() -> None:
    plain = draws([Linear(5, bias_init="uniform"), Linear(4, bias_init="uniform")])
    among = draws(
        [
            Dropout(0.1),
            Linear(5, bias_init="uniform"),
            BatchNorm(),
            ReLU(),
            Linear(4, bias_init="uniform"),
            Linear(3, "zeros"),
        ]
    )
    for name, values in plain.items():
        np.testing.assert_array_equal(among[name], values)
    # Nor on how another layer is drawn.
    other = draws([Linear(5, "uniform"), Linear(4, bias_init="uniform")])
    np.testing.assert_array_equal(other["linear2.weight"], plain["linear2.weight"])


def test_layers_and_seeds_draw_differently() -> None:
    one = draws([Linear(6), Linear(6)])
    assert (one["linear1.weight"] != one["linear2.weight"]).all()
    assert (draws([Linear(6)], seed=1)["linear1.weight"] != one["linear1.weight"]).all()
    np.testing.assert_array_equal(draws([Linear(6)])["linear1.weight"], one["linear1.weight"])


def test_every_engine_and_type_starts_from_the_same_network() -> None:
    def layers() -> list[Layer]:
        return [Linear(5, "xavier_normal", "uniform"), BatchNorm(), Linear(3, "he_uniform")]

    reference = draws(layers())
    for engine in ("numpy", "numba"):
        for dtype in ("float32", "float64"):
            for name, values in draws(layers(), engine=engine, dtype=dtype).items():
                np.testing.assert_array_equal(values, reference[name].astype(dtype))
    np.testing.assert_array_equal(reference["batch_norm1.scale"], np.ones(5))
    np.testing.assert_array_equal(reference["batch_norm1.shift"], np.zeros(5))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "normal", "std": -1.0}, r"std must be in \[0, inf\); received -1.0"),
        ({"name": "normal", "mean": math.nan}, r"mean must be in .* received nan"),
        ({"name": "uniform", "low": 0.5, "high": -0.5}, r"low <= high; received low=0.5, high=-0.5"),
        ({"name": "uniform", "low": "0"}, r"low must be in .* received '0'"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(FFNNError, match=message):
        INITIALIZERS.create(options)
