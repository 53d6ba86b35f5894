"""Small formulas that several rooms share.

Like every formula they are plain functions of values: call them on NumPy arrays, or let an engine compile them.
"""

from ffnn.backend.vocabulary import absolute, exp, where


def value_itself(x):
    """x: for kernels that only move or sum values."""
    return x


def product(a, b):
    """a * b."""
    return a * b


def moved_towards(average, value, share):
    """One step of an exponential moving average: a share of the way to the value, and none where they are equal."""
    return average + share * (value - average)


def logistic(x):
    """1 / (1 + e^-x), written with e^-|x| so that nothing overflows.

    Examples
    --------
    >>> import numpy as np
    >>> logistic(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    z = exp(-absolute(x))
    return where(x >= 0.0, 1.0, z) / (1.0 + z)
