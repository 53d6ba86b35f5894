"""Sparklines: curves as high as a letter, all of a table on the same scale."""

import math
from collections.abc import Sequence
from itertools import pairwise

BARS = "▁▂▃▄▅▆▇█"
WIDTH = 12
"""Letters of a line; longer curves show the mean of the epochs that share a letter."""


def sparkline(values: Sequence[float], low: float, high: float, width: int = WIDTH) -> str:
    """Values as letters of eight heights, from `low` to `high`; what is not finite leaves a gap.

    Examples
    --------
    >>> sparkline([0.0, 0.5, 1.0], 0.0, 1.0), sparkline([1.0, math.nan], 1.0, 1.0), sparkline([], 0.0, 1.0)
    ('▁▅█', '▁ ', '')
    """
    span = high - low
    letters = []
    for value in _shortened(values, width):
        if not math.isfinite(value):
            letters.append(" ")
            continue
        place = (value - low) / span if span else 0.0
        letters.append(BARS[min(len(BARS) - 1, max(0, int(place * len(BARS))))])
    return "".join(letters)


def _shortened(values: Sequence[float], width: int) -> list[float]:
    if len(values) <= width:
        return list(values)
    edges = [round(place * len(values) / width) for place in range(width + 1)]
    return [math.fsum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
