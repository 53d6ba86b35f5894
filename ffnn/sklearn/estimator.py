"""What an estimator does with its network: checks what it is given, begins the network, trains it and asks it.

The classifier has the parameters, and says which rows are learnt and which held out.
"""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from ffnn.errors import FFNNError
from ffnn.lab.build import build_plan
from ffnn.nn import SCHEDULES
from ffnn.sklearn.fitting import Rows, train
from ffnn.sklearn.labels import numbered, row_weights
from ffnn.sklearn.network import PortableNetwork, Recipe
from ffnn.sklearn.settings import checked_callbacks, config_of, fixed_settings, layers_of
from ffnn.training.trainer import Plan, Record


class NetworkEstimator(BaseEstimator):  # type: ignore[misc]
    """An estimator whose parameters are settings of a config; see `FFNNClassifier`."""

    history_: list[Record]

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probability of each class of `classes_`, (rows, K)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        result: NDArray[np.float64] = softmax(self.network_.predict(X).astype(np.float64), axis=1)
        return result

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class of each row."""
        best = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def _checked(self, X: Any, y: Any, sample_weight: Any, reset: bool) -> tuple[Any, Any, Any]:
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32], order="C", reset=reset)
        check_classification_targets(y)
        dtype = X.dtype.name if self.dtype is None else config_of(self.get_params(deep=False), X.dtype)[0].dtype
        return X, y, row_weights(sample_weight, X, dtype)

    def _held_out(self, X: Any, y: Any) -> Rows | None:
        if X is None and y is None:
            return None
        X, y, _ = self._checked(X, y, None, reset=False)
        return Rows(self.network_.engine, X, numbered(y, self.classes_), np.arange(len(y)), None)

    def _begin(self, classes: NDArray[Any], dtype: np.dtype[Any], seed: int) -> None:
        """A new network, for these classes."""
        config, activation = config_of(self.get_params(deep=False), dtype)
        layers = layers_of(config, activation, len(classes))
        self.network_ = PortableNetwork(Recipe(layers, self.n_features_in_, config.engine, config.dtype, seed))
        self.classes_ = classes
        self._optimizer_state: dict[str, NDArray[Any]] = {}
        self._begun_with = fixed_settings(self.get_params(deep=False), config.dtype)

    def _check_unchanged(self) -> None:
        """ValueError for a parameter that the network at hand was made with and can no longer take over."""
        now = fixed_settings(self.get_params(deep=False), self.network_.engine.dtype.name)
        for name, before in self._begun_with.items():
            if now[name] != before:
                advice = "set it back, or train a new network: clone(estimator), or fit with warm_start=False"
                raise FFNNError(f"{name}: expected {before!r}, as training began; received {now[name]!r}: {advice}")

    def _train(
        self, rows: Rows, held_out: Rows | None, per_class: list[float] | None, seed: int, partial: bool = False
    ) -> None:
        config, _ = config_of(self.get_params(deep=False), self.network_.engine.dtype)
        plan = build_plan(config, self.network_)
        if partial:
            plan = Plan(1, SCHEDULES.create("constant"), plan.clips)
        outcome = train(
            self.network_,
            config,
            plan,
            rows,
            held_out,
            class_weights=per_class,
            monitor=None if partial else self.monitor,
            callbacks=checked_callbacks(self.callbacks),
            verbose=self.verbose,
            seed=seed,
            optimizer_state=self._optimizer_state if partial else None,
        )
        if outcome.interrupted:
            warnings.warn(f"training was {outcome.interrupted}", stacklevel=3)
        if partial:
            self._optimizer_state = outcome.optimizer
        earlier = len(self.history_)
        for number, record in enumerate(outcome.records, start=earlier + 1):
            record["epoch"] = number
        self.history_ = [*self.history_, *outcome.records]
        self.n_iter_ = len(self.history_)
        self.best_epoch_ = earlier + outcome.best_epoch
        self.train_loss_curve_ = [record["train/loss"] for record in self.history_]
        self.val_loss_curve_ = [record["val/loss"] for record in self.history_ if "val/loss" in record]
        self.callbacks_ = outcome.callbacks
