"""Gradient clipping: a bound on what one step can do, applied between backward and the optimizer.

It stands beside every optimizer's rule and changes none of them.
"""

from typing import Protocol

from ffnn.backend.vocabulary import maximum, minimum, sqrt
from ffnn.nn.parameters import ParameterStore
from ffnn.ranges import in_range


def clamped(grad, bound):
    """The value within [-bound, bound]."""
    return maximum(minimum(grad, bound), -bound)


def root(squares):
    """The square root."""
    return sqrt(squares)


def shortened(grad, bound, norm):
    """The value times what brings the norm of all values to the bound, if it is beyond."""
    return grad * minimum(1.0, bound / (norm + 1e-6))


class Clip(Protocol):
    """Anything that bounds the gradients in place."""

    def apply(self, parameters: ParameterStore) -> None:
        """Bound `parameters.grads`."""


class ClipNorm:
    """Scale all gradients together so that their joint Euclidean norm is at most `max_norm`.

    grads *= min(1, max_norm / (norm + 1e-6)), as PyTorch's `clip_grad_norm_`. Pascanu et al., ICML 2013. One factor
    for all of them changes the length and leaves the direction: ||c g|| = c ||g||, which for c = max_norm / ||g|| is
    max_norm.

    Parameters
    ----------
    max_norm : float in (0, inf)
    """

    def __init__(self, max_norm: float) -> None:
        self.max_norm = in_range("clip_norm", max_norm, 0, open_low=True)

    def apply(self, parameters: ParameterStore) -> None:
        engine, norm = parameters.engine, parameters.norm
        engine.square_sum(parameters.grads, norm)
        engine.update(root)((norm,), (), ())
        engine.update(shortened)((parameters.grads,), (), (self.max_norm, norm))


class ClipValue:
    """Clamp every gradient value to [-max_value, max_value], as PyTorch's `clip_grad_value_`.

    Each value alone: unlike a bound on the norm, it turns the direction towards the small values.

    Parameters
    ----------
    max_value : float in (0, inf)
    """

    def __init__(self, max_value: float) -> None:
        self.max_value = in_range("clip_value", max_value, 0, open_low=True)

    def apply(self, parameters: ParameterStore) -> None:
        parameters.engine.update(clamped)((parameters.grads,), (), (self.max_value,))
