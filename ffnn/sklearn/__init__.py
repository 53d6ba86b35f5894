"""ffnn's networks as scikit-learn estimators, for those whose data and habits live there.

Pipelines, searches and cross-validation take them like any other classifier.
"""

from ffnn.sklearn.classifier import FFNNClassifier

__all__ = ["FFNNClassifier"]
