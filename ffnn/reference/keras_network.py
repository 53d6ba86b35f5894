"""The described network in Keras on TensorFlow, compiled and ready for `fit`.

Keras keeps weights as ffnn does, (in, out).
"""

from typing import Any

from ffnn.reference.description import BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM, Description, State

OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {"sgd": ("SGD", {}), "adam": ("Adam", {"epsilon": 1e-8})}
"""Classes of keras.optimizers and options that differ from Keras's own."""

NORM_VALUES = ("scale", "shift", "running_mean", "running_variance")
"""Keras's gamma, beta, moving mean and moving variance."""


def build_network(description: Description, state: State, seed: int) -> Any:
    """A compiled `keras.Sequential` with the values of `state`; `seed` decides its dropout."""
    import keras

    keras.utils.set_random_seed(seed)
    last = len(description.hidden) + 1
    layers: list[Any] = [keras.Input((description.inputs,))]
    for number, units in enumerate(description.sizes[1:], start=1):
        layers.append(keras.layers.Dense(units, name=f"linear{number}"))
        if number == last:
            break
        if description.batch_norm:
            momentum = 1 - BATCH_NORM_MOMENTUM
            layers.append(
                keras.layers.BatchNormalization(
                    momentum=momentum, epsilon=BATCH_NORM_EPSILON, name=f"batch_norm{number}"
                )
            )
        layers.append(keras.layers.Activation(description.activation))
        if description.dropout:
            layers.append(keras.layers.Dropout(description.dropout))
    network = keras.Sequential(layers)
    for layer in network.layers:
        names = {"Dense": ("weight", "bias"), "BatchNormalization": NORM_VALUES}.get(type(layer).__name__)
        if names:
            layer.set_weights([state[f"{layer.name}.{name}"] for name in names])
    name, options = OPTIMIZERS[description.optimizer]
    optimizer = getattr(keras.optimizers, name)(learning_rate=description.learning_rate, **options)
    network.compile(optimizer, loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return network
