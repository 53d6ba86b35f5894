"""Contracts of networks, registries and constructors: what is kept, what is refused and in which words."""

import math
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from reference import both_engines

from ffnn.backend import create_engine
from ffnn.backend.engine import Array
from ffnn.backend.numpy_engine import NumpyEngine
from ffnn.errors import FFNNError
from ffnn.nn import (
    ACTIVATIONS,
    INITIALIZERS,
    LOSSES,
    OPTIMIZERS,
    SCHEDULES,
    Adam,
    BatchNorm,
    ClipNorm,
    ClipValue,
    Dropout,
    L2Penalty,
    Linear,
    Network,
    Objective,
    ReLU,
    SoftmaxCrossEntropy,
    Warmup,
    WeightAverage,
    mlp_layers,
)

REGISTRIES = [ACTIVATIONS, INITIALIZERS, LOSSES, OPTIMIZERS, SCHEDULES]


def network(engine_name: str = "numpy", dtype: str = "float32", seed: int = 0) -> Network:
    layers = [Linear(6), BatchNorm(), ReLU(), Dropout(0.4), Linear(3)]
    return Network(layers, 5, create_engine(engine_name, dtype), seed)


def trained(engine_name: str, dtype: str = "float32") -> Network:
    result = network(engine_name, dtype)
    for seed in range(3):
        inputs = np.random.default_rng(seed).standard_normal((8, 5)).astype(dtype)
        result.forward(inputs, training=True)
    return result


# -- states ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "target"), [("numpy", "numba"), ("numba", "numpy"), ("numba", "numba")])
def test_states_travel_between_engines(source: str, target: str) -> None:
    first, second = trained(source), network(target)  # of one seed, as that decides dropout's masks
    first.parameters.values[...] += 0.125
    state = first.state_dict()
    assert {"linear1.weight", "batch_norm1.running_mean", "dropout1.stream"} < set(state)
    second.load_state_dict(state)
    assert second.states()["dropout1.stream"][1] == 3
    inputs = np.random.default_rng(7).standard_normal((4, 5)).astype(np.float32)
    for training in (False, True):
        expected = np.array(first.forward(inputs, training))
        np.testing.assert_allclose(second.forward(inputs, training), expected, atol=1e-6)
    for name, values in second.state_dict().items():
        np.testing.assert_allclose(values, first.state_dict()[name], rtol=1e-6)


def test_a_state_is_a_copy() -> None:
    source = trained("numpy")
    state = source.state_dict()
    for values in state.values():
        values[...] = 77
    assert all((values != 77).all() for values in source.state_dict().values())
    state = source.state_dict()
    source.load_state_dict(state)
    state["linear1.weight"][...] = 77
    assert (source.parameters["linear1.weight"].value != 77).all()


@both_engines
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda state: state.pop("linear2.bias"), r"lacks 'linear2.bias'"),
        (lambda state: state.pop("batch_norm1.running_mean"), r"lacks 'batch_norm1.running_mean'"),
        (lambda state: state.update({"linear3.bias": [1]}), r"has 'linear3.bias'.*did you mean 'linear[12].bias'"),
        (
            lambda state: state.update({"linear2.weight": np.ones((3, 6))}),
            r"linear2.weight: .*numbers of shape \(6, 3\)",
        ),
        (
            lambda state: state.update({"linear2.bias": np.ones(1)}),
            r"shape \(3,\).*has float64 of shape \(1,\)",
        ),
        (
            lambda state: state.update({"dropout1.stream": 5}),
            r"dropout1.stream: .*shape \(2,\)",
        ),
        (
            lambda state: state.update({"linear2.bias": ["a", "b", "c"]}),
            r"linear2.bias: .*received <U1",
        ),
        (lambda state: state.update({"linear2.bias": np.ones(3) * 1j}), r"linear2.bias: .*complex128"),
        (
            lambda state: state.update({"linear2.bias": [[1], [2, 3]]}),
            r"linear2.bias: .*received list",
        ),
        (lambda state: state.update({"dropout1.stream": [1.5, 2.5]}), r"dropout1.stream: expected whole numbers"),
    ],
    ids=[
        "missing",
        "missing state",
        "extra",
        "transposed",
        "broadcastable",
        "scalar",
        "text",
        "complex",
        "ragged",
        "fractional counter",
    ],
)
def test_a_wrong_state_is_refused_and_changes_nothing(
    spoil: Callable[[dict[str, Any]], Any], message: str, engine_name: str
) -> None:
    target = trained(engine_name)
    before = target.state_dict()
    state = {name: np.array(values) + 1 for name, values in before.items()}
    spoil(state)
    with pytest.raises(FFNNError, match=message):
        target.load_state_dict(state)
    for name, values in target.state_dict().items():
        np.testing.assert_array_equal(values, before[name])


# -- parameters -----------------------------------------------------------------------------------


