"""W&B's lists and intervals as distributions: constant, categorical, uniform and logarithmic ones.

Those whose latent is the quantile itself are in `ffnn.sweep.bells`.
"""

import json
import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from ffnn.errors import FFNNError
from ffnn.ranges import in_range
from ffnn.sweep.distribution import (
    DISTRIBUTIONS,
    Distribution,
    Latent,
    Quantized,
    exponent,
    number,
    ordered,
    positive,
    tidy,
)

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


@DISTRIBUTIONS.register("constant")
class Constant(Distribution):
    """Always the same value."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def latent(self, quantile: float) -> Latent:
        return 0

    def value(self, latent: Latent) -> Any:
        return self._value

    def optuna(self) -> "BaseDistribution":
        from optuna.distributions import IntDistribution

        return IntDistribution(0, 0)

    def grid(self) -> list[Any] | None:
        return [self._value]


@DISTRIBUTIONS.register("categorical")
class Categorical(Distribution):
    """One of some values, each as likely, or with the probabilities given.

    Optuna searches the values' labels and knows nothing of probabilities, so those shape random search
    and the first trials of a Bayesian one only.

    Examples
    --------
    >>> Categorical(["adam", "sgd"], [0.9, 0.1]).quantile(0.89), Categorical([64, 128]).quantile(0.5)
    ('adam', 128)
    """

    def __init__(self, values: Sequence[Any], probabilities: Sequence[float] | None = None) -> None:
        if not isinstance(values, list) or not values:
            raise FFNNError(f"values: expected a list such as [32, 64]; received {values!r}")
        self.values = dict(zip(_labels(values), values, strict=True))
        if len(self.values) < len(values):
            raise FFNNError(f"values: expected each value once; received {values!r}")
        self.weighted = probabilities is not None
        if probabilities is None:
            probabilities = [1 / len(values)] * len(values)
        if len(probabilities) != len(values):
            raise FFNNError(f"probabilities: expected one a value, {len(values)}; received {len(probabilities)}")
        for probability in probabilities:
            in_range("probabilities", probability, 0)
        if not math.isclose(math.fsum(probabilities), 1, rel_tol=1e-5, abs_tol=1e-8):
            raise FFNNError(f"probabilities: expected a sum of 1; received a sum of {math.fsum(probabilities):g}")
        self.cumulative = [float(total) for total in accumulate(map(Fraction, probabilities))]

    def latent(self, quantile: float) -> Latent:
        labels = list(self.values)
        return next((label for label, end in zip(labels, self.cumulative, strict=True) if quantile < end), labels[-1])

    def value(self, latent: Latent) -> Any:
        return self.values[str(latent)]

    def optuna(self) -> "BaseDistribution":
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(list(self.values))

    def grid(self) -> list[Any] | None:
        return None if self.weighted else list(self.values.values())


@DISTRIBUTIONS.register("categorical_w_probabilities")
class CategoricalWithProbabilities(Categorical):
    """`categorical`, by W&B's name for it where probabilities are given."""

    def __init__(self, values: Sequence[Any], probabilities: Sequence[float]) -> None:
        super().__init__(values, probabilities)


@DISTRIBUTIONS.register("int_uniform")
class IntUniform(Distribution):
    """A whole number from `min` to `max`, both included.

    Examples
    --------
    >>> [IntUniform(1, 4).quantile(q) for q in (0, 0.24, 0.26, 0.99)]
    [1, 1, 2, 4]
    """

    def __init__(self, min: int, max: int) -> None:
        for name, bound in (("min", min), ("max", max)):
            if not isinstance(bound, int) or isinstance(bound, bool):
                raise FFNNError(f"{name}: expected a whole number for int_uniform; received {bound!r}")
        bounds: tuple[int, int] = ordered(min, max)
        self.min, self.max = bounds

    def latent(self, quantile: float) -> Latent:
        return min(self.min + math.floor(quantile * (self.max - self.min + 1)), self.max)

    def value(self, latent: Latent) -> Any:
        return int(latent)

    def optuna(self) -> "BaseDistribution":
        from optuna.distributions import IntDistribution

        return IntDistribution(self.min, self.max)

    def grid(self) -> list[Any] | None:
        return list(range(self.min, self.max + 1))


