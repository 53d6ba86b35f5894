"""Diagnostics: what happens inside a network while it learns, once an epoch.

Gradients (before clipping) and updates are those of the epoch's last step; activations are those of
a fixed probe batch. All are plain floats, named so that a dashboard groups them: `grad_norm/linear1`.
"""

import numpy as np
from numpy.typing import NDArray

from ffnn.backend.engine import Array
from ffnn.nn.layer import Layer
from ffnn.nn.network import Network

DEAD = 1e-6


class Diagnostics:
    """Measures gradients, weights, updates and activations of each layer.

    Parameters
    ----------
    network : Network
    probe : array (rows, input_size)
        The batch whose activations are measured; a few hundred rows do.
    """

    def __init__(self, network: Network, probe: Array) -> None:
        self.network = network
        self._probe = probe
        self._before = self._parameters()
        self._gradients: dict[str, float] = {}

    def observe(self) -> None:
        """Take note of the gradients, unclipped, and of the weights that the step is about to change."""
        self._before = self._parameters()
        with np.errstate(all="ignore"):
            self._gradients = self._measure_gradients()

    def measure(self) -> dict[str, float]:
        """All diagnostics, by name. Values may be non-finite where training has diverged."""
        with np.errstate(all="ignore"):
            return {**self._gradients, **self._updates(), **self._activations()}

    def _parameters(self) -> dict[str, NDArray[np.floating]]:
        host = self.network.engine.host
        return {name: np.array(host(parameter.value)) for name, parameter in self.network.named_parameters()}

    def _measure_gradients(self) -> dict[str, float]:
        """Norm, mean, variance and largest magnitude of each layer's gradients, weight and bias together."""
        record = {}
        flat = self.network.engine.host(self.network.parameters.grads).astype(np.float64)
        record["grad_norm/all"] = float(np.linalg.norm(flat))
        for name in self._trained_layers():
            grads = [
                self.network.engine.host(parameter.grad).reshape(-1)
                for key, parameter in self.network.named_parameters()
                if key.startswith(f"{name}.")
            ]
            values = np.concatenate(grads).astype(np.float64)
            record[f"grad_norm/{name}"] = float(np.linalg.norm(values))
            record[f"grad_mean/{name}"] = float(values.mean())
            record[f"grad_variance/{name}"] = float(values.var())
            record[f"grad_max/{name}"] = float(np.abs(values).max())
        return record

    def _updates(self) -> dict[str, float]:
        """Norm of each weight, and of the last step relative to it: about 1e-3 is usual, 0.1 too much."""
        record = {}
        for name, parameter in self.network.named_parameters():
            if parameter.penalised:
                layer = name.partition(".")[0]
                value = self.network.engine.host(parameter.value).astype(np.float64)
                norm = float(np.linalg.norm(value))
                record[f"weight_norm/{layer}"] = norm
                step = float(np.linalg.norm(value - self._before[name]))
                record[f"update_ratio/{layer}"] = step / norm if norm else 0.0
        return record

    def _activations(self) -> dict[str, float]:
        """Mean and deviation of each hidden layer's outputs, and the fraction of units that never respond.

        A unit is dead when its output is within 1e-6 of the same value for every row of the probe.
        """
        record = {}
        values = self._probe
        for name, layer in list(self.network.layers.items())[:-1]:
            values = layer.forward(values)
            if self._is_activation(layer):
                outputs = self.network.engine.host(values).astype(np.float64)
                record[f"activation_mean/{name}"] = float(outputs.mean())
                record[f"activation_std/{name}"] = float(outputs.std())
                record[f"dead_fraction/{name}"] = float(np.mean(np.ptp(outputs, axis=0) < DEAD))
        return record

    def _trained_layers(self) -> list[str]:
        return list(dict.fromkeys(name.partition(".")[0] for name, _ in self.network.named_parameters()))

    @staticmethod
    def _is_activation(layer: Layer) -> bool:
        from ffnn.nn.activations import ACTIVATIONS

        return layer.kind in ACTIVATIONS


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
