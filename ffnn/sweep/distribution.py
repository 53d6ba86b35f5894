"""What a distribution is: two steps, from a latent number that a searcher moves to the value it stands for.

The latent is chosen so that Optuna knows its range and scale; where Optuna has no such distribution it
is the quantile itself, so that Bayesian search works on a normal or a beta distribution, too.
"""

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from ffnn.errors import FFNNError
from ffnn.ranges import is_number
from ffnn.registry import Registry

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Latent = float | int | str


class Distribution(ABC):
    """What one parameter may be."""

    @abstractmethod
    def latent(self, quantile: float) -> Latent:
        """The latent below which this part of all draws, in [0, 1), lies."""

    @abstractmethod
    def value(self, latent: Latent) -> Any:
        """What a latent stands for."""

    @abstractmethod
    def optuna(self) -> "BaseDistribution":
        """The range and scale of latents."""

    def grid(self) -> list[Any] | None:
        """All values, for a grid search; None where there is no end of them."""
        return None

    def quantile(self, quantile: float) -> Any:
        """The value below which this part of all draws lies."""
        return self.value(self.latent(quantile))


DISTRIBUTIONS: Registry[Distribution] = Registry("distribution")


class Quantized(Distribution):
    """A number, rounded to whole multiples of `q` where that is given; an int where `q` is one."""

    def __init__(self, q: float | None) -> None:
        self.q: float | None = None if q is None else positive("q", q)

    def _rounded(self, value: float) -> float:
        if self.q is None:
            return value
        # Half to even, as NumPy and so W&B round.
        return tidy(round(value / self.q) * self.q)


def number(name: str, value: Any) -> Any:
    """`value` if it is a finite number."""
    if not is_number(value) or not math.isfinite(value):
        raise FFNNError(f"{name}: expected a number; received {value!r}")
    return value


def positive(name: str, value: Any) -> Any:
    """`value` if it is a number greater than 0."""
    if not number(name, value) > 0:
        raise FFNNError(f"{name}: expected a number greater than 0; received {value!r}")
    return value


def tidy(value: float) -> float:
    """Without the noise of binary fractions: 3 * 0.1 as 0.3; whole numbers stay what they are."""
    return value if isinstance(value, int) else float(f"{value:.12g}")


def exponent(name: str, value: Any) -> float:
    """`value` as a float if exp of it is one, too."""
    if not abs(number(name, value)) <= 700:
        raise FFNNError(f"{name}: expected a natural logarithm, from -700 to 700; received {value!r}")
    return float(value)


def ordered(low: Any, high: Any) -> tuple[Any, Any]:
    """Two bounds, if they are in order."""
    if not low < high:
        raise FFNNError(f"expected min < max; received min {low:g} and max {high:g}")
    return low, high
