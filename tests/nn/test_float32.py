"""float32 beside PyTorch's float32, both against float64: whatever is registered rounds no worse, at any size."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from nn.references import TORCH_LOSSES, TORCH_OPTIMIZERS, K
from reference import ACTIVATION_CASES, both_engines
from scipy.ndimage import maximum_filter1d
from torch import nn

from ffnn.backend import create_engine
from ffnn.nn import ACTIVATIONS, LOSSES, OPTIMIZERS, BatchNorm, ClipNorm, L2Penalty, Linear, Network, WeightAverage

UNIT = 2.0**-24
"""The part of a number that rounding to float32 may take or add."""

Pair = tuple[np.ndarray, np.ndarray]


def assert_no_worse(ours: Any, theirs: Any, exact: Any, size: Any = None) -> None:
    """Our errors are at most 4 of theirs and 4 roundings of numbers of this size, by default their own."""
    ours, theirs, exact = (np.asarray(values, np.float64) for values in (ours, theirs, exact))
    error, their_error = np.abs(ours - exact), np.abs(theirs - exact)
    excess = error - 4 * their_error - 4 * UNIT * (np.abs(exact) if size is None else size)
    worst = np.unravel_index(np.argmax(excess), excess.shape)
    assert np.all(excess <= 0), (
        f"at {worst}: {ours[worst]:.9g} for {exact[worst]:.9g}, off by {error[worst]:.2g}; "
        f"PyTorch by {their_error[worst]:.2g}"
    )


def engine_of(name: str) -> Any:
    return create_engine(name, "float32")


# -- losses ---------------------------------------------------------------------------------------

LOSS_CASES = [
    pytest.param({"name": name, **options}, reference, id="-".join([name, *options]))
    for name, cases in TORCH_LOSSES.items()
    for options, reference in cases
]


def outputs_of_every_size() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    normal = rng.standard_normal((64, K))
    batches = {f"about 1e{power}": normal * 10.0**power for power in range(-3, 7)}
    batches |= {f"whole numbers times 1e{power}": np.round(normal) * 10.0**power for power in (0, 3, 6)}
    batches |= {"all equal": np.full((64, K), 7.3), "about 1000": normal * 4 + 1000, "about -1e4": normal * 4 - 1e4}
    batches["one far ahead"] = np.tile([1000.0, 992, 0, 1, 2], (64, 1))
    return {name: batch.astype(np.float32) for name, batch in batches.items()}


def torch_loss(reference: Callable[..., torch.Tensor], outputs: np.ndarray, labels: np.ndarray, kind: Any) -> Pair:
    z = torch.tensor(outputs, dtype=kind, requires_grad=True)
    value = reference(z, torch.tensor(labels))
    value.backward()
    assert z.grad is not None
    return np.array(value.item()), z.grad.numpy()


@both_engines
@pytest.mark.parametrize(("spec", "reference"), LOSS_CASES)
def test_losses(spec: dict[str, Any], reference: Callable[..., torch.Tensor], engine_name: str) -> None:
    loss, engine = LOSSES.create(spec), engine_of(engine_name)
    loss.connect(engine, K)
    drawn = np.random.default_rng(1).integers(0, K, 64)
    for outputs in outputs_of_every_size().values():
        for labels in (drawn, outputs.argmax(1), np.zeros(64, np.int64)):
            exact, theirs = (torch_loss(reference, outputs, labels, kind) for kind in (torch.float64, torch.float32))
            value = loss.forward(engine.array(outputs), engine.array(labels, np.int64))
            assert_no_worse(value, theirs[0], exact[0])
            # A gradient is a sum of a row's terms: what counts is its error beside the largest one.
            slack = np.abs(theirs[1] - exact[1]).max(), np.abs(exact[1]).max()
            assert_no_worse(loss.backward(), exact[1] + slack[0], exact[1], slack[1])


# -- activations ----------------------------------------------------------------------------------

X = np.concatenate([np.geomspace(1e-6, 85, 1000), [0]])
X = np.sort(np.concatenate([X, -X])).astype(np.float32)[:, None]


def torch_activation(make: Callable[[], nn.Module], kind: Any) -> Pair:
    x = torch.tensor(X, dtype=kind, requires_grad=True)
    y = make().to(kind)(x)
    y.sum().backward()
    assert x.grad is not None
    return y.detach().numpy(), x.grad.numpy()


@both_engines
@pytest.mark.parametrize(("spec", "make"), [case for case in ACTIVATION_CASES if case.values[0]["name"] != "softmax"])
def test_activations(spec: dict[str, Any], make: Callable[[], nn.Module], engine_name: str) -> None:
    """To their tails, where values and slopes of 1e-30 have as many digits as those of 1."""
    engine = engine_of(engine_name)
    network = Network([ACTIVATIONS.create(spec)], 1, engine)
    (layer,) = network.layers.values()
    with engine.quiet():
        value = np.array(network.forward(engine.array(X), training=True))
        slope = np.array(layer.backward(engine.array(np.ones_like(X))))
    wide, narrow = torch_activation(make, torch.float64), torch_activation(make, torch.float32)
    for ours, theirs, exact in zip((value, slope), narrow, wide, strict=True):
        # Rounding is luck at a single place: the largest error nearby counts.
        nearby = maximum_filter1d(np.abs(theirs - exact)[:, 0], 31)[:, None]
        # PyTorch's own float64 has lost the tail of GELU, 1 + erf, there.
        lost = 1e-15 if spec["name"].startswith("gelu") else 1e-36
        assert_no_worse(ours, exact + nearby, exact, np.abs(exact) + lost / UNIT)


# -- optimizers -----------------------------------------------------------------------------------

optim = torch.optim
BETAS = [(0.9, 0.999), (0.0, 0.0), (0.5, 0.1), (0.9, 0.99999), (0.99, 0.999999), (0.9, 1 - 1e-8), (0.99999, 0.999)]
OPTIMIZER_CASES: list[tuple[dict[str, Any], Callable[[Any], torch.optim.Optimizer]]] = [
    ({"name": "sgd"}, lambda p: optim.SGD(p, 0.001)),
    *(
        ({"name": name, "momentum": m}, lambda p, m=m, n=name: optim.SGD(p, 0.001, m, nesterov=n == "nesterov"))
        for name in ("momentum", "nesterov")
        for m in (0.5, 0.9, 0.999999)
    ),
    *(({"name": "adagrad", "epsilon": e}, lambda p, e=e: optim.Adagrad(p, 0.001, eps=e)) for e in (1e-30, 1e-10, 1.0)),
    *(
        ({"name": "rmsprop", "rho": rho}, lambda p, rho=rho: optim.RMSprop(p, 0.001, rho))
        for rho in (0.0, 0.1, 0.9, 0.99, 0.99999, 1 - 1e-8)
    ),
    *(({"name": "adam", "beta1": a, "beta2": b}, lambda p, b=(a, b): optim.Adam(p, 0.001, b)) for a, b in BETAS),
    *(
        ({"name": "adamw", "beta2": b, "weight_decay": d}, lambda p, b=b, d=d: optim.AdamW(p, 0.001, (0.9, b), 1e-8, d))
        for b in (0.999, 0.999999)
        for d in (0.01, 1e-3)
    ),
]
_named = {spec["name"] for spec, _ in OPTIMIZER_CASES}
OPTIMIZER_CASES += [
    ({"name": name, **options}, lambda p, make=make: make(p, 0.001))
    for name, cases in TORCH_OPTIMIZERS.items()
    for options, make in cases
    if name not in _named
]
STEPS = 30


def torch_steps(make: Callable[[Any], torch.optim.Optimizer], start: np.ndarray, grads: np.ndarray, kind: Any) -> Any:
    value = torch.tensor(start, dtype=kind, requires_grad=True)
    optimizer = make([value])
    for grad in grads:
        value.grad = torch.tensor(grad, dtype=kind)
        optimizer.step()
    return value.detach().numpy()


@both_engines
@pytest.mark.parametrize(
    ("spec", "make"), [pytest.param(*case, id="-".join(map(str, case[0].values()))) for case in OPTIMIZER_CASES]
)
def test_optimizers(spec: dict[str, Any], make: Callable[[Any], torch.optim.Optimizer], engine_name: str) -> None:
    rng, engine = np.random.default_rng(0), engine_of(engine_name)
    network = Network([Linear(8, bias=False)], 16, engine)
    parameters = network.parameters
    # From 0, so that what is compared is the way; decay needs something to shrink.
    start = (rng.standard_normal(parameters.size) * ("decay" in str(spec))).astype(np.float32)
    grads = rng.standard_normal((STEPS, parameters.size)).astype(np.float32)
    optimizer = OPTIMIZERS.create(spec, learning_rate=0.001)
    optimizer.connect(parameters)
    parameters.values[...] = engine.array(start)
    for grad in grads:
        parameters.grads[...] = engine.array(grad)
        optimizer.step()
    exact, theirs = (torch_steps(make, start, grads, kind) for kind in (torch.float64, torch.float32))
    assert_no_worse(parameters.values, exact + np.abs(theirs - exact).max(), exact, np.abs(exact).max())


@both_engines
@pytest.mark.parametrize(("name", "option", "slot"), [("adam", "beta2", "v"), ("rmsprop", "rho", "average")])
def test_an_average_of_squares_forgets_at_its_rate(name: str, option: str, slot: str, engine_name: str) -> None:
    """0.99999 in float32 is 0.99998999: an average that forgot by that would settle 0.13 % beside the squares."""
    engine = engine_of(engine_name)
    parameters = Network([Linear(2, bias=False)], 2, engine).parameters
    optimizer = OPTIMIZERS.create({"name": name, option: 0.99999})
    optimizer.connect(parameters)
    before = np.array([1.0, 2.0, 3.0, 4.0])
    optimizer.load_state_dict({**optimizer.state_dict(), slot: before, "steps": 10**6})
    for _ in range(2000):
        optimizer.step()  # gradients are 0
    np.testing.assert_allclose(optimizer.state_dict()[slot], before * 0.99999**2000, rtol=3e-5)


# -- what stands beside them ----------------------------------------------------------------------


@both_engines
@pytest.mark.parametrize("decay", [0.9, 0.999, 0.999999, 1 - 1e-9])
def test_weight_averages(decay: float, engine_name: str) -> None:
    engine = engine_of(engine_name)
    parameters = Network([Linear(50)], 20, engine, seed=1).parameters
    average = WeightAverage(parameters, decay)
    start = np.array(parameters.values, np.float64)
    average.steps = 10**12  # beyond the ramp
    for _ in range(100):
        average.move(average.numbers(average.steps))
    np.testing.assert_array_equal(average.values, start, "the average of equal weights is another one")
    moved = np.float32(start + 1000)
    parameters.values[...] = engine.array(moved)
    for _ in range(100):
        average.move(average.numbers(average.steps))
    exact = moved + (start - moved) * decay**100
    assert np.abs(average.values - exact).max() <= 100 * UNIT * np.abs(exact).max()


@both_engines
@pytest.mark.parametrize("momentum", [0.1, 1e-6, 0.999999])
@pytest.mark.parametrize(("mean", "std"), [(0, 1), (1e3, 1), (1e5, 1), (1, 1e-3), (1e-20, 1e-20)])
@pytest.mark.parametrize("rows", [2, 33, 1000])
def test_batch_norm(rows: int, mean: float, std: float, momentum: float, engine_name: str) -> None:
    rng, engine = np.random.default_rng(rows), engine_of(engine_name)
    x = (rng.standard_normal((rows, 6)) * std + mean).astype(np.float32)
    grad = rng.standard_normal((rows, 6)).astype(np.float32)
    network = Network([BatchNorm(momentum)], 6, engine)
    (layer,) = network.layers.values()
    outputs = np.array(network.forward(engine.array(x), training=True))
    ours = [outputs, np.array(layer.backward(engine.array(grad))), *map(np.array, layer.state().values())]

    def torchs(kind: Any) -> list[np.ndarray]:
        module = nn.BatchNorm1d(6, momentum=momentum, dtype=kind)
        z = torch.tensor(x, dtype=kind, requires_grad=True)
        y = module(z)
        y.backward(torch.tensor(grad, dtype=kind))
        found = [y.detach(), z.grad, module.running_mean, module.running_var]
        return [tensor.numpy() for tensor in found if tensor is not None]

    for one, theirs, exact in zip(ours, torchs(torch.float32), torchs(torch.float64), strict=True):
        assert_no_worse(one, exact + np.abs(theirs - exact).max(), exact, 4 * np.abs(exact).max())


@both_engines
@pytest.mark.parametrize("size", [1e-30, 1e-3, 1.0, 1e15])
def test_clipping_and_penalty(size: float, engine_name: str) -> None:
    """Over 300,000 gradients, whose squares in float32 would vanish or overflow."""
    rng, engine = np.random.default_rng(0), engine_of(engine_name)
    parameters = Network([Linear(500)], 600, engine, seed=1).parameters
    grads = (rng.standard_normal(parameters.size) * size).astype(np.float32)
    parameters.grads[...] = engine.array(grads)
    L2Penalty(0.3).add_gradient(parameters, 0.3)
    weights = np.array(parameters.values, np.float64)
    weights[parameters.penalised_size :] = 0
    exact = grads + 0.3 * weights
    assert_no_worse(parameters.grads, exact, exact, np.abs(grads) + np.abs(weights))
    ClipNorm(0.7).apply(parameters)
    factor = min(1.0, 0.7 / (np.linalg.norm(exact) + 1e-6))
    assert_no_worse(parameters.grads, factor * exact, factor * exact, factor * (np.abs(grads) + np.abs(weights)))
