"""Optimizers: whole trajectories against PyTorch, from tiny to absurd learning rates, and what a saved one keeps."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from nn.references import TORCH_OPTIMIZERS, Groups, optim
from reference import Twin, assert_same, both_engines, tensor
from torch.nn import functional

from ffnn.backend import create_engine
from ffnn.errors import FFNNError
from ffnn.nn import (
    OPTIMIZERS,
    Adam,
    BatchNorm,
    L2Penalty,
    Linear,
    Network,
    Objective,
    SoftmaxCrossEntropy,
    Tanh,
)

CASES = [
    pytest.param({"name": name, **options}, make, id="-".join([name, *map(str, options.values())]))
    for name, cases in TORCH_OPTIMIZERS.items()
    for options, make in cases
]


def problem(
    engine_name: str, dtype: str = "float64", penalty: float = 0.0, batch_norm: bool = True
) -> tuple[Objective, np.ndarray, np.ndarray]:
    # Batch norm stands after the tanh: before it, it would take all effect from the biases, whose gradients would
    # be rounding noise that Adam makes steps of.
    normalize = [BatchNorm()] if batch_norm else []
    hidden = [Linear(6, "xavier_normal", "uniform"), Tanh(), *normalize, Linear(5, "he_uniform"), Tanh()]
    network = Network([*hidden, Linear(3)], 4, create_engine(engine_name, dtype), seed=1)
    rng = np.random.default_rng(0)
    inputs, labels = rng.standard_normal((12, 4)).astype(dtype), rng.integers(0, 3, 12)
    return Objective(network, SoftmaxCrossEntropy(), L2Penalty(penalty) if penalty else None), inputs, labels


def follow(
    engine_name: str,
    spec: dict[str, Any],
    make: Callable[[Groups, float], torch.optim.Optimizer],
    rate: float,
    steps: int,
    tolerance: float,
    decay: float = 0.0,
    penalty: float = 0.0,
) -> None:
    """The same steps by ffnn and by PyTorch, compared after each of the first ten and at the end."""
    # A rate that drives every tanh to its ends leaves batch norm only rounding to divide by.
    objective, inputs, labels = problem(engine_name, penalty=penalty, batch_norm=rate < 0.1)
    twin = Twin(objective.network)
    theirs = make(twin.decayed_groups(decay), rate)
    optimizer = OPTIMIZERS.create(spec, learning_rate=rate)
    optimizer.connect(objective.network.parameters)
    for step in range(steps):
        objective.gradients(inputs, labels)
        optimizer.step()
        theirs.zero_grad()
        functional.cross_entropy(twin(tensor(inputs)), tensor(labels)).backward()
        theirs.step()
        if step < 10 or step == steps - 1:
            assert np.isfinite(objective.network.parameters.values).all()
            twin.assert_same_values(objective.network, tolerance)


def test_every_optimizer_has_a_reference() -> None:
    assert set(TORCH_OPTIMIZERS) == set(OPTIMIZERS)


@both_engines
@pytest.mark.parametrize(("rate", "steps"), [(1e-6, 10), (0.01, 100), (1.0, 10), (1e6, 10)])
@pytest.mark.parametrize(("spec", "make"), CASES)
def test_trajectories_are_pytorchs(
    spec: dict[str, Any],
    make: Callable[[Groups, float], torch.optim.Optimizer],
    rate: float,
    steps: int,
    engine_name: str,
) -> None:
    # At absurd rates rules that divide by a gradient's size make whole steps of what rounding left of p - t.
    follow(engine_name, spec, make, rate, steps, 1e-10 if rate < 0.1 else 1e-8)


@both_engines
@pytest.mark.parametrize("decay", [0.01, 0.3])
def test_adamw_decays_the_weights_alone_as_pytorch_with_groups(decay: float, engine_name: str) -> None:
    spec = {"name": "adamw", "weight_decay": decay}
    follow(engine_name, spec, optim.AdamW, 0.01, 100, 1e-10, decay)
    follow(engine_name, {**spec, "name": "adam"}, optim.AdamW, 1.0, 10, 1e-10, decay)


def test_adamw_decays_by_a_hundredth_unless_told_otherwise() -> None:
    defaults = optim.AdamW([torch.zeros(1)]).defaults
    adamw = OPTIMIZERS.create("adamw")
    assert adamw.weight_decay == defaults["weight_decay"]
    assert OPTIMIZERS.create("adam").weight_decay == 0


@pytest.mark.parametrize(
    ("name", "torch_class", "names"),
    [
        ("adam", optim.Adam, {"learning_rate": "lr", "epsilon": "eps"}),
        ("adamw", optim.AdamW, {"learning_rate": "lr", "epsilon": "eps"}),
        ("adagrad", optim.Adagrad, {"learning_rate": "lr", "epsilon": "eps"}),
        ("rmsprop", optim.RMSprop, {"rho": "alpha", "epsilon": "eps"}),
    ],
)
def test_defaults_are_pytorchs(name: str, torch_class: Any, names: dict[str, str]) -> None:
    defaults = torch_class([torch.zeros(1)]).defaults
    ours = OPTIMIZERS.create(name)
    assert {option: getattr(ours, option) for option in names} == {
        option: defaults[theirs] for option, theirs in names.items()
    }
    if "betas" in defaults:
        assert (ours.beta1, ours.beta2) == defaults["betas"]


@both_engines
def test_l2_with_sgd_is_pytorchs_weight_decay_of_the_weights(engine_name: str) -> None:
    sgd = TORCH_OPTIMIZERS["sgd"][0][1]
    follow(engine_name, {"name": "sgd"}, sgd, 0.05, 100, 1e-10, decay=0.1, penalty=0.1)


@both_engines
def test_decoupled_decay_shrinks_weights_and_leaves_the_rest(engine_name: str) -> None:
    for name in OPTIMIZERS:
        objective, _, _ = problem(engine_name)
        parameters = objective.network.parameters
        before = {p.name: np.array(p.value) for p in parameters}
        optimizer = OPTIMIZERS.create(name, learning_rate=0.5, weight_decay=0.2)
        optimizer.connect(parameters)
        optimizer.step()
        for parameter in parameters:
            factor = 1 - 0.5 * 0.2 if parameter.name.endswith("weight") else 1.0
            np.testing.assert_allclose(parameter.value, factor * before[parameter.name], rtol=1e-15)


@pytest.mark.parametrize(("spec", "make"), CASES)
def test_the_engines_agree(spec: dict[str, Any], make: object) -> None:
    """One step from random slots and gradients: a trajectory in float32 would compare roundings, not rules."""

    def one_step(engine_name: str, dtype: str) -> list[np.ndarray]:
        objective, _, _ = problem(engine_name, dtype)
        parameters, rng = objective.network.parameters, np.random.default_rng(5)
        optimizer = OPTIMIZERS.create(spec, learning_rate=0.1)
        optimizer.connect(parameters)
        slots = {name: rng.uniform(0.1, 1, parameters.size) for name in optimizer.slots}
        optimizer.load_state_dict({**slots, "steps": 6})
        parameters.grads[...] = rng.standard_normal(parameters.size)
        optimizer.step()
        state = optimizer.state_dict()
        assert state.pop("steps") == 7
        return [np.array(parameters.values), *state.values()]

    reference = one_step("numpy", "float64")
    for engine_name, dtype, tolerance in [
        ("numba", "float64", 1e-12),
        ("numba", "float32", 1e-6),
        ("numpy", "float32", 1e-6),
    ]:
        for actual, expected in zip(one_step(engine_name, dtype), reference, strict=True):
            assert_same(actual, expected, tolerance)


@both_engines
@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_a_nan_gradient_reaches_the_parameter_and_no_other(name: str, engine_name: str) -> None:
    objective, _, _ = problem(engine_name, "float32")
    parameters = objective.network.parameters
    parameters.grads[...] = 1
    parameters.grads[7] = np.nan
    optimizer = OPTIMIZERS.create(name)
    optimizer.connect(parameters)
    optimizer.step()
    assert list(np.flatnonzero(np.isnan(parameters.values))) == [7]


@both_engines
@pytest.mark.parametrize("name", list(OPTIMIZERS))
@pytest.mark.parametrize("number", [float, np.float64, np.float32, int], ids=lambda kind: kind.__name__)
def test_the_learning_rate_may_be_any_kind_of_number(name: str, number: type, engine_name: str) -> None:
    def moved(rate: Any) -> np.ndarray:
        objective, inputs, labels = problem(engine_name, "float32")
        optimizer = OPTIMIZERS.create(name)
        optimizer.connect(objective.network.parameters)
        objective.gradients(inputs, labels)
        optimizer.learning_rate = rate
        optimizer.step()
        return np.array(objective.network.parameters.values)

    whole = 2.0 if number is int else 0.5
    np.testing.assert_allclose(moved(number(whole)), moved(whole), rtol=1e-6, atol=1e-6)


@both_engines
@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_a_saved_optimizer_goes_on_as_if_never_stopped(name: str, engine_name: str) -> None:
    def steps(objective: Objective, optimizer: Any, count: int) -> None:
        for _ in range(count):
            objective.gradients(inputs, labels)
            optimizer.step()

    objective, inputs, labels = problem(engine_name)
    optimizer = OPTIMIZERS.create(name, learning_rate=0.05)
    optimizer.connect(objective.network.parameters)
    steps(objective, optimizer, 3)
    weights, state = objective.network.state_dict(), optimizer.state_dict()
    steps(objective, optimizer, 4)

    resumed, _, _ = problem(engine_name)
    resumed.network.load_state_dict(weights)
    second = OPTIMIZERS.create(name, learning_rate=0.05)
    second.connect(resumed.network.parameters)
    second.load_state_dict(state)
    steps(resumed, second, 4)
    np.testing.assert_array_equal(resumed.network.parameters.values, objective.network.parameters.values)
    with pytest.raises(FFNNError, match=r"expected .*steps; received nothing"):
        second.load_state_dict({"nothing": 1})


@pytest.mark.parametrize(
    ("spoiled", "message"),
    [
        ({"v": ["a", "b"]}, "v: expected numbers; received <U1"),
        ({"v": np.ones((2, 1))}, r"v: expected numbers of shape \(2,\)"),
        ({"v": np.ones(2) * 1j}, "complex128"),
        ({"steps": -1}, "steps: expected at least 0; received -1"),
        ({"steps": 1.5}, "steps: expected whole numbers"),
        ({"steps": "seven"}, "steps: expected numbers; received <U5"),
        ({"steps": [1, 2]}, r"steps: expected whole numbers of shape \(\)"),
    ],
)
def test_a_wrong_state_is_refused_and_changes_nothing(spoiled: dict[str, Any], message: str) -> None:
    optimizer = Adam()
    optimizer.connect(Network([Linear(1)], 1, "numpy").parameters)
    optimizer.load_state_dict({"m": [1.0, 2.0], "v": [3.0, 4.0], "steps": 5})
    before = optimizer.state_dict()
    with pytest.raises(FFNNError, match=message):
        optimizer.load_state_dict({"m": np.ones(2), "v": np.ones(2), "steps": 9} | spoiled)
    for name, values in optimizer.state_dict().items():
        np.testing.assert_array_equal(values, before[name])
