"""Diagnostics: what happens inside a network while it learns, once an epoch.

Gradients (before clipping) and updates are those of the epoch's last step; activations are those of
a fixed probe batch. All are plain floats, named so that a dashboard groups them: `grad_norm/linear1`.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffnn.backend.engine import Array
from ffnn.nn.layer import Layer
from ffnn.nn.network import Network

DEAD = 1e-6

BOUNDS = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}
"""Where the outputs of activations end that flatten out on both sides."""

NEAR_THE_END = 0.01
"""Of the range between both ends: nearer than this the derivative is below 4 % of its largest value."""

PERCENTS = (5, 25, 50, 75, 95)
"""The quantiles that are recorded of weights and activations."""

SAMPLE = 2048
"""Values that quantiles are taken of: sorting all of them would cost more than the epoch's other figures together."""


def difference(before, now):
    """now - before."""
    return now - before


class Diagnostics:
    """Measures gradients, weights, updates and activations of each layer.

    `probe` is the batch (rows, input_size) whose activations are measured; a few hundred rows do.
    """

    def __init__(self, network: Network, probe: Array) -> None:
        self.network = network
        self._probe = probe
        inputs = network.engine.host(probe).astype(np.float64)
        self._inputs = {"input_mean": float(inputs.mean()), "input_std": float(inputs.std())}
        self._parameters = list(network.parameters)
        self._bounds = [parameter.place for parameter in self._parameters]
        self._weights = [parameter for parameter in self._parameters if parameter.penalised]
        self._before = network.engine.zeros((network.parameters.size,))
        self._initial = self._weight_norms()
        self._gradients: dict[str, float] = {}

    def observe(self) -> None:
        """Take note of the gradients, unclipped, and of the weights that the step is about to change."""
        self._before[...] = self.network.parameters.values
        with np.errstate(all="ignore"):
            self._gradients = self._measure_gradients()

    def measure(self) -> dict[str, float]:
        """All diagnostics, by name. Values may be non-finite where training has diverged."""
        with np.errstate(all="ignore"):
            return {**self._inputs, **self._gradients, **self._updates(), **self._activations()}

    def _measure_gradients(self) -> dict[str, float]:
        """Norm, mean, variance and largest magnitude of each layer's gradients, weight and bias together."""
        moments = self.network.engine.moments(self.network.parameters.grads, self._bounds)
        record = {"grad_norm/all": math.sqrt(moments[:, 1].sum())}
        layers = np.array([parameter.name.partition(".")[0] for parameter in self._parameters])
        sizes = np.array([stop - start for start, stop in self._bounds])
        for name in dict.fromkeys(layers.tolist()):
            rows = layers == name
            count = sizes[rows].sum()
            mean, mean_square = moments[rows, 0].sum() / count, moments[rows, 1].sum() / count
            record[f"grad_norm/{name}"] = math.sqrt(mean_square * count)
            record[f"grad_mean/{name}"] = float(mean)
            record[f"grad_variance/{name}"] = float(np.maximum(mean_square - mean * mean, 0))
            record[f"grad_max/{name}"] = float(moments[rows, 2].max())
        return record

    def _updates(self) -> dict[str, float]:
        """Norm and quantiles of each weight, its norm over that at the beginning, and the last step relative to it.

        A step of about 1e-3 of the weights is usual, 0.1 too much.
        """
        engine, values = self.network.engine, self.network.parameters.values
        bounds = [parameter.place for parameter in self._weights]
        engine.update(difference)((self._before,), (values,), ())
        steps = np.sqrt(engine.moments(self._before, bounds)[:, 1])
        record = {}
        numbers = zip(self._weights, self._weight_norms(), self._initial, steps.tolist(), strict=True)
        for parameter, norm, initial, step in numbers:
            layer = parameter.name.partition(".")[0]
            record[f"weight_norm/{layer}"] = norm
            if initial:
                record[f"weight_growth/{layer}"] = norm / initial
            record[f"update_ratio/{layer}"] = step / norm if norm else 0.0
            record |= quantiles(f"weight_quantiles/{layer}", engine.host(parameter.value))
        return record

    def _weight_norms(self) -> list[float]:
        bounds = [parameter.place for parameter in self._weights]
        norms: list[float] = np.sqrt(self.network.engine.moments(self.network.parameters.values, bounds)[:, 1]).tolist()
        return norms

    def _activations(self) -> dict[str, float]:
        """Of each hidden layer's outputs mean, deviation, quantiles and saturation; what the network predicts.

        A unit is dead when its output is within 1e-6 of the same value for every row of the probe. An output of
        sigmoid or tanh is saturated within 1 % of the range from either end of it. `predicted_classes` counts the
        classes that are predicted for some row of the probe.
        """
        record = {}
        values = self._probe
        *hidden, (_, last) = self.network.layers.items()
        for name, layer in hidden:
            values = layer.forward(values)
            if self._is_activation(layer):
                outputs = self.network.engine.host(values).astype(np.float64)
                record[f"activation_mean/{name}"] = float(outputs.mean())
                record[f"activation_std/{name}"] = float(outputs.std())
                record |= quantiles(f"activation_quantiles/{name}", outputs)
                record[f"dead_fraction/{name}"] = float(np.mean(np.ptp(outputs, axis=0) < DEAD))
                if layer.kind in BOUNDS:
                    record[f"saturated_fraction/{name}"] = saturated(outputs, *BOUNDS[layer.kind])
        predicted = self.network.engine.host(last.forward(values)).argmax(axis=1)
        record["predicted_classes"] = float(len(np.unique(predicted)))
        return record

    @staticmethod
    def _is_activation(layer: Layer) -> bool:
        from ffnn.nn.activations import ACTIVATIONS

        return layer.kind in ACTIVATIONS


def saturated(outputs: NDArray[np.float64], low: float, high: float) -> float:
    """The fraction of outputs that lie within 1 % of the range from `low` or `high`.

    Examples
    --------
    >>> saturated(np.array([0.001, 0.5, 0.98, 0.999]), 0.0, 1.0)
    0.5
    """
    near = NEAR_THE_END * (high - low)
    return float(np.mean((outputs < low + near) | (outputs > high - near)))


def quantiles(name: str, values: Any) -> dict[str, float]:
    """Quantiles of an array, by name and percent, of at most 2048 of its values, evenly spread.

    Examples
    --------
    >>> quantiles("weight_quantiles/linear1", np.arange(101.0))["weight_quantiles/linear1/25"]
    25.0
    """
    flat = np.ravel(values)
    # An odd step meets every column of a matrix whose width is a power of two.
    sample = np.sort(flat[:: -(-flat.size // SAMPLE) | 1])
    return {f"{name}/{percent:02d}": float(sample[round(percent / 100 * (len(sample) - 1))]) for percent in PERCENTS}


def first_non_finite(network: Network, inputs: Array) -> str:
    """Where a NaN or Inf first came up, in words.

    Called with the gradients of the last step still in place. They were computed from the last
    layer to the first, outputs from the first to the last; each is searched in its own order.
    """
    host = network.engine.host

    def is_bad(array: Array) -> bool:
        return not np.isfinite(host(array)).all()

    if any(is_bad(parameter.value) for parameter in network.parameters):
        for name, parameter in reversed(list(network.named_parameters())):
            if is_bad(parameter.grad):
                return f"the gradient of {name} at the last step taken"
        return f"the update of {next(p.name for p in network.parameters if is_bad(p.value))} at the last step taken"
    values = inputs
    for name, layer in network.layers.items():
        values = layer.forward(values)
        if is_bad(values):
            return f"the output of {name}"
    return "the loss itself"
