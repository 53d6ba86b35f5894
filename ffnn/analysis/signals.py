"""How large signals are at each depth before training: whether an initializer suits an activation.

He's and Glorot's argument. A unit's sum over n inputs x of independent weights has the variance n Var(w) E[x^2]. If
each layer multiplies it with the same factor, L layers multiply it with the factor's L-th power: only a factor near
1 leaves signals of use, forward, and by the same argument with the number of outputs in place of n, backward. For
ReLU, which drops half of a symmetric signal's energy, the factor is n Var(w) / 2, and is 1 for He's 2 / n.

A signal may keep its size and still say nothing: behind many sigmoids every input gives the same answers. So the
part of the variance that tells inputs apart is measured as well.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffnn.analysis.layers import flows
from ffnn.backend import create_engine
from ffnn.nn import ACTIVATIONS, Layer, Linear, Network

Component = str | dict[str, Any]


NETWORKS = 6
"""How many networks are drawn: in one of 20 layers of 256 units the variance scatters by a factor of 2."""

ROWS = 16


@dataclass(frozen=True)
class Signals:
    """Variances at the linear layers of deep networks, from the first layer to the last; means over networks.

    Each is a float array (depth,). `forward` is the mean square of the outputs of each linear layer, before its
    activation: their variance over draws of weights. `between` is the part of it that tells inputs apart: the variance
    of a unit over inputs, averaged over units. `backward` is the mean square of the gradient with respect to these
    outputs, for one of variance 1 at the network's outputs.
    """

    forward: NDArray[np.float64]
    between: NDArray[np.float64]
    backward: NDArray[np.float64]

    @property
    def kept_forward(self) -> float:
        """The last layer's `forward` over the first's: what depth does to signals. 1 is best."""
        return _ratio(self.forward[-1], self.forward[0])

    @property
    def kept_between(self) -> float:
        """The last layer's `between` over the first's. 1 is best."""
        return _ratio(self.between[-1], self.between[0])

    @property
    def kept_backward(self) -> float:
        """The first layer's `backward` over the last's: what depth does to gradients. 1 is best."""
        return _ratio(self.backward[0], self.backward[-1])


def _ratio(arrived: float, sent: float) -> float:
    return float(arrived / sent) if sent else 0.0


def signals(
    initializer: Component,
    activation: Component,
    depth: int = 20,
    width: int = 256,
    networks: int = NETWORKS,
    seed: int = 0,
) -> Signals:
    """Send 16 Gaussian inputs through each of some new networks, and Gaussian gradients back.

    `initializer`, and `activation` after every linear layer but the last, are names or mappings of their registries.
    `depth`, at least 2, counts linear layers; `width` is that of the inputs and of each layer: the theory is of wide
    layers.

    Examples
    --------
    >>> lost = signals({"name": "normal", "std": 0.01}, "relu", depth=5, width=64, networks=1)
    >>> lost.kept_forward < 1e-6
    True
    """
    # In float64 a variance may fall to 1e-300 before it is 0.
    engine = create_engine("numpy", "float64")
    total = np.zeros((3, depth))
    for number in range(networks):
        layers: list[Layer] = [Linear(width, initializer)]
        for _ in range(depth - 1):
            layers += [ACTIVATIONS.create(activation), Linear(width, initializer)]
        rng = np.random.default_rng([seed, number])
        inputs, grad = rng.normal(size=(2, ROWS, width))
        network = Network(layers, width, engine, int(rng.integers(2**31)))
        for place, flow in enumerate(flows(network, inputs, lambda outputs, grad=grad: grad)):
            measured = np.mean(flow.outputs**2), flow.outputs.var(axis=0).mean(), np.mean(flow.grad_outputs**2)
            total[:, depth - 1 - place] += measured
    return Signals(*total / networks)
