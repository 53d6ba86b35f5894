"""Whether a search ended at the edge of its space: what is best may then lie outside, where nobody looked."""

import math
import re
from collections.abc import Mapping
from typing import Any

from ffnn.ranges import is_number
from ffnn.sweep.distribution import Distribution
from ffnn.sweep.distributions import Categorical, Interval, IntUniform
from ffnn.sweep.space import Space

NEAR = 0.02
"""Part of a range, on its own scale, that counts as its end: a fifth of a rate that is searched over four decades."""

FEWEST = 3
"""Values of a list, and trials of a sweep, from which an end says anything: of two values every one is an end."""

ENOUGH = 10
"""Trials a parameter from which a search has seen them all; a rule of thumb."""


def edges(space: Space, best: Mapping[str, Any], trials: int, thorough: bool = False) -> list[str]:
    """For each parameter whose best value is at an end of its space, a sentence that says so.

    `best` are the best trial's values of the searched parameters; so many trials have a result. Only a `thorough`
    search may compare single values, which are at an end often by mere chance.

    Examples
    --------
    >>> from ffnn.sweep.distributions import LogUniformValues
    >>> space = Space({("learning_rate",): LogUniformValues(1e-5, 0.1)})
    >>> edges(space, {"learning_rate": 0.1}, 15)
    ['best learning_rate 0.1 lies at the upper end of its range (1e-5 to 0.1): widen it']
    >>> edges(space, {"learning_rate": 0.05}, 15)
    []
    """
    if trials < FEWEST:
        return []
    sentences = (
        (name, _edge(distribution, best[name]))
        for name, distribution in space.searched.items()
        if thorough or not isinstance(distribution, Categorical | IntUniform)
    )
    return [f"best {name} {sentence}" for name, sentence in sentences if sentence]


def _edge(distribution: Distribution, value: Any) -> str | None:
    if isinstance(distribution, Categorical):
        return _edge_of_list(list(distribution.values.values()), value)
    if isinstance(distribution, IntUniform):
        low, high = float(distribution.min), float(distribution.max)
        place = (value - low) / (high - low)
    elif isinstance(distribution, Interval):
        low, high = distribution.low, distribution.high
        scale = math.log if distribution.log and value > 0 else float
        place = (scale(value) - scale(low)) / (scale(high) - scale(low)) if value > 0 or not distribution.log else 0.0
    else:
        return None
    end = "upper" if place >= 1 - NEAR else "lower" if place <= NEAR else ""
    if not end or (end == "lower" and low == 0):  # nothing is below 0: most settings end there
        return None
    return f"{_short(value)} lies at the {end} end of its range ({_short(low)} to {_short(high)}): widen it"


def _edge_of_list(values: list[Any], value: Any) -> str | None:
    numeric = all(map(is_number, values))
    if not numeric or len(values) < FEWEST:
        return None
    low, high = min(values), max(values)
    if value not in (low, high) or (value == low and low == 0):
        return None
    end, more = ("largest", "larger") if value == high else ("smallest", "smaller")
    return f"{_short(value)} is the {end} of its values ({_short(low)} to {_short(high)}): try {more} ones"


def _short(value: float) -> str:
    return re.sub(r"e([+-])0*", lambda match: "e" + match[1].strip("+"), f"{value:.4g}")
