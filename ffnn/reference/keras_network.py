"""An ffnn network as a Keras model on TensorFlow, with the values that it has now.

Keras keeps weights as ffnn does, (in, out).
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from ffnn.nn import Network
from ffnn.reference.counterparts import TABLES

VALUES = {"linear": ("weight", "bias"), "batch_norm": ("scale", "shift", "running_mean", "running_variance")}
"""A layer's values in Keras's order, by ffnn's names."""


def exactly(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The same arguments, numbers as NumPy's float64: Keras makes float32 tensors of Python's."""
    return {name: np.float64(value) if type(value) is float else value for name, value in arguments.items()}


def build_network(network: Network, seed: int) -> Any:
    """A `keras.Sequential` of the same layers, by ffnn's names, and values; `seed` decides its dropout."""
    import keras

    keras.utils.set_random_seed(seed)
    dtype = np.dtype(network.engine.dtype).name
    layers: list[Any] = [keras.Input((network.input_size,), dtype=dtype)]
    for name, layer in network.layers.items():
        counterpart = TABLES["tensorflow"].of_layer(layer)
        arguments = counterpart.arguments(layer)
        if layer.kind in TABLES["tensorflow"].layers:
            layers.append(getattr(keras.layers, counterpart.name)(**arguments, name=name, dtype=dtype))
        else:
            function = partial(getattr(keras.activations, counterpart.name), **exactly(arguments))
            layers.append(keras.layers.Activation(function, name=name, dtype=dtype))
    model = keras.Sequential(layers)
    state = network.state_dict()
    for name, variable in variables_of(model, network).items():
        variable.assign(state[name])
    return model


def variables_of(model: Any, network: Network) -> dict[str, Any]:
    """All variables of the model, by ffnn's names."""
    state = network.state_dict()
    variables: dict[str, Any] = {}
    for name, layer in network.layers.items():
        names = [full for value in VALUES.get(layer.kind, ()) if (full := f"{name}.{value}") in state]
        if names:
            variables.update(zip(names, model.get_layer(name).weights, strict=True))
    return variables