class Interval(Quantized):
    """Between two bounds, on a plain or a logarithmic scale; the latent is the number before rounding."""

    log = False

    def __init__(self, low: float, high: float, q: float | None = None) -> None:
        super().__init__(q)
        bounds: tuple[float, float] = ordered(float(low), float(high))
        self.low, self.high = bounds

    def latent(self, quantile: float) -> Latent:
        if not self.log:
            return min(self.low + quantile * (self.high - self.low), self.high)
        low, high = math.log(self.low), math.log(self.high)
        return min(max(math.exp(low + quantile * (high - low)), self.low), self.high)

    def value(self, latent: Latent) -> Any:
        return self._rounded(float(latent))

    def optuna(self) -> "BaseDistribution":
        from optuna.distributions import FloatDistribution

        return FloatDistribution(self.low, self.high, log=self.log)


@DISTRIBUTIONS.register("uniform")
class Uniform(Interval):
    """Any number between `min` and `max`."""

    def __init__(self, min: float, max: float) -> None:
        super().__init__(number("min", min), number("max", max))


@DISTRIBUTIONS.register("q_uniform")
class QUniform(Interval):
    """`uniform`, rounded to multiples of `q`. In a grid W&B takes min, min + q, ... up to but without max."""

    def __init__(self, min: float, max: float, q: float = 1.0) -> None:
        super().__init__(number("min", min), number("max", max), q)
        self._range = (min, max, q)

    def grid(self) -> list[Any] | None:
        import numpy as np

        return [tidy(point) for point in np.arange(*self._range).tolist()]


@DISTRIBUTIONS.register("log_uniform_values")
class LogUniformValues(Interval):
    """Between `min` and `max`, every factor as likely as any other.

    Examples
    --------
    >>> round(LogUniformValues(0.0001, 1.0).quantile(0.5), 12)
    0.01
    """

    log = True

    def __init__(self, min: float, max: float) -> None:
        super().__init__(positive("min", min), number("max", max))


@DISTRIBUTIONS.register("q_log_uniform_values")
class QLogUniformValues(Interval):
    """`log_uniform_values`, rounded to multiples of `q`."""

    log = True

    def __init__(self, min: float, max: float, q: float = 1.0) -> None:
        super().__init__(positive("min", min), number("max", max), q)


@DISTRIBUTIONS.register("inv_log_uniform_values")
class InvLogUniformValues(LogUniformValues):
    """The reciprocal is log-uniform between 1/max and 1/min, so the value is between min and max."""


class Exponents(Interval):
    """Between two bounds of which natural logarithms are given; to give the bounds themselves is a common mistake.

    `given` are `min` and `max` as in the file.
    """

    log = True

    def __init__(self, min: float, max: float) -> None:
        self.given = exponent("min", min), exponent("max", max)
        super().__init__(*self._bounds())

    def _bounds(self) -> tuple[float, float]:
        low, high = self.given
        return math.exp(low), math.exp(high)


@DISTRIBUTIONS.register("log_uniform")
class LogUniform(Exponents):
    """exp of a uniform number: `min` and `max` are natural logarithms of the bounds.

    Examples
    --------
    >>> round(LogUniform(-2, 0).quantile(0.5), 6)
    0.367879
    """


@DISTRIBUTIONS.register("q_log_uniform")
class QLogUniform(Exponents):
    """`log_uniform`, rounded to multiples of `q`."""

    def __init__(self, min: float, max: float, q: float = 1.0) -> None:
        super().__init__(min, max)
        self.q = positive("q", q)


@DISTRIBUTIONS.register("inv_log_uniform")
class InvLogUniform(Exponents):
    """1/exp of a uniform number: between exp(-max) and exp(-min)."""

    def _bounds(self) -> tuple[float, float]:
        low, high = self.given
        return math.exp(-high), math.exp(-low)


def _labels(values: Sequence[Any]) -> list[str]:
    """Texts that tell values apart: as they are where that suffices, as JSON where 64 and "64" both occur."""
    plain = [value if isinstance(value, str) else json.dumps(value, sort_keys=True) for value in values]
    return plain if len(set(plain)) == len(values) else [json.dumps(value, sort_keys=True) for value in values]
