"""What a network is, in words that every framework understands.

Initial values are ffnn's own and are copied into each framework, so that all start from the same point.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffnn.nn import LOSSES, OPTIMIZERS, Network, Objective, Optimizer, mlp_layers

State = Mapping[str, NDArray[Any]]
"""Values by ffnn's names (`Network.state_dict`): linear1.weight (in, out), linear1.bias, batch_norm1.scale, ..."""


@dataclass(frozen=True)
class Description:
    """A classifier and how it is trained: linear, batch norm, activation, dropout for each hidden layer, then linear.

    The loss is the mean softmax cross-entropy of a batch.

    Parameters
    ----------
    inputs : int >= 1
    hidden : tuple of int >= 1
        Units of each hidden layer.
    classes : int >= 2
    optimizer : "sgd" or "adam"
        Without momentum; with beta1 0.9, beta2 0.999 and epsilon 1e-8.
    learning_rate : float > 0
    activation : "relu", "tanh" or "sigmoid"
    dropout : float in [0, 1)
        Probability of zeroing a hidden unit.
    batch_norm : bool

    Examples
    --------
    >>> Description(784, (64,), 10).sizes
    (784, 64, 10)
    >>> sorted(Description(4, (3,), 2).initial_state(seed=0))
    ['linear1.bias', 'linear1.weight', 'linear2.bias', 'linear2.weight']
    """

    inputs: int
    hidden: tuple[int, ...]
    classes: int
    optimizer: str = "sgd"
    learning_rate: float = 0.01
    activation: str = "relu"
    dropout: float = 0.0
    batch_norm: bool = False

    @property
    def sizes(self) -> tuple[int, ...]:
        """Inputs, hidden units and classes."""
        return (self.inputs, *self.hidden, self.classes)

    def initial_state(self, seed: int) -> dict[str, NDArray[Any]]:
        """The values that an ffnn network of this kind starts from, as float32; nothing about dropout."""
        state = replace(self, dropout=0.0)._network(seed).state_dict()
        return {name: np.asarray(values, np.float32) for name, values in state.items()}

    def objective(self, state: State) -> Objective:
        """The ffnn network of this kind with these values, and its loss."""
        network = self._network()
        network.load_state_dict({**network.state_dict(), **state})
        return Objective(network, LOSSES.create("cross_entropy"))

    def make_optimizer(self) -> Optimizer:
        """ffnn's optimizer of this kind, not yet connected."""
        return OPTIMIZERS.create(self.optimizer, learning_rate=self.learning_rate)

    def _network(self, seed: int = 0) -> Network:
        layers = mlp_layers(
            self.hidden, self.classes, self.activation, batch_norm=self.batch_norm, dropout=self.dropout
        )
        return Network(layers, self.inputs, "numpy", seed)
