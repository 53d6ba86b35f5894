"""What Keras calls the things that ffnn registers, and where it defines them differently.

Keras puts epsilons in other places than PyTorch and ffnn do; the bounds say how much that changes.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ffnn.nn import ACTIVATIONS, LOSSES, OPTIMIZERS, SCHEDULES
from ffnn.reference.counterpart import CLIPPINGS, LAYERS, Counterpart, Options, Table
from ffnn.reference.reference import Tables

_FLOAT32 = "Keras keeps its constants in float32"
_ALL = {"loss": 1e-6, "gradients": 1e-6, "parameters": 1e-5, "outputs": 1e-5}

# Classes of keras.layers.
_LAYERS = {
    "linear": Counterpart("Dense", {"units": "units", "use_bias": "bias"}),
    "batch_norm": Counterpart(
        "BatchNormalization",
        {"momentum": lambda layer: 1 - layer.momentum, "epsilon": "epsilon"},
        remark="its running variance is that of the batch itself, without Bessel's correction",
        bounds={"outputs": 0.2},
    ),
    "dropout": Counterpart("Dropout", {"rate": "rate"}),
}

VALUES = {
    "linear": ("weight", "bias"),
    "batch_norm": ("scale", "shift", "running_mean", "running_variance"),
}
"""A layer's values in Keras's order, by ffnn's names."""

# Functions of keras.activations.
_ACTIVATIONS = {
    "identity": Counterpart("linear"),
    "relu": Counterpart("relu"),
    "leaky_relu": Counterpart("leaky_relu", {"negative_slope": "negative_slope"}, {}, _FLOAT32, _ALL),
    "sigmoid": Counterpart("sigmoid"),
    "tanh": Counterpart("tanh"),
    "elu": Counterpart("elu", {"alpha": "alpha"}),
    "gelu": Counterpart("gelu", {}, {"approximate": False}, _FLOAT32, _ALL),
    "gelu_tanh": Counterpart("gelu", {}, {"approximate": True}, _FLOAT32, _ALL),
    "silu": Counterpart("silu"),
    "softplus": Counterpart("softplus"),
    "softmax": Counterpart("softmax"),
}

# Functions of ffnn.reference.keras_losses.
_LOSSES = {
    "cross_entropy": Counterpart("cross_entropy"),
    "focal": Counterpart("focal", {"gamma": "gamma"}),
    "mean_squared_error": Counterpart("mean_squared_error"),
}

# Classes of keras.optimizers.
_VELOCITY = "the learning rate stands inside the velocity: another path wherever a schedule moves it"
_ADAM: Options = {"beta_1": "beta1", "beta_2": "beta2", "epsilon": "epsilon"}
_ADAM_REMARK = "epsilon is added before the correction of bias (Kingma & Ba's second form)"
_ADAM_BOUNDS = {"parameters": 1e-4, "outputs": 1e-4}
_OPTIMIZERS = {
    "sgd": Counterpart("SGD"),
    "momentum": Counterpart("SGD", {"momentum": "momentum"}, {}, _VELOCITY, {"scheduled": 0.2}),
    "nesterov": Counterpart("SGD", {"momentum": "momentum"}, {"nesterov": True}, _VELOCITY, {"scheduled": 0.2}),
    "adagrad": Counterpart(
        "Adagrad",
        {"epsilon": lambda adagrad: adagrad.epsilon**2},
        {"initial_accumulator_value": 0.0},
        "epsilon inside the root: it is given squared, which is the same for gradients of 0 and for large ones",
        {"parameters": 1e-6, "outputs": 1e-6},
    ),
    "rmsprop": Counterpart(
        "RMSprop",
        {"rho": "rho", "epsilon": lambda rmsprop: rmsprop.epsilon**2},
        {},
        "epsilon inside the root: it is given squared, which is the same for gradients of 0 and for large ones",
        {"parameters": 1e-4, "outputs": 1e-4},
    ),
    "adam": Counterpart("Adam", _ADAM, {}, _ADAM_REMARK, _ADAM_BOUNDS),
    "adamw": Counterpart("Adam", _ADAM, {}, _ADAM_REMARK, _ADAM_BOUNDS),
}

# Classes of keras.optimizers.schedules.
_SCHEDULES = {
    "constant": Counterpart(""),
    "step": Counterpart(
        "ExponentialDecay",
        {"initial_learning_rate": "rate", "decay_steps": "every", "decay_rate": "gamma"},
        {"staircase": True},
    ),
    "linear": Counterpart(
        "PolynomialDecay",
        {"initial_learning_rate": "rate", "decay_steps": "epochs", "end_learning_rate": "minimum"},
        {"power": 1.0},
    ),
    "exponential": Counterpart(
        "ExponentialDecay",
        {"initial_learning_rate": "rate", "decay_rate": "gamma"},
        {"decay_steps": 1},
    ),
    "cosine": Counterpart(
        "CosineDecay",
        {"initial_learning_rate": "rate", "decay_steps": "total_steps", "alpha": "end_fraction"},
    ),
}


def exactly(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The same arguments, numbers as NumPy's float64: Keras makes float32 tensors of Python's."""
    return {name: np.float64(value) if type(value) is float else value for name, value in arguments.items()}


TABLES = Tables(
    Table("tensorflow", LAYERS, _LAYERS),
    Table("tensorflow", ACTIVATIONS, _ACTIVATIONS),
    Table("tensorflow", LOSSES, _LOSSES),
    Table("tensorflow", OPTIMIZERS, _OPTIMIZERS),
    Table("tensorflow", SCHEDULES, _SCHEDULES),
    Table(
        "tensorflow",
        CLIPPINGS,
        {
            "clip_norm": Counterpart(
                "clip_by_global_norm",
                {"clip_norm": "max_norm"},
                remark="divides by the norm; PyTorch and ffnn by the norm + 1e-6",
                bounds={"parameters": 1e-5, "outputs": 1e-5},
            ),
            "clip_value": Counterpart("clip_by_value", {"clip_value_max": "max_value"}),
        },
    ),
)