@both_engines
def test_parameters_are_views_of_the_flat_arrays(engine_name: str) -> None:
    net = network(engine_name)
    parameters = net.parameters
    assert len(parameters) == 6
    assert parameters.size == 5 * 6 + 6 + 6 + 6 + 6 * 3 + 3
    assert parameters.penalised_size == 5 * 6 + 6 * 3
    parameters.values[...] = np.arange(parameters.size)
    parameters.grads[...] = -np.arange(parameters.size)
    seen: list[float] = []
    for parameter in parameters:
        assert np.shares_memory(parameter.value, parameters.values)
        assert np.shares_memory(parameter.grad, parameters.grads)
        assert np.shares_memory(parameter.value, parameters.penalised_values) is parameter.name.endswith("weight")
        assert parameter.penalised is parameter.name.endswith("weight")
        np.testing.assert_array_equal(parameter.grad, -parameter.value)
        seen += parameter.value.ravel().tolist()
    assert sorted(seen) == list(range(parameters.size))
    assert parameters.penalised_values.tolist() == list(range(parameters.penalised_size))


def test_the_flat_arrays_keep_the_networks_answer() -> None:
    net = network()
    inputs = np.ones((2, 5), np.float32)
    before = np.array(net.forward(inputs))
    net.parameters.values *= 2
    assert (np.array(net.forward(inputs)) != before).any()


# -- work that is not done ------------------------------------------------------------------------


class CountingEngine(NumpyEngine):
    """Remembers the shape of every product."""

    def __init__(self) -> None:
        super().__init__("float64")
        self.products: list[tuple[int, ...]] = []

    def matmul(self, a: Array, b: Array, out: Array) -> None:
        self.products.append(tuple(out.shape))
        super().matmul(a, b, out)


@pytest.mark.parametrize("before", [[], [Dropout(0.2)], [ReLU()]], ids=["first", "after dropout", "after relu"])
def test_the_gradient_of_the_inputs_is_computed_only_if_asked_for(before: list[Any]) -> None:
    engine = CountingEngine()
    net = Network([*before, Linear(7), ReLU(), Linear(3)], 5, engine)
    net.forward(np.ones((4, 5)), training=True)
    engine.products.clear()
    assert net.backward(np.ones((4, 3))) is None
    assert sorted(engine.products) == [(4, 7), (5, 7), (7, 3)]
    engine.products.clear()
    assert net.backward(np.ones((4, 3)), needs_input_grad=True).shape == (4, 5)
    assert sorted(engine.products) == [(4, 5), (4, 7), (5, 7), (7, 3)]


def test_training_allocates_nothing_in_the_steady_state() -> None:
    net = Network(mlp_layers([128, 128], 10, "tanh", batch_norm=True, dropout=0.2), 100, "numba")
    objective = Objective(net, SoftmaxCrossEntropy(0.1, [1.0] * 10), L2Penalty(0.01))
    optimizer, clip, average = Adam(weight_decay=0.1), ClipValue(1.0), WeightAverage(net.parameters)
    optimizer.connect(net.parameters)
    rng = np.random.default_rng(0)
    inputs, labels = rng.standard_normal((256, 100)).astype(np.float32), rng.integers(0, 10, 256)

    def steps(count: int) -> None:
        for _ in range(count):
            objective.gradients(inputs, labels)
            objective.gradients(inputs[:100], labels[:100])
            clip.apply(net.parameters)
            optimizer.step()
            average.move(average.numbers(0))
            net.forward(inputs)

    def array_bytes() -> int:
        arrays = tracemalloc.DomainFilter(inclusive=True, domain=np.lib.tracemalloc_domain)
        return sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces([arrays]).traces)

    steps(3)
    tracemalloc.start()
    try:
        steps(3)
        before = array_bytes()
        start, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        steps(50)
        _, peak = tracemalloc.get_traced_memory()
        after = array_bytes()
    finally:
        tracemalloc.stop()
    # One activation of the batch is 131,072 bytes. Python keeps up to 2,000 used tuples of each length, 56 bytes each.
    assert peak - start < 60_000
    assert after - before < 1_000


# -- registries -----------------------------------------------------------------------------------


@pytest.mark.parametrize("registry", REGISTRIES, ids=[registry.kind for registry in REGISTRIES])
def test_registries_answer_misspelt_names_with_the_nearest(registry: Any) -> None:
    for name in registry:
        assert name in registry
        assert type(registry.create(name)) is registry[name]
        wrong = name[:-1] + "~"
        with pytest.raises(FFNNError, match=rf"unknown {registry.kind} '{wrong}': expected one of .*did you mean"):
            registry.create({"name": wrong})
        with pytest.raises(FFNNError, match=rf"{registry.kind} '{name}' has no option 'nonsense': it accepts"):
            registry.create(name, nonsense=1)
    with pytest.raises(FFNNError, match=rf"{registry.kind} needs a 'name'"):
        registry.create({"option": 1})
    with pytest.raises(ValueError, match="registered twice"):
        registry.register(next(iter(registry)))(object)


