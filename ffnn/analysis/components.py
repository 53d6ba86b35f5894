"""Principal components of inputs and of hidden layers: how far each layer has pulled the classes apart.

The two directions along which a layer's answers vary most are drawn; how much of the whole they are is told.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffnn.analysis.layers import hidden_names, layer_outputs
from ffnn.errors import FFNNError
from ffnn.nn import Network

MOST_ROWS = 4000
"""Examples that are looked at: more hide one another in a figure."""


@dataclass(frozen=True)
class Components:
    """One layer, or the "inputs", in two dimensions: points (rows, 2).

    Explained is the part of the layer's variance along each component, most first; all of them.
    """

    name: str
    points: NDArray[np.float64]
    explained: NDArray[np.float64]

    def needed_for(self, part: float) -> int:
        """How many components hold this part of the variance.

        Examples
        --------
        >>> Components("inputs", np.zeros((1, 2)), np.array([0.6, 0.3, 0.1])).needed_for(0.8)
        2
        """
        return int(np.searchsorted(np.cumsum(self.explained), part) + 1)


def principal_components(name: str, values: NDArray[Any]) -> Components:
    """The first two principal components of rows of values, by scikit-learn's PCA.

    FFNNError if there are fewer than two values a row.
    """
    from sklearn.decomposition import PCA

    if values.shape[1] < 2:
        raise FFNNError(f"{name}: expected at least 2 units to find components of; received {values.shape[1]}")
    pca = PCA(min(values.shape), svd_solver="covariance_eigh")
    # A layer whose units are all dead varies nowhere: PCA then divides by 0.
    with np.errstate(invalid="ignore"):
        points = pca.fit_transform(values)
        explained = np.nan_to_num(pca.explained_variance_ratio_)
    return Components(name, points[:, :2], explained)


def components_by_layer(network: Network, inputs: NDArray[Any]) -> list[Components]:
    """The components of the inputs (rows, input_size) and of every hidden layer's activations, in this order."""
    outputs = layer_outputs(network, inputs)
    hidden = [principal_components(name, outputs[name]) for name in hidden_names(network)]
    return [principal_components("inputs", np.asarray(inputs, np.float64)), *hidden]
