"""W&B's distributions against SciPy's quantiles, and every form of a parameter against W&B's rules."""

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ffnn.errors import FFNNError
from ffnn.sweep.distribution import DISTRIBUTIONS
from ffnn.sweep.distributions import Categorical
from ffnn.sweep.marks import Marks
from ffnn.sweep.space import Space, infer, read_space
from ffnn.tracking import dump_yaml

QUANTILES = np.linspace(0.01, 0.99, 23)
LOGS = (math.log(0.001), math.log(10.0))

REFERENCES: dict[str, tuple[dict[str, Any], Any]] = {
    "uniform": ({"min": -1.0, "max": 3.0}, stats.uniform(-1, 4)),
    "log_uniform_values": ({"min": 0.001, "max": 10.0}, stats.loguniform(0.001, 10)),
    "log_uniform": ({"min": LOGS[0], "max": LOGS[1]}, stats.loguniform(0.001, 10)),
    "inv_log_uniform_values": ({"min": 0.001, "max": 10.0}, stats.loguniform(0.001, 10)),
    # exp(-max) to exp(-min), as in W&B's own inverse distribution function
    "inv_log_uniform": ({"min": -LOGS[1], "max": -LOGS[0]}, stats.loguniform(0.001, 10)),
    "normal": ({"mu": 2.0, "sigma": 3.0}, stats.norm(2, 3)),
    "log_normal": ({"mu": 1.0, "sigma": 0.5}, stats.lognorm(s=0.5, scale=math.exp(1))),
    "beta": ({"a": 2.0, "b": 5.0}, stats.beta(2, 5)),
    "int_uniform": ({"min": 1, "max": 7}, stats.randint(1, 8)),
}
ROUNDED = {
    "q_uniform": ({"min": 0.0, "max": 10.0}, "uniform"),
    "q_log_uniform_values": ({"min": 1.0, "max": 1000.0}, "log_uniform_values"),
    "q_log_uniform": ({"min": 0.0, "max": 7.0}, "log_uniform"),
    "q_normal": ({"mu": 20.0, "sigma": 8.0}, "normal"),
    "q_log_normal": ({"mu": 3.0, "sigma": 0.5}, "log_normal"),
    "q_beta": ({"a": 2.0, "b": 5.0}, "beta"),
}
LISTS = {"constant", "categorical", "categorical_w_probabilities"}


def test_every_distribution_has_a_reference() -> None:
    assert {*REFERENCES, *ROUNDED, *LISTS} == set(DISTRIBUTIONS)


@pytest.mark.parametrize("name", REFERENCES)
def test_quantiles_are_those_of_scipy(name: str) -> None:
    options, reference = REFERENCES[name]
    distribution = DISTRIBUTIONS.create(name, **options)
    found = [distribution.quantile(float(quantile)) for quantile in QUANTILES]
    assert found == pytest.approx(reference.ppf(QUANTILES), rel=1e-9)


@pytest.mark.parametrize("q", [2, 0.25])
@pytest.mark.parametrize("name", ROUNDED)
def test_quantized_values_are_the_nearest_multiples(name: str, q: float) -> None:
    options, plain_name = ROUNDED[name]
    rounded, plain = DISTRIBUTIONS.create(name, **options, q=q), DISTRIBUTIONS.create(plain_name, **options)
    for quantile in QUANTILES:
        value, exact = rounded.quantile(float(quantile)), plain.quantile(float(quantile))
        assert abs(value - exact) <= q / 2 + 1e-9
        assert value / q == pytest.approx(round(value / q))
        assert isinstance(value, type(q))


@pytest.mark.parametrize("name", [*REFERENCES, *ROUNDED])
@settings(deadline=None)  # the first example imports Optuna
@given(quantile=st.floats(0, 1, exclude_max=True))
def test_optuna_accepts_every_latent(name: str, quantile: float) -> None:
    options = (REFERENCES.get(name) or ROUNDED[name])[0]
    distribution = DISTRIBUTIONS.create(name, **options)
    latent = distribution.latent(quantile)
    dimension = distribution.optuna()
    assert dimension._contains(dimension.to_internal_repr(latent))
    assert math.isfinite(distribution.value(latent))


def test_probabilities_are_the_shares_of_draws() -> None:
    distribution = Categorical(["a", "b", "c"], [0.2, 0.5, 0.3])
    drawn = [distribution.quantile((number + 0.5) / 1000) for number in range(1000)]
    assert [drawn.count(value) for value in "abc"] == [200, 500, 300]


def test_values_that_print_alike_stay_apart() -> None:
    distribution = Categorical([64, "64", [64], {"name": "adam"}, None, True])
    assert [distribution.value(label) for label in distribution.values] == [
        64,
        "64",
        [64],
        {"name": "adam"},
        None,
        True,
    ]


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ({"value": 3}, "constant"),
        ({"values": [1, 2]}, "categorical"),
        ({"values": [1, 2], "probabilities": [0.5, 0.5]}, "categorical"),
        ({"min": 1, "max": 2}, "int_uniform"),
        ({"min": 1, "max": 2.0}, "uniform"),
        ({"min": 1, "max": 2, "distribution": "uniform"}, "uniform"),
    ],
)
def test_a_distribution_that_is_not_named_follows_from_the_numbers(spec: dict[str, Any], name: str) -> None:
    assert infer(spec) == name


