"""PyTorch's version of everything that ffnn registers: the independent reference of the mathematics.

Nothing here uses a formula of ffnn; a network's twin is built from its layers' options and values.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ffnn.backend import ENGINES, create_engine
from ffnn.backend.engine import Engine
from ffnn.nn import BatchNorm, Linear, Network

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)

both_engines = pytest.mark.parametrize("engine_name", [name for name in ENGINES if name != "cupy"])

TORCH_ACTIVATIONS: dict[str, list[tuple[dict[str, Any], Callable[[], nn.Module]]]] = {
    "identity": [({}, nn.Identity)],
    "relu": [({}, nn.ReLU)],
    "leaky_relu": [({}, nn.LeakyReLU), *(({"negative_slope": s}, lambda s=s: nn.LeakyReLU(s)) for s in (0.0, 0.3))],
    "sigmoid": [({}, nn.Sigmoid)],
    "tanh": [({}, nn.Tanh)],
    "elu": [({}, nn.ELU), *(({"alpha": a}, lambda a=a: nn.ELU(a)) for a in (0.4, 2.5))],
    "gelu": [({}, nn.GELU)],
    "gelu_tanh": [({}, lambda: nn.GELU(approximate="tanh"))],
    "silu": [({}, nn.SiLU)],
    "mish": [({}, nn.Mish)],
    # Above its threshold, by default 20, PyTorch answers x and so is off by up to 2e-9.
    "softplus": [({}, lambda: nn.Softplus(threshold=500))],
    "softmax": [({}, lambda: nn.Softmax(dim=1))],
}
"""By registered name: options, and the module that they mean in PyTorch."""

ACTIVATION_CASES = [
    pytest.param({"name": name, **options}, make, id="-".join([name, *map(str, options.values())]))
    for name, cases in TORCH_ACTIVATIONS.items()
    for options, make in cases
]


def float64(engine_name: str) -> Engine:
    return create_engine(engine_name, "float64")


def assert_same(actual: Any, expected: Any, tolerance: float = 1e-10) -> None:
    """Equal shapes, NaN and Inf at the same places, and |a - b| <= tolerance * max(1, |b|)."""
    actual, expected = np.asarray(as_numpy(actual), np.float64), np.asarray(as_numpy(expected), np.float64)
    assert actual.shape == expected.shape
    np.testing.assert_array_equal(np.isnan(actual), np.isnan(expected), "NaN at different places")
    infinite = np.isinf(expected)
    np.testing.assert_array_equal(actual[infinite], expected[infinite], "Inf at different places")
    ordinary = np.isfinite(expected)
    difference = np.abs(actual[ordinary] - expected[ordinary]) / np.maximum(1, np.abs(expected[ordinary]))
    assert np.all(difference <= tolerance), f"largest difference {difference.max():.3g} > {tolerance:g}"


def as_numpy(values: Any) -> Any:
    return values.detach().numpy() if isinstance(values, torch.Tensor) else values


def tensor(values: Any, requires_grad: bool = False) -> torch.Tensor:
    result = torch.tensor(np.asarray(values))
    return result.requires_grad_(requires_grad)


def torch_layer(layer: Any) -> nn.Module:
    """The module of the same kind and options, with PyTorch's own initial values."""
    if isinstance(layer, Linear):
        return nn.Linear(layer.input_size, layer.units, bias=layer.bias)
    if isinstance(layer, BatchNorm):
        return nn.BatchNorm1d(layer.input_size, eps=layer.epsilon, momentum=layer.momentum)
    if layer.kind == "leaky_relu":
        return nn.LeakyReLU(layer.negative_slope)
    if layer.kind == "elu":
        return nn.ELU(layer.alpha)
    return TORCH_ACTIVATIONS[layer.kind][0][1]()


class Twin(nn.Module):
    """A network's copy in PyTorch: same layers, same values, PyTorch's own arithmetic and gradients."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.stack = nn.Sequential(*(torch_layer(layer) for layer in network.layers.values()))
        self.tensors: dict[str, nn.Parameter] = {}
        for name, module in zip(network.layers, self.stack, strict=True):
            own = {"weight": "weight", "bias": "bias"} if name.startswith("linear") else {}
            own = {"scale": "weight", "shift": "bias"} if name.startswith("batch_norm") else own
            for ours, theirs in own.items():
                parameter = getattr(module, theirs)
                if parameter is not None:
                    self.tensors[f"{name}.{ours}"] = parameter
        assert set(self.tensors) == {parameter.name for parameter in network.parameters}
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                self.tensors[name].copy_(turned(name, tensor(np.array(parameter.value))))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.stack(inputs)

    def assert_same_values(self, network: Network, tolerance: float = 1e-10) -> None:
        for name, parameter in network.named_parameters():
            assert_same(parameter.value, turned(name, self.tensors[name]), tolerance)

    def assert_same_gradients(self, network: Network, tolerance: float = 1e-10) -> None:
        for name, parameter in network.named_parameters():
            assert_same(parameter.grad, turned(name, self.tensors[name].grad), tolerance)

    def decayed_groups(self, strength: float) -> list[dict[str, Any]]:
        """Parameter groups with weight decay on the weights of linear layers only."""
        weights = [value for name, value in self.tensors.items() if name.endswith(".weight")]
        others = [value for name, value in self.tensors.items() if not name.endswith(".weight")]
        return [{"params": weights, "weight_decay": strength}, {"params": others, "weight_decay": 0.0}]


def turned(name: str, value: torch.Tensor) -> torch.Tensor:
    """A weight the other way round: ffnn keeps (in, out), PyTorch (out, in)."""
    return value.T if name.endswith(".weight") else value
