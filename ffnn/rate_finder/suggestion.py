"""Which rate a range test suggests: a function of rates and losses alone, whoever draws them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ffnn.errors import FFNNError

SETTLING = 10
"""Steps until the smoothed loss is a mean of enough batches to have a slope."""

WINDOW = 10
"""Steps over which a slope is taken: between neighbours it would be that of one lucky batch."""

FALL = 0.05
"""Of the smoothed loss, from where it began: with less nothing was learnt at any rate."""


@dataclass(frozen=True)
class Suggestion:
    """Rates to try: where the smoothed loss falls fastest over the logarithm of the rate, and where it is lowest.

    The second is too high already, as the loss there is about to rise.
    """

    steepest: float
    minimum: float

    @property
    def tenth(self) -> float:
        """A tenth of the minimum's rate."""
        return self.minimum / 10


def suggest(rates: Sequence[float], smoothed: Sequence[float]) -> Suggestion:
    """The rates that a range test suggests, whose rates grow by the same factor at each step.

    FFNNError if the loss never falls.

    Examples
    --------
    >>> import math
    >>> rates = [10 ** (step / 20 - 4) for step in range(81)]
    >>> losses = [2 - math.tanh(4 * (math.log10(rate) + 2)) + 4 * rate**2 for rate in rates]
    >>> suggestion = suggest(rates, losses)
    >>> print(f"{suggestion.steepest:.2g} {suggestion.minimum:.2g}")
    0.01 0.05
    """
    values = np.asarray(smoothed, float)
    lowest = int(np.argmin(values))
    if lowest <= SETTLING or values[lowest] > (1 - FALL) * values[SETTLING]:
        raise FFNNError(
            f"the loss never fell by {100 * FALL:.0f} % at any rate from {rates[0]:g} to {rates[-1]:g}: expected "
            "settings that learn; look at the data, or try a wider range with --low and --high"
        )
    # Rates are evenly spaced on this axis, so a difference over a window is a slope.
    falls = values[SETTLING : lowest + 1]
    window = min(WINDOW, len(falls) - 1)
    steepest = SETTLING + int(np.argmin(falls[window:] - falls[:-window])) + window // 2
    return Suggestion(float(rates[steepest]), float(rates[lowest]))
