"""Statistics over seeds: what a handful of runs allows one to say.

Accuracies of single runs are anecdotes; means with their uncertainty, and differences of pairs, are findings.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

ALPHA = 0.05
"""Intervals cover with probability 1 - ALPHA, and tests err with at most ALPHA."""


@dataclass(frozen=True)
class Mean:
    """A mean with its standard deviation and its 95 % confidence interval.

    `mean` is NaN where there are no values; the interval is mean +- `half_width`. That and `std`, with n - 1 in the
    denominator, are NaN for fewer than two values. `rounded` says whether the values scatter less than their rounding
    does, so that `std` is that of rounding.
    """

    mean: float
    half_width: float
    count: int
    std: float = math.nan
    rounded: bool = False

    def format(self, scale: float = 1.0, digits: int = 2, sign: str = "") -> str:
        """Such as "88.31 ± 0.22"; without an interval where one value cannot give any.

        Examples
        --------
        >>> mean_of([0.881, 0.883, 0.885]).format(100), mean_of([0.5]).format(sign="+")
        ('88.30 ± 0.50', '+0.50')
        """
        if not self.count:
            return "-"
        text = f"{scale * self.mean:{sign}.{digits}f}"
        return text if math.isnan(self.half_width) else f"{text} ± {scale * self.half_width:.{digits}f}"


def mean_of(values: Sequence[float], resolution: float = 0.0) -> Mean:
    """Mean and Student's t interval, as for independent draws of a normal distribution.

    NaN and infinity are no values. They come in steps of `resolution`, such as one image of the test part. Equal values
    are then rounded ones, not certain ones: they are taken to scatter at least as rounding does, with the variance
    resolution^2 / 12.

    Examples
    --------
    >>> result = mean_of([1, 2, 3, 4, 5])
    >>> print(f"{result.mean} {result.std:.3f} {result.half_width:.3f}")
    3.0 1.581 1.963
    """
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return Mean(math.nan, math.nan, 0)
    if len(finite) == 1:
        return Mean(finite[0], math.nan, 1)
    of_values, of_rounding = float(np.std(finite, ddof=1)), resolution / math.sqrt(12)
    std = max(of_values, of_rounding)
    return Mean(float(np.mean(finite)), detectable(len(finite)) * std, len(finite), std, of_values < of_rounding)


@functools.cache
def detectable(count: int) -> float:
    """The half width of a 95 % interval of the mean of `count` values, in standard deviations of one value.

    A difference over that many pairs must be larger than this for a single test to show it.

    Examples
    --------
    >>> [round(detectable(count), 2) for count in (2, 3, 5, 10)]
    [8.98, 2.48, 1.24, 0.72]
    """
    from scipy.special import stdtrit  # Student's t: what scipy.stats has of it, in a hundredth of the time

    return float(stdtrit(count - 1, 1 - ALPHA / 2)) / math.sqrt(count)


def seeds_needed(mean: Mean, most: int) -> int | None:
    """Values with which a mean like this one would exceed its 95 % interval, at the scatter seen; None where unknown.

    Where even `most` values are too few, the answer is one more.

    Examples
    --------
    >>> seeds_needed(Mean(mean=0.01, half_width=0.02, count=3), most=50)
    5
    """
    if mean.count < 2 or not mean.mean or not mean.half_width > 0:
        return None
    scatter = mean.half_width / detectable(mean.count)
    return next(n for n in count(mean.count + 1) if n > most or detectable(n) * scatter < abs(mean.mean))


class Pairs:
    """Differences of two conditions, left minus right, seed by seed: what is the same in both runs of a pair cancels.

    The tests are Student's t tests of the differences. They suppose that differences scatter normally, which five seeds
    can neither show nor refute. `left` and `right` are values by seed; seeds that either side lacks are left out. The
    right side may be a number, which is known and not measured: then this is the test of a single sample, whose values
    alone are rounded. Values come in steps of `resolution`, as for `mean_of`.

    Examples
    --------
    >>> pairs = Pairs({0: 3.0, 1: 5.0, 2: 4.5}, {0: 2.0, 1: 3.5, 2: 3.0})
    >>> print(pairs.mean.format(), f"{pairs.p:.4f} {pairs.effect:.2f}")
    1.33 ± 0.72 0.0153 2.61
    """

    def __init__(self, left: Mapping[int, float], right: Mapping[int, float] | float, resolution: float = 0.0) -> None:
        other = right if isinstance(right, Mapping) else dict.fromkeys(left, right)
        seeds = [seed for seed in left if seed in other]
        self.differences = [d for seed in seeds if math.isfinite(d := left[seed] - other[seed])]
        # The variances of what is rounded add.
        measured = 2 if isinstance(right, Mapping) else 1
        self.mean = mean_of(self.differences, math.sqrt(measured) * resolution)

    @property
    def p(self) -> float:
        """Two-sided p that the true difference is 0; NaN for fewer than two pairs."""
        return min(1.0, 2 * min(self.p_above(0.0), self.p_below(0.0))) if self.mean.count > 1 else math.nan

    def p_above(self, bound: float) -> float:
        """One-sided p against "the true difference is at most `bound`": small where it lies above; NaN without two."""
        return self._p(self.mean.mean - bound)

    def p_below(self, bound: float) -> float:
        """One-sided p against "the true difference is at least `bound`": small where it lies below; NaN without two."""
        return self._p(bound - self.mean.mean)

    def _p(self, excess: float) -> float:
        """The probability of a mean so far beyond the bound, were the true one on it."""
        from scipy.special import stdtr

        if self.mean.count < 2:
            return math.nan
        if not self._scatters:
            # Networks that never move: nothing is left to chance.
            return 0.0 if excess > 0 else 1.0
        return float(stdtr(self.mean.count - 1, -excess / (self.mean.std / math.sqrt(self.mean.count))))

    @property
    def _scatters(self) -> bool:
        """Whether the differences differ by more than rounding of floats."""
        return self.mean.std > 1e-12 * max(1.0, abs(self.mean.mean))

    @property
    def effect(self) -> float:
        """Hedges' g of pairs: Cohen's d_z, the mean difference over its standard deviation, times J(n - 1).

        J takes out the bias of small samples. NaN for fewer than three pairs, where J is 0, and for
        differences that do not scatter.
        """
        if self.mean.count < 3 or not self._scatters:
            return math.nan
        return hedges_correction(self.mean.count - 1) * self.mean.mean / self.mean.std


def hedges_correction(degrees: int) -> float:
    """J(m) = Gamma(m/2) / (sqrt(m/2) Gamma((m - 1)/2)). Hedges, J. Educational Statistics 6 (1981).

    Examples
    --------
    >>> round(hedges_correction(4), 4)
    0.7979
    """
    half = degrees / 2
    return math.exp(math.lgamma(half) - math.lgamma(half - 0.5)) / math.sqrt(half)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number, so that all verdicts together err with at most the level of one.

    Sorted from the smallest, the k-th of n is multiplied by n - k + 1, and none may be smaller than the
    one before it. NaN is no test: it stays NaN and does not count. Holm, Scand. J. Statistics 6 (1979).

    Examples
    --------
    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    corrected = [math.nan] * len(p_values)
    order = sorted((place for place, p in enumerate(p_values) if not math.isnan(p)), key=lambda place: p_values[place])
    largest = 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[place]))
        corrected[place] = largest
    return corrected
