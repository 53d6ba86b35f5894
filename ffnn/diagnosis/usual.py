"""What several symptoms share: what they explain, what is usual, and how long a trend must last.

Each number was chosen on runs of healthy and of broken networks and stands here once.
"""

from collections.abc import Mapping

ANSWERS = ("constant_predictions", "class_never_predicted")
"""Symptoms of answers, which any network that cannot learn has."""

MANY_DEAD = 0.6
"""Of a layer's units; networks that learn well have up to 0.3 on digits and up to 0.5 on Fashion-MNIST."""

LASTING = 3
"""Epochs that show a trend: a rise that lasts, a loss that falls, a slow network that has begun."""

LARGEST_PENALTY: Mapping[str, float] = {"l2": 0.01, "weight_decay": 0.5}
"""Of weights, by setting: ten times what helps a network of this kind; more of it can hold all weights at 0."""

USUAL_RATES: Mapping[str, tuple[float, float]] = {
    "sgd": (1e-3, 1.0), "momentum": (1e-3, 0.3), "nesterov": (1e-3, 0.3), "adagrad": (1e-3, 0.3),
    "rmsprop": (1e-5, 0.03), "adam": (1e-5, 0.03), "adamw": (1e-5, 0.03),
}  # fmt: skip
"""By optimizer, the learning rates with which networks of this kind learn."""
