"""scikit-learn's MLPClassifier, an epoch being one call of `partial_fit` on all images, which shuffles them.

It has neither dropout nor batch normalization, and takes no initial weights.
"""

from typing import ClassVar

import numpy as np

from ffnn.bench.contender import CONTENDERS, Contender
from ffnn.bench.work import Task
from ffnn.reference import Description


@CONTENDERS.register("sklearn")
class SklearnMLP(Contender):
    """`partial_fit` on float32 arrays."""

    about = "scikit-learn MLPClassifier, partial_fit"
    packages: ClassVar = {"sklearn": "scikit-learn"}

    @classmethod
    def unfit(cls, description: Description) -> str:
        if description.dropout or description.batch_norm:
            return "MLPClassifier has neither dropout nor batch normalization"
        return ""

    def prepare(self, task: Task, threads: int) -> str:
        from sklearn.neural_network import MLPClassifier

        described = task.description
        self._inputs = task.images.astype(np.float32) / np.float32(task.top)
        self._labels = task.labels
        self._classes = np.arange(described.classes)
        self._model = MLPClassifier(
            described.hidden,
            activation={"sigmoid": "logistic"}.get(described.activation, described.activation),
            solver=described.optimizer,
            alpha=0.0,
            batch_size=task.batch_size,
            learning_rate_init=described.learning_rate,
            momentum=0.0,
            nesterovs_momentum=False,
            random_state=task.seed,
        )
        return "pixels kept as float32; an epoch is one partial_fit"

    def epoch(self) -> float:
        from sklearn import config_context

        # The arrays are known to be finite; `fit` would look once, `partial_fit` looks every time.
        with config_context(assume_finite=True):
            self._model.partial_fit(self._inputs, self._labels, classes=self._classes)
        return float(self._model.loss_)
