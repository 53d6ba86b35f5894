"""scikit-learn's own checks of an estimator: all of them, none excused."""

from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from ffnn.sklearn import FFNNClassifier


@pytest.mark.slow
@parametrize_with_checks([FFNNClassifier()])
def test_scikit_learns_check(estimator: FFNNClassifier, check: Any) -> None:
    check(estimator)
