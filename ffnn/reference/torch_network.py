"""An ffnn network as a `torch.nn.Sequential`, written as PyTorch's users write it, with modules of ffnn's names.

Weights are turned, because PyTorch keeps them (out, in).
"""

from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffnn.nn import Layer, Network
from ffnn.reference.counterparts import TABLES
from ffnn.reference.reference import State

VALUES = {
    "linear": {"weight": "weight", "bias": "bias"},
    "batch_norm": {
        "scale": "weight",
        "shift": "bias",
        "running_mean": "running_mean",
        "running_variance": "running_var",
    },
}
"""A layer's values, by ffnn's names and PyTorch's."""


def build_network(network: Network) -> Any:
    """A `torch.nn.Sequential` of the network's kind, precision and present values, in training mode."""
    import torch

    modules = OrderedDict((name, _module(layer)) for name, layer in network.layers.items())
    sequential = torch.nn.Sequential(modules).to(getattr(torch, network.engine.dtype.name))
    state = network.state_dict()
    with torch.no_grad():
        for name, tensor in values_of(sequential, network).items():
            tensor.copy_(torch.from_numpy(state[name]))
    return sequential


def _module(layer: Layer) -> Any:
    from torch import nn

    counterpart = TABLES["torch"].of_layer(layer)
    return getattr(nn, counterpart.name)(**counterpart.arguments(layer))


def values_of(sequential: Any, network: Network) -> dict[str, Any]:
    """The module's own tensors by ffnn's names, seen in ffnn's shapes: what is written to them is the module's."""
    tensors = {}
    for name, layer in network.layers.items():
        module = getattr(sequential, name)
        for ours, theirs in VALUES.get(layer.kind, {}).items():
            tensor = getattr(module, theirs)
            if tensor is not None:
                tensors[f"{name}.{ours}"] = tensor.detach().T if tensor.ndim == 2 else tensor.detach()
    return tensors


def as_numpy(tensor: Any) -> NDArray[Any]:
    """A copy on the host."""
    return np.array(tensor.detach().cpu().numpy())


def gradients_of(sequential: Any, network: Network) -> State:
    """Copies of all gradients by ffnn's names, in its shapes."""
    gradients = {}
    for name, parameter in sequential.named_parameters():
        layer, _, theirs = name.rpartition(".")
        names = VALUES[network.layers[layer].kind]
        ours = next(key for key, value in names.items() if value == theirs)
        gradients[f"{layer}.{ours}"] = as_numpy(parameter.grad.T if parameter.ndim == 2 else parameter.grad)
    return gradients