def test_registries_name_the_option_that_was_meant_or_is_missing() -> None:
    with pytest.raises(FFNNError, match=r"'adam' has no option 'beta': .*did you mean 'beta[12]'"):
        OPTIMIZERS.create("adam", beta=0.9)
    from ffnn.registry import Registry

    shapes: Registry[object] = Registry("shape")

    @shapes.register("circle")
    class Circle:
        def __init__(self, radius: float) -> None: ...

    with pytest.raises(FFNNError, match=r"shape 'circle' needs radius: write \{name: circle, radius: \.\.\.\}"):
        shapes.create("circle")


# -- ranges ---------------------------------------------------------------------------------------

NAN, INF = math.nan, math.inf
RANGES: list[tuple[Callable[..., Any], str, str, list[Any]]] = [
    *((OPTIMIZERS[name], "learning_rate", "learning_rate", [0, -1, NAN, INF, "0.1", True]) for name in OPTIMIZERS),
    *((OPTIMIZERS[name], "weight_decay", "weight_decay", [-0.1, NAN, INF]) for name in OPTIMIZERS),
    (OPTIMIZERS["momentum"], "momentum", "momentum", [-0.1, 1, NAN]),
    (OPTIMIZERS["nesterov"], "momentum", "momentum", [-0.1, 1]),
    (OPTIMIZERS["adagrad"], "epsilon", "epsilon", [0, -1]),
    (OPTIMIZERS["rmsprop"], "rho", "rho", [-0.1, 1]),
    (OPTIMIZERS["rmsprop"], "epsilon", "epsilon", [0]),
    *((OPTIMIZERS[name], beta, beta, [-0.1, 1]) for name in ("adam", "adamw") for beta in ("beta1", "beta2")),
    *((OPTIMIZERS[name], "epsilon", "epsilon", [0]) for name in ("adam", "adamw")),
    (ACTIVATIONS["leaky_relu"], "negative_slope", "negative_slope", [-0.1, 1, NAN]),
    (ACTIVATIONS["elu"], "alpha", "alpha", [0, -1, NAN, INF]),
    (BatchNorm, "momentum", "momentum", [0, 1, NAN]),
    (BatchNorm, "epsilon", "epsilon", [0, -1]),
    (ClipNorm, "max_norm", "clip_norm", [0, -1, NAN, INF]),
    (ClipValue, "max_value", "clip_value", [0, -1, NAN, INF]),
    (L2Penalty, "strength", "l2", [-1, NAN, INF]),
    (lambda decay: WeightAverage(network().parameters, decay), "decay", "ema", [0, 1, NAN]),
    (lambda epochs: Warmup(SCHEDULES.create("constant"), epochs), "epochs", "warmup_epochs", [-1, NAN, INF]),
]


@pytest.mark.parametrize(
    ("make", "option", "said", "value"),
    [
        pytest.param(make, option, said, value, id=f"{getattr(make, '__name__', said)}-{option}-{value}")
        for make, option, said, values in RANGES
        for value in values
    ],
)
def test_values_out_of_range_are_refused_with_the_value(
    make: Callable[..., Any], option: str, said: str, value: Any
) -> None:
    with pytest.raises(FFNNError, match=rf"^{said} must be in [\[(].*\); received {value!r}$"):
        make(**{option: value})


def test_a_network_needs_a_layer() -> None:
    with pytest.raises(FFNNError, match="at least one layer"):
        Network([], 3, "numpy")


def test_layers_are_numbered_by_kind_and_summed_up() -> None:
    net = network()
    assert list(net.layers) == ["linear1", "batch_norm1", "relu1", "dropout1", "linear2"]
    lines = net.summary().splitlines()
    assert [line.split(":")[0] for line in lines[1:-1]] == list(net.layers)
    assert lines[-1].split()[:3] == ["total", "3", str(net.parameters.size)]
    # 2 * 5 * 6 and 2 * 6 * 3 for the products, 4 a feature for batch norm
    assert lines[-1].split()[3] == str(60 + 36 + 24)
    assert len({len(line) for line in lines}) == 1


def test_mlp_layers_in_order() -> None:
    layers = mlp_layers([8, 4], 3, {"name": "elu", "alpha": 0.5}, batch_norm=True, dropout=0.2, input_dropout=0.1)
    block = ["linear", "batch_norm", "elu", "dropout"]
    assert [layer.kind for layer in layers] == ["dropout", *block, *block, "linear"]
    assert [layer.rate for layer in layers if isinstance(layer, Dropout)] == [0.1, 0.2, 0.2]
    assert [layer.units for layer in layers if isinstance(layer, Linear)] == [8, 4, 3]
    assert "alpha=0.5" in repr(layers[3])
