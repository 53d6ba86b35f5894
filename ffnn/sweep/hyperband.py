"""Hyperband's early termination, by W&B's rule to the letter, so that a file means the same with and without W&B.

An iteration is one finite logged value of the sweep's metric, whatever it counts; ffnn logs one an epoch.
Source of the rule: the `sweeps` package of W&B, hyperband_stopping.py, after Li et al. 2018, JMLR 18(185).
"""

import math
from collections.abc import Mapping, Sequence

from ffnn.sweep.schema import Hyperband


def bands(rule: Hyperband, limit: float = math.inf) -> list[int]:
    """The iterations at which a trial is looked at, up to `limit`, in rising order.

    Either min_iter * eta^k, or max_iter / eta^k for k = 1, ..., s; fractions are cut off.

    Examples
    --------
    >>> bands(Hyperband(type="hyperband", min_iter=3), 30)
    [3, 9, 27]
    >>> bands(Hyperband(type="hyperband", max_iter=27, s=2))
    [3, 9]
    """
    iterations: list[int] = []
    if rule.min_iter is not None:
        band = float(rule.min_iter)
        for _ in range(100):  # W&B's own end
            iterations.append(int(band))
            band *= rule.eta
    else:
        band = float(rule.max_iter or 0)
        for _ in range(int(rule.s or 0)):
            band /= rule.eta
            if band < 1:
                break
            iterations.append(int(band))
    return sorted(band for band in iterations if band <= limit)


def stops(
    rule: Hyperband, sign: float, values: Sequence[float], histories: Sequence[Mapping[int, float]]
) -> int | None:
    """The band at which a trial falls behind, or None if it may go on.

    At the highest band that the trial has reached, the threshold is the value at place floor(n / eta) of the n trials
    that reached it, best first. Strictly, the trial's value at the band must not be worse; else its best value so far
    must not be.

    `sign` times a value is smaller where that is better; `values` are the trial's finite ones, in order; `histories`
    those of every trial of the sweep, this one among them, by iteration, from 1. Only bands count.
    """
    reached = bands(rule, len(values))
    if not reached:
        return None
    band = reached[-1]
    at_band = sorted(sign * history[band] for history in histories if band in history)
    if not at_band:
        return None
    threshold = at_band[int(1.0 / rule.eta * len(at_band))]
    condition = sign * values[band - 1] if rule.strict else min(sign * value for value in values)
    return band if condition > threshold else None
