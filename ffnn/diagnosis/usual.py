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

USUAL_RATE = (0.1, 30)
"""How many times its optimizer's own learning rate networks of this kind learn with, at least and at most."""

USUAL_RATES: Mapping[str, tuple[float, float]] = {
    "sgd": (0.1, 100), "rmsprop": (0.01, 30), "adam": (0.01, 30), "adamw": (0.01, 30),
}  # fmt: skip
"""Likewise, of those optimizers of which that is not so."""
