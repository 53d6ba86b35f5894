"""From an estimator's parameters to a validated config, the loss and the size of batches.

A config checks each value once and says what it expected; here are only the few things that scikit-learn says
differently.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from ffnn.errors import FFNNError
from ffnn.lab.config import Config, make_config, name_of
from ffnn.nn import LOSSES, Loss
from ffnn.training.trainer import Callback


def plain(value: Any) -> Any:
    """The value in Python's own types: searches hand over NumPy's numbers and arrays.

    Examples
    --------
    >>> plain({"beta1": np.float64(0.5), "layers": (np.int64(8), 4)})
    {'beta1': 0.5, 'layers': [8, 4]}
    """
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, tuple | list) else value


def config_of(parameters: Mapping[str, Any], dtype: np.dtype[Any] | None = None) -> tuple[Config, Any]:
    """The config that an estimator's parameters describe, and its activations; FFNNError for what it does not allow.

    They are as `get_params` gives them; `dtype` is what the parameter dtype=None stands for.
    """
    settings = {name: plain(value) for name, value in parameters.items() if name in Config.model_fields}
    if settings["dtype"] is None:
        settings["dtype"] = "float64" if dtype is None else dtype.name
    # A config has validation always and one activation for all layers; here both are a choice.
    if settings["monitor"] is None:
        del settings["monitor"]
    if settings["val_fraction"] == 0:
        del settings["val_fraction"]
    activation = settings.pop("activation")
    for component in activation if isinstance(activation, list) else [activation]:
        config = make_config({**settings, "activation": component})
    loss = settings["loss"]
    if "class_weights" not in LOSSES.options(name_of(loss)):
        names = ", ".join(name for name in LOSSES if "class_weights" in LOSSES.options(name))
        raise FFNNError(f"loss: expected one that gives probabilities, {names}; received {name_of(loss)!r}")
    if isinstance(loss, dict) and "class_weights" in loss:
        raise FFNNError("loss: expected weights of classes as class_weight beside it, not among its options")
    return config, activation


FIXED = (
    "hidden_layers", "activation", "initializer", "bias_initializer", "batch_norm", "dropout", "input_dropout",
    "optimizer", "engine", "dtype",
)  # fmt: skip
"""Parameters that a network is made with: what goes on with it cannot take another value over."""


def fixed_settings(parameters: Mapping[str, Any], dtype: str) -> dict[str, Any]:
    """The `FIXED` parameters, so written that equal ones mean the same.

    Examples
    --------
    >>> one = {"hidden_layers": (8, 4), "activation": "relu", "dtype": None}
    >>> other = {"hidden_layers": np.array([8, 4]), "activation": [{"name": "relu"}, "relu"], "dtype": "float32"}
    >>> fixed_settings(one, "float32") == fixed_settings(other, "float32")
    True
    """
    settings = {name: plain(parameters[name]) for name in FIXED if name in parameters}
    layers = settings["hidden_layers"]
    if not isinstance(settings["activation"], list) and isinstance(layers, list):
        settings["activation"] = [settings["activation"]] * len(layers)
    if isinstance(settings["activation"], list):
        settings["activation"] = [_component(component) for component in settings["activation"]]
    settings = {name: _component(value) for name, value in settings.items()}
    settings["dtype"] = settings["dtype"] or dtype
    return settings


def _component(value: Any) -> Any:
    """A component without options as its name alone."""
    return value["name"] if isinstance(value, dict) and set(value) == {"name"} else value


def checked_callbacks(callbacks: Any) -> list[Callback]:
    """The callbacks as a list, or FFNNError for what is none."""
    items = list(callbacks) if isinstance(callbacks, Sequence) else callbacks
    if not isinstance(items, list) or not all(isinstance(item, Callback) for item in items):
        raise FFNNError(f"callbacks: expected a list of ffnn.training.Callback objects; received {callbacks!r}")
    return items


def seed_of(random_state: Any) -> int:
    """A seed for ffnn: an int itself, else drawn from scikit-learn's generator; ValueError for what is neither."""
    source = check_random_state(random_state)
    return int(random_state if isinstance(random_state, int | np.integer) else source.randint(2**31))


def layers_of(config: Config, activation: Any, num_classes: int) -> dict[str, Any]:
    """Arguments of `mlp_layers`."""
    return {
        "hidden_layers": config.hidden_layers,
        "num_outputs": num_classes,
        "activation": activation,
        "weight_init": config.initializer,
        "bias_init": config.bias_initializer,
        "batch_norm": config.batch_norm,
        "dropout": config.dropout,
        "input_dropout": config.input_dropout,
    }


def loss_of(config: Config, class_weights: list[float] | None) -> Loss:
    """The loss, at its own defaults where nothing else is asked for."""
    options = {"label_smoothing": config.label_smoothing or None, "class_weights": class_weights}
    return LOSSES.create(config.loss, **{name: value for name, value in options.items() if value is not None})


def fitting_batch_size(config: Config, rows: int) -> int:
    """The batch size, raised for batch norm until no epoch ends with a batch of a single row.

    Examples
    --------
    >>> fitting_batch_size(make_config({"batch_size": 32, "batch_norm": True}), rows=65)
    33
    """
    if config.batch_size == "full":
        return rows
    size = min(config.batch_size, rows)
    while config.batch_norm and size < rows and rows % size == 1:
        size += 1
    return size