def space_of(tmp_path: Path, parameters: dict[str, Any]) -> Space:
    path = tmp_path / "sweep.yaml"
    with path.open("w") as file:
        dump_yaml({"parameters": parameters}, file)
    return read_space(parameters, Marks(path))


def test_nested_parameters_are_searched_by_dotted_names_and_handed_over_nested(tmp_path: Path) -> None:
    inner = {"name": {"value": "adam"}, "beta1": {"min": 0.5, "max": 0.9}, "deep": {"parameters": {"x": {"value": 1}}}}
    space = space_of(tmp_path, {"optimizer": {"parameters": inner}, "l2": {"values": [0, 1]}})
    assert list(space.searched) == ["optimizer.beta1", "l2"]
    assert space.arguments({"optimizer.beta1": 0.75, "l2": "1"}) == {
        "optimizer": {"name": "adam", "beta1": 0.75, "deep": {"x": 1}},
        "l2": 1,
    }


def test_a_setting_from_outside_ends_the_search_of_its_parameter(tmp_path: Path) -> None:
    inner = {"name": {"value": "adam"}, "beta1": {"min": 0.5, "max": 0.9}}
    space = space_of(tmp_path, {"optimizer": {"parameters": inner}, "l2": {"values": [0, 1]}})
    assert space.fixed({"optimizer": "sgd", "epochs": 2}).arguments({"l2": "0"}) == {
        "optimizer": "sgd", "l2": 0, "epochs": 2,
    }  # fmt: skip


def test_a_grid_is_every_combination_once(tmp_path: Path) -> None:
    parameters = {
        "a": {"values": ["x", "y"]}, "b": {"min": 1, "max": 3}, "c": {"value": 7},
        "d": {"distribution": "q_uniform", "min": 0.25, "max": 1, "q": 0.25},
    }  # fmt: skip
    grid = space_of(tmp_path, parameters).for_grid()
    points = [grid.values(latents) for latents in grid.grid_points()]
    expected = [{"a": a, "b": b, "d": d} for a in "xy" for b in (1, 2, 3) for d in (0.25, 0.5, 0.75)]
    assert points == expected  # W&B's arange leaves the upper end out
    assert grid.grid_size == 18


@pytest.mark.parametrize("spec", [{"min": 0.0, "max": 1.0}, {"values": [1, 2], "probabilities": [0.5, 0.5]}])
def test_a_grid_over_what_has_no_list_is_refused(tmp_path: Path, spec: dict[str, Any]) -> None:
    with pytest.raises(FFNNError, match=r"l2: a grid needs values"):
        space_of(tmp_path, {"l2": spec}).for_grid()


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (3, "received 3; write {value: 3}"),
        ([32, 64], "write {values: [32, 64]}"),
        ({"min": 0.1, "maximum": 1.0}, "received min and maximum; did you mean 'max'?"),
        ({"name": "uniform", "min": 0.1, "max": 1.0}, "the key is distribution: uniform"),
        ({"value": 1, "values": [1, 2]}, "give either value or values"),
        (
            {"distribution": "uniform", "min": 0.1},
            "uniform needs max; write {distribution: uniform, min: ..., max: ...}",
        ),
        ({}, "expected value, values, min and max"),
        ({"min": 1}, "expected value, values, min and max"),
        ({"values": []}, "expected a list"),
        ({"values": [1, 1]}, "each value once"),
        ({"values": [1, 2], "probabilities": [0.5]}, "one a value, 2; received 1"),
        ({"values": [1, 2], "probabilities": [0.5, 0.6]}, "a sum of 1; received a sum of 1.1"),
        ({"distribution": "log_uniform_value", "min": 1, "max": 2}, "did you mean 'log_uniform_values'"),
        ({"distribution": "log_uniform_values", "min": 0, "max": 2}, "min: expected a number greater than 0"),
        ({"distribution": "log_uniform", "min": -9, "max": 1000}, "natural logarithm"),
        ({"distribution": "normal", "sigma": -1}, "sigma must be in"),
        ({"distribution": "normal", "sgma": 1}, "did you mean 'sigma'"),
        ({"distribution": "q_uniform", "min": 0, "max": 1, "q": 0}, "q: expected a number greater than 0"),
        ({"distribution": "uniform", "min": "a", "max": 1}, "min: expected a number"),
        ({"min": 2, "max": 1}, "min < max; received min 2 and max 1"),
        ({"distribution": "int_uniform", "min": 1.5, "max": 3}, "a whole number"),
        ({"distribution": "uniform", "min": 1}, "needs max"),
        ({"parameters": {"x": {"value": 1}}, "value": 2}, "nothing beside nested"),
        ({"parameters": {}}, "expected parameters by name"),
    ],
)
def test_a_wrong_parameter_is_one_line_with_file_and_line(tmp_path: Path, spec: Any, expected: str) -> None:
    with pytest.raises(FFNNError) as caught:
        space_of(tmp_path, {"epochs": {"value": 1}, "l2": spec})
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)
    assert re.search(r"sweep\.yaml:[4-8]: parameters\.l2", str(caught.value))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60).filter(lambda weights: sum(weights) > 0.1))
def test_probabilities_add_up_without_an_error(weights: list[float]) -> None:
    """Each part sum is rounded once, so that equal files draw equal trials; and no part is added twice."""
    chances = [weight / math.fsum(weights) for weight in weights]
    parts = [math.fsum(chances[: end + 1]) for end in range(len(chances))]
    assert Categorical(list(range(len(chances))), chances).cumulative == parts
