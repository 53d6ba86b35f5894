"""The multilayer perceptron: the usual order of layers, from a handful of numbers.

This is what configs describe; anything else is a list of layers given to `Network`.
"""

from collections.abc import Sequence
from typing import Any

from ffnn.nn.activations import ACTIVATIONS
from ffnn.nn.batch_norm import BatchNorm
from ffnn.nn.layer import Layer
from ffnn.nn.layers import Dropout, Linear


def mlp_layers(
    hidden_layers: Sequence[int],
    num_outputs: int,
    activation: str | dict[str, Any] = "relu",
    weight_init: str | dict[str, Any] = "he_normal",
    bias_init: str | dict[str, Any] = "zeros",
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
    activation : name or mapping of `ACTIVATIONS`
    weight_init, bias_init : name or mapping of `INITIALIZERS`
    batch_norm : bool
        Normalize before each activation.
    dropout, input_dropout : float in [0, 1)
        Probability of zeroing a hidden unit, an input.

    Examples
    --------
    >>> mlp_layers([16], 3, activation="tanh", dropout=0.5)
    [Linear(units=16, bias=True), Tanh(), Dropout(rate=0.5), Linear(units=3, bias=True)]
    """
    layers: list[Layer] = [Dropout(input_dropout)] if input_dropout else []
    for units in hidden_layers:
        layers.append(Linear(units, weight_init, bias_init))
        if batch_norm:
            layers.append(BatchNorm())
        layers.append(ACTIVATIONS.create(activation))
        if dropout:
            layers.append(Dropout(dropout))
    return [*layers, Linear(num_outputs, weight_init, bias_init)]
