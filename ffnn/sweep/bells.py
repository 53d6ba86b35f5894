"""W&B's normal and beta distributions: the latent is the quantile, from which the inverse gives the value.

Optuna has none of these; on quantiles its searchers work as on any other interval.
"""

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from ffnn.ranges import in_range
from ffnn.sweep.distribution import DISTRIBUTIONS, Latent, Quantized, number, positive

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

EDGE = 1e-6
"""Quantiles stay this far from 0 and 1, where a normal distribution is infinite."""


class _Quantile(Quantized):
    """The latent is the quantile."""

    def latent(self, quantile: float) -> Latent:
        return min(max(quantile, EDGE), 1 - EDGE)

    def value(self, latent: Latent) -> Any:
        return self._rounded(self._inverse(float(latent)))

    @abstractmethod
    def _inverse(self, quantile: float) -> float:
        """The inverse of the cumulative distribution function."""

    def optuna(self) -> "BaseDistribution":
        from optuna.distributions import FloatDistribution

        return FloatDistribution(EDGE, 1 - EDGE)


@DISTRIBUTIONS.register("q_normal")
class QNormal(_Quantile):
    """`normal`, rounded to multiples of `q`."""

    def __init__(self, mu: float = 0.0, sigma: float = 1.0, q: float | None = 1.0) -> None:
        super().__init__(q)
        self.mu, self.sigma = number("mu", mu), in_range("sigma", number("sigma", sigma), 0)

    def _inverse(self, quantile: float) -> float:
        from scipy.special import ndtri

        return float(self.mu + self.sigma * ndtri(quantile))


@DISTRIBUTIONS.register("normal")
class Normal(QNormal):
    """Gaussian with mean `mu` and standard deviation `sigma`."""

    def __init__(self, mu: float = 0.0, sigma: float = 1.0) -> None:
        super().__init__(mu, sigma, None)


@DISTRIBUTIONS.register("q_log_normal")
class QLogNormal(QNormal):
    """`log_normal`, rounded to multiples of `q`."""

    def _inverse(self, quantile: float) -> float:
        return math.exp(super()._inverse(quantile))


@DISTRIBUTIONS.register("log_normal")
class LogNormal(QLogNormal):
    """exp of a Gaussian number of mean `mu` and standard deviation `sigma`."""

    def __init__(self, mu: float = 0.0, sigma: float = 1.0) -> None:
        super().__init__(mu, sigma, None)


@DISTRIBUTIONS.register("q_beta")
class QBeta(_Quantile):
    """`beta`, rounded to multiples of `q`."""

    def __init__(self, a: float = 1.0, b: float = 1.0, q: float | None = 1.0) -> None:
        super().__init__(q)
        self.a, self.b = positive("a", a), positive("b", b)

    def _inverse(self, quantile: float) -> float:
        from scipy.special import betaincinv

        return float(betaincinv(self.a, self.b, quantile))


@DISTRIBUTIONS.register("beta")
class Beta(QBeta):
    """The beta distribution on (0, 1)."""

    def __init__(self, a: float = 1.0, b: float = 1.0) -> None:
        super().__init__(a, b, None)
