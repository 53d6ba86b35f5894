"""Statistics over seeds: what a handful of runs allows one to say.

Seconds and accuracies of single runs are anecdotes; a table shows means with their uncertainty.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Mean:
    """A mean with its 95 % confidence interval.

    Attributes
    ----------
    mean : float
        NaN where there are no values.
    half_width : float
        The interval is mean +- half_width; NaN for fewer than two values.
    count : int
    """

    mean: float
    half_width: float
    count: int

    def format(self, scale: float = 1.0, digits: int = 2) -> str:
        """Such as "88.31 ± 0.22"; without an interval where one value cannot give any.

        Examples
        --------
        >>> mean_of([0.881, 0.883, 0.885]).format(100), mean_of([0.5]).format()
        ('88.30 ± 0.50', '0.50')
        """
        if not self.count:
            return "-"
        text = f"{scale * self.mean:.{digits}f}"
        return text if math.isnan(self.half_width) else f"{text} ± {scale * self.half_width:.{digits}f}"


def mean_of(values: Sequence[float]) -> Mean:
    """Mean and Student's t interval, as for independent draws of a normal distribution."""
    from scipy.stats import t

    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return Mean(math.nan, math.nan, 0)
    if len(finite) == 1:
        return Mean(finite[0], math.nan, 1)
    error = float(np.std(finite, ddof=1)) / math.sqrt(len(finite))
    return Mean(float(np.mean(finite)), float(t.ppf(0.975, len(finite) - 1)) * error, len(finite))
