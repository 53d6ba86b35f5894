"""The multilayer perceptron: the usual order of layers, from a handful of numbers.

This is what configs describe; anything else is a list of layers given to `Network`.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

from ffnn.errors import FFNNError
from ffnn.nn.activations import ACTIVATIONS
from ffnn.nn.batch_norm import BatchNorm
from ffnn.nn.layer import Layer
from ffnn.nn.layers import Dropout, Linear

Component: TypeAlias = str | dict[str, Any]
"""A name of a registry, or a mapping of a name and options."""


def mlp_layers(
    hidden_layers: Sequence[int],
    num_outputs: int,
    activation: Component | Sequence[Component] = "relu",
    weight_init: Component = "he_normal",
    bias_init: Component = "zeros",
    batch_norm: bool = False,
    dropout: float = 0.0,
    input_dropout: float = 0.0,
) -> list[Layer]:
    """Linear, batch norm, activation, dropout for each hidden layer, then a linear layer of outputs.

    Parameters
    ----------
    hidden_layers : sequence of int
        Units of each hidden layer; empty for (multinomial) logistic regression.
    num_outputs : int
        Classes.
    activation : name or mapping of `ACTIVATIONS`, or a sequence of them
        The same for every hidden layer, or one for each.
    weight_init, bias_init : name or mapping of `INITIALIZERS`
    batch_norm : bool
        Normalize before each activation.
    dropout, input_dropout : float in [0, 1)
        Probability of zeroing a hidden unit, an input.

    Examples
    --------
    >>> mlp_layers([16], 3, activation="tanh", dropout=0.5)
    [Linear(units=16, bias=True), Tanh(), Dropout(rate=0.5), Linear(units=3, bias=True)]
    >>> mlp_layers([16], 3, activation=["tanh", "relu"])
    Traceback (most recent call last):
    ffnn.errors.FFNNError: activation: expected one name, or one for each of 1 hidden layers; received 2
    """
    activations = [activation] * len(hidden_layers) if isinstance(activation, str | dict) else activation
    if len(activations) != len(hidden_layers):
        expected = f"expected one name, or one for each of {len(hidden_layers)} hidden layers"
        raise FFNNError(f"activation: {expected}; received {len(activations)}")
    layers: list[Layer] = [Dropout(input_dropout)] if input_dropout else []
    for units, component in zip(hidden_layers, activations, strict=True):
        layers.append(Linear(units, weight_init, bias_init))
        if batch_norm:
            layers.append(BatchNorm())
        layers.append(ACTIVATIONS.create(component))
        if dropout:
            layers.append(Dropout(dropout))
    return [*layers, Linear(num_outputs, weight_init, bias_init)]
