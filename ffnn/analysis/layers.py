"""What each layer of a network answers, one by one: the networks themselves run some layers together.

Layers overwrite their arrays with the next batch, so copies are handed out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffnn.backend.engine import Array
from ffnn.nn import ACTIVATIONS, Linear, Network


def layer_outputs(network: Network, inputs: Array) -> dict[str, NDArray[Any]]:
    """The outputs of every layer at evaluation, by name, as float64 arrays (rows, units).

    Examples
    --------
    >>> from ffnn.nn import ReLU
    >>> network = Network([Linear(3), ReLU(), Linear(2)], input_size=4, engine="numpy")
    >>> outputs = layer_outputs(network, np.ones((5, 4), np.float32))
    >>> {name: values.shape for name, values in outputs.items()}
    {'linear1': (5, 3), 'relu1': (5, 3), 'linear2': (5, 2)}
    """
    values, outputs = network.engine.array(inputs), {}
    for name, layer in network.layers.items():
        values = layer.forward(values)
        outputs[name] = np.array(network.engine.host(values), np.float64)
    return outputs


def hidden_names(network: Network) -> list[str]:
    """The names of the activations of hidden layers, first to last."""
    return [name for name, layer in list(network.layers.items())[:-1] if layer.kind in ACTIVATIONS]


@dataclass(frozen=True)
class Flow:
    """What went into a linear layer (rows, in), and dLoss/doutputs (rows, out) that came back to it.

    The outputs (rows, out) are those before the activation.
    """

    name: str
    layer: Linear
    inputs: NDArray[Any]
    outputs: NDArray[Any]
    grad_outputs: NDArray[Any]


def flows(network: Network, inputs: Array, grad_of: Any) -> Iterator[Flow]:
    """A forward pass at evaluation and a backward pass, seen at every linear layer, from the last to the first.

    Inputs are (rows, input_size); `grad_of` leads from the network's outputs to dLoss/doutputs.
    """
    engine, values = network.engine, network.engine.array(inputs)
    signals = {}
    for name, layer in network.layers.items():
        entered = np.array(engine.host(values), np.float64)
        values = layer.forward(values)
        if isinstance(layer, Linear):
            signals[name] = entered, np.array(engine.host(values), np.float64)
    grad = grad_of(values)
    for name, layer in reversed(network.layers.items()):
        if isinstance(layer, Linear):
            yield Flow(name, layer, *signals[name], np.array(engine.host(grad), np.float64))
        grad = layer.backward(grad)
