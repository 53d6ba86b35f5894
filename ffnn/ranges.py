"""Range checks for constructors, so that every wrong value is refused in the same words."""

import math
import numbers

from ffnn.errors import FFNNError


def is_number(value: object) -> bool:
    """Whether a value is a plain number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def in_range(name: str, value: float, low: float, high: float = math.inf, *, open_low: bool = False) -> float:
    """`value` as a float if it lies in [low, high); with `open_low` in (low, high).

    Examples
    --------
    >>> in_range("rate", 0.5, 0, 1)
    0.5
    >>> in_range("rate", 1.5, 0, 1)
    Traceback (most recent call last):
    ffnn.errors.FFNNError: rate must be in [0, 1); received 1.5
    """
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not (low < value if open_low else low <= value) or not value < high:
        raise FFNNError(f"{name} must be in {'(' if open_low else '['}{low:g}, {high:g}); received {value!r}")
    return float(value)


def positive_integer(name: str, value: int) -> int:
    """`value` as an int if it is a whole number of at least 1."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < 1:
        raise FFNNError(f"{name} must be a whole number of at least 1; received {value!r}")
    return int(value)
