"""The gradient noise scale: from how many examples on a larger batch stops helping.

A batch's gradient is the mean of its examples' gradients. Their scatter over the mean's length says how many
examples must be averaged before the mean points anywhere.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffnn.analysis.layers import flows
from ffnn.backend.engine import Array
from ffnn.errors import FFNNError
from ffnn.nn import BatchNorm, Objective


@dataclass(frozen=True)
class GradientNoise:
    """The length of each example's gradient over all weights and biases, and that of the mean of these gradients."""

    norms: NDArray[np.float64]
    mean_norm: float

    @property
    def scatter(self) -> float:
        """tr(Sigma): the variance of an example's gradient, summed over parameters; without bias."""
        count = len(self.norms)
        return float(count / (count - 1) * (np.mean(self.norms**2) - self.mean_norm**2))

    @property
    def signal(self) -> float:
        """|G|^2, the squared length of the true gradient; without bias, so it may come out below 0.

        The mean of n examples scatters, too: E|mean|^2 = |G|^2 + tr(Sigma) / n.
        """
        return self.mean_norm**2 - self.scatter / len(self.norms)

    @property
    def scale(self) -> float | None:
        """The simple noise scale tr(Sigma) / |G|^2, in examples; None where these examples do not show a gradient."""
        return self.scatter / self.signal if self.signal > 0 else None


def gradient_noise(objective: Objective, batches: Iterable[tuple[Array, Array]]) -> GradientNoise:
    """Per-example gradients of the loss, without dropout and penalty, at the present weights.

    The gradient of one example for a weight is the outer product x d^T of what went into the layer and of the gradient
    that came back to it, and for a bias it is d. The squared length of an outer product is |x|^2 |d|^2, so that no
    gradient of a single example is ever formed: |g|^2 = sum over layers of (|x|^2 + 1) |d|^2. This is exact where
    layers treat examples alone. McCandlish et al., "An Empirical Model of Large-Batch Training", 2018, appendix A.1,
    for the estimates; Goodfellow, "Efficient Per-Example Gradient Computations", 2015, for the norms.

    `batches` of (inputs, labels) have at least two examples together; class weights count as in the mean over all of
    them. FFNNError if the network has batch normalization, whose examples have no gradient of their own, or there is
    one example.
    """
    network, loss = objective.network, objective.loss
    if any(isinstance(layer, BatchNorm) for layer in network.layers.values()):
        raise FFNNError(
            "gradient noise: expected layers that treat each example alone; received batch_norm, "
            "which mixes the examples of a batch: train the run with --batch_norm=false"
        )
    norms: list[NDArray[np.float64]] = []
    total: Any = 0.0
    divisor = 0.0
    for inputs, labels in batches:

        def grad_of(outputs: Array, labels: Array = labels) -> Array:
            loss.forward(outputs, labels)
            return loss.backward()

        squares, sums = np.zeros(len(labels)), []
        for flow in flows(network, inputs, grad_of):
            # The loss is a mean: its divisor is taken out again to have the examples' own gradients.
            back = flow.grad_outputs * loss.divisor
            bias = float(flow.layer.bias)
            squares += ((flow.inputs**2).sum(axis=1) + bias) * (back**2).sum(axis=1)
            sums += [flow.inputs.T @ back, bias * back.sum(axis=0)]
        norms.append(squares)
        total = total + np.concatenate([np.ravel(values) for values in sums])
        divisor += loss.divisor
    count = sum(map(len, norms))
    if count < 2:
        raise FFNNError(f"gradient noise: expected at least 2 examples; received {count}")
    return GradientNoise(np.sqrt(np.concatenate(norms)) * count / divisor, float(np.linalg.norm(total)) / divisor)
