"""The described network in PyTorch, written as its users write it.

Weights are turned, because PyTorch keeps them (out, in).
"""

from itertools import pairwise
from typing import Any

from ffnn.reference.description import BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM, Description, State

ACTIVATIONS = {"relu": "ReLU", "tanh": "Tanh", "sigmoid": "Sigmoid"}
"""Modules of torch.nn by ffnn's names."""

OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {"sgd": ("SGD", {}), "adam": ("Adam", {})}
"""Classes of torch.optim and options that differ from PyTorch's own; its Adam is ffnn's."""


def build_network(description: Description, state: State) -> Any:
    """A `torch.nn.Sequential` with the values of `state`, in training mode."""
    from torch import nn

    layers: list[Any] = []
    sizes = description.sizes
    for number, (size, units) in enumerate(pairwise(sizes), start=1):
        linear = nn.Linear(size, units)
        _fill(linear, {"weight": state[f"linear{number}.weight"].T, "bias": state[f"linear{number}.bias"]})
        layers.append(linear)
        if number <= len(description.hidden):
            layers += _after_hidden(description, state, number)
    return nn.Sequential(*layers)


def _after_hidden(description: Description, state: State, number: int) -> list[Any]:
    """What follows hidden layer `number`."""
    from torch import nn

    layers: list[Any] = []
    if description.batch_norm:
        norm = nn.BatchNorm1d(description.hidden[number - 1], BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM)
        ours = {"weight": "scale", "bias": "shift", "running_mean": "running_mean", "running_var": "running_variance"}
        _fill(norm, {theirs: state[f"batch_norm{number}.{name}"] for theirs, name in ours.items()})
        layers.append(norm)
    layers.append(getattr(nn, ACTIVATIONS[description.activation])())
    if description.dropout:
        layers.append(nn.Dropout(description.dropout))
    return layers


def build_optimizer(description: Description, network: Any) -> Any:
    """PyTorch's fused optimizer of the network's parameters."""
    import torch

    name, options = OPTIMIZERS[description.optimizer]
    make = getattr(torch.optim, name)
    return make(network.parameters(), lr=description.learning_rate, fused=True, **options)


def train_step(network: Any, optimizer: Any, inputs: Any, labels: Any) -> Any:
    """One update; the loss before it, as a tensor."""
    from torch.nn.functional import cross_entropy

    optimizer.zero_grad()
    loss = cross_entropy(network(inputs), labels)
    loss.backward()
    optimizer.step()
    return loss.detach()


def _fill(module: Any, values: State) -> None:
    import torch

    with torch.no_grad():
        for name, array in values.items():
            getattr(module, name).copy_(torch.from_numpy(array))
