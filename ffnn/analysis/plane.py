"""The plane in which a network's decisions are drawn: the inputs themselves where they are two, else two components.

With more inputs, the picture is a cut through their space: the plane of the two principal components through the
mean. Points are shown where they fall on it, so one may lie on ground that is not its own.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffnn.nn import Network, Objective

FINENESS = 120
"""Places of the grid along each axis."""

MARGIN = 0.08


@dataclass(frozen=True)
class Plane:
    """A plane in the space of inputs, and some points on it.

    From its origin (input_size,) lead two axes (2, input_size) of length 1, at right angles. The points (rows, 2) are
    where inputs fall on it; `explained` is the part of the inputs' variance that lies in the plane.
    """

    origin: NDArray[np.float64]
    axes: NDArray[np.float64]
    points: NDArray[np.float64]
    labels: tuple[str, str]
    explained: float

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, right, bottom and top of what is drawn."""
        low, high = self.points.min(axis=0), self.points.max(axis=0)
        margin = MARGIN * (high - low)
        (left, bottom), (right, top) = low - margin, high + margin
        return float(left), float(right), float(bottom), float(top)

    def inputs(self, places: NDArray[Any]) -> NDArray[np.float64]:
        """Network inputs (M, input_size) for places (M, 2) of the plane."""
        return self.origin + places @ self.axes

    def grid(self, fineness: int = FINENESS) -> NDArray[np.float64]:
        """Network inputs (fineness^2, input_size) for a grid of places, row by row from the bottom left."""
        left, right, bottom, top = self.extent
        places = np.meshgrid(np.linspace(left, right, fineness), np.linspace(bottom, top, fineness))
        return self.inputs(np.stack(places, axis=-1).reshape(-1, 2))


def plane_of(inputs: NDArray[Any]) -> Plane:
    """The plane for these inputs (rows, input_size).

    Examples
    --------
    >>> plane = plane_of(np.array([[0.0, 0.0], [1.0, 2.0], [3.0, 1.0]]))
    >>> plane.labels, plane.explained, np.array_equal(plane.points[1], [1.0, 2.0])
    (('x', 'y'), 1.0, True)
    """
    values = np.asarray(inputs, np.float64)
    if values.shape[1] == 2:
        return Plane(np.zeros(2), np.eye(2), values, ("x", "y"), 1.0)
    from sklearn.decomposition import PCA

    pca = PCA(2, svd_solver="covariance_eigh").fit(values)
    first, second = pca.explained_variance_ratio_
    labels = (f"first component ({first:.0%} of variance)", f"second component ({second:.0%})")
    return Plane(pca.mean_, pca.components_, pca.transform(values), labels, float(first + second))


def decide(objective: Objective, inputs: NDArray[Any]) -> NDArray[np.float64]:
    """What the network says about each class at these inputs; (rows, classes), each row summing to 1."""
    network: Network = objective.network
    outputs = network.engine.array(network.predict(inputs))
    answers = np.array(network.engine.host(objective.loss.probabilities(outputs)), np.float64)
    # A squared error's linear outputs are no distribution.
    answers = np.clip(answers, 0, None) + 1e-12
    return np.asarray(answers / answers.sum(axis=1, keepdims=True))
