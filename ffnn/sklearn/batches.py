"""Mini-batches whose rows weigh differently: scikit-learn's sample_weight on its way to the loss.

A row's target is its one-hot vector times its weight, so whatever is linear in the targets is weighted.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ffnn.backend.engine import Array
from ffnn.backend.fit import described
from ffnn.backend.formulas import product
from ffnn.backend.vocabulary import row_map
from ffnn.data.batches import Batches, Pool
from ffnn.errors import FFNNError


def weighted_target(target, weight, out):
    """weight * target; returns the weight."""
    row_map(product, out, target, weight)
    return weight


class WeightedBatches(Batches):
    """Batches that give weighted targets instead of labels.

    A loss with `class_weights` divides by the sum of a batch's weights: its mean is then the weighted one. Weights
    (pool_size,) are positive for every row of `indices`; the rest is as for `Batches`.

    Examples
    --------
    >>> from ffnn.backend import create_engine
    >>> pool = Pool(create_engine("numpy"), np.eye(2), np.array([0, 1]), np.ones(2), np.zeros(2))
    >>> _, targets = next(WeightedBatches(pool, np.arange(2), 2, None, np.array([0.5, 3.0]), num_classes=2).epoch())
    >>> targets.tolist()
    [[0.5, 0.0], [0.0, 3.0]]
    """

    def __init__(
        self,
        pool: Pool,
        indices: NDArray[np.int64],
        batch_size: int,
        shuffle_seed: int | None,
        weights: NDArray[np.float64],
        num_classes: int,
    ) -> None:
        super().__init__(pool, indices, batch_size, shuffle_seed)
        if weights.shape != pool.labels.shape:
            raise FFNNError(f"weights: expected shape {pool.labels.shape}, one a row; received {described(weights)}")
        self._weights, self._num_classes = weights, num_classes
        self._weigh = self.engine.rows(weighted_target)
        self._sum = self.engine.zeros((1,), np.float64)

    def epoch(self, number: int = 0, place: int = 0) -> Iterator[tuple[Array, Array]]:
        """(inputs, targets) of every batch of epoch `number`, from a place on; the next one overwrites both."""
        weights = self.engine.array(self._weights[self.order(number)])
        start = place * self.batch_size
        for inputs, labels in super().epoch(number, place):
            one_hot = self._workspace("one_hot", len(labels), self._num_classes)
            targets = self._workspace("targets", len(labels), self._num_classes)
            self.engine.one_hot(labels, 1.0, 0.0, one_hot)
            self._weigh((targets, self._sum), (one_hot, weights[start : start + len(labels)]), ())
            start += len(labels)
            yield inputs, targets
