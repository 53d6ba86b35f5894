"""The loops of the fused engine: one per kind of kernel, each around a formula given later.

`formula` is a name that `ffnn.backend.formula.complete` fills in before Numba compiles the loop; what a loop does with
tuples of arrays is in `numba_tuples`.
"""

import math
from typing import Any

import numpy as np

from ffnn.backend.numba_tuples import (
    alike,
    all_fit,
    beside,
    clear_all,
    collect_all,
    grid,
    lines,
    narrowed,
    put_all,
    take,
    vectors,
)
from ffnn.errors import FFNNError

formula: Any = None  # given a meaning for each kernel

MISFIT = "expected arrays that fit each other; received some that do not fit"
"""What compiled code says, which knows no more; `ffnn.backend.fit` then finds better words."""


def elementwise(outputs, inputs, constants):
    """See `Engine.elementwise`."""
    rows, columns = grid(outputs[0])
    if not (alike(outputs, outputs[0]) and beside(inputs, outputs[0]) and vectors(constants, 1)):
        raise FFNNError(MISFIT)
    numbers = narrowed(constants, outputs[0].dtype.type)
    for i in range(rows):
        for j in range(columns):
            put_all(outputs, (i, j), formula(*(take(inputs, (i, j)) + numbers)))


def update(targets, inputs, constants):
    """See `Engine.update`."""
    # Targets are read and written through the same array: as separate arguments they would look
    # like overlapping memory, and the loop would not be vectorised.
    rows, columns = grid(targets[0])
    if not (alike(targets, targets[0]) and beside(inputs, targets[0]) and vectors(constants, 1)):
        raise FFNNError(MISFIT)
    numbers = narrowed(constants, targets[0].dtype.type)
    for i in range(rows):
        for j in range(columns):
            put_all(targets, (i, j), formula(*(take(targets, (i, j)) + take(inputs, (i, j)) + numbers)))


def columns(outputs, inputs, constants):
    """See `Engine.columns`."""
    height, width = inputs[0].shape
    sizes = (height, width, width)
    if not (all_fit(outputs, sizes) and all_fit(inputs, sizes) and vectors(constants, 1)):
        raise FFNNError(MISFIT)
    numbers = narrowed(constants, outputs[0].dtype.type)
    clear_all(outputs, 0)
    for i in range(height):
        for j in range(width):
            collect_all(outputs, (i, j), formula(*(take(inputs, (i, j)) + numbers)))


def rows(outputs, inputs, constants):
    """See `Engine.rows`."""
    height, width = inputs[0].shape
    fit = width and all_fit(inputs, (height, width, height)) and alike(outputs[:-1], inputs[0])
    if not (fit and vectors(outputs[-1:], 1) and vectors(constants, 1)):
        raise FFNNError(MISFIT)
    numbers = narrowed(constants, inputs[0].dtype.type)
    total = 0.0
    for i in range(height):
        total += formula(*(lines(inputs, i) + lines(outputs[:-1], i) + numbers))
    outputs[-1][0] = total


def gather(out, pool, indices, inputs):
    """See `Engine.gather`."""
    rows, columns = out.shape
    if not (indices.size == rows and pool.shape[1] == columns and vectors(inputs, columns)):
        raise FFNNError(MISFIT)
    for i in range(rows):
        if not 0 <= indices[i] < pool.shape[0]:
            raise FFNNError(MISFIT)
        source = pool[indices[i]]
        for j in range(columns):
            out[i, j] = formula(*((out.dtype.type(source[j]),) + take(inputs, (i, j))))


def square_sum(values, out):
    """See `Engine.square_sum`."""
    if out.size != 1:
        raise FFNNError(MISFIT)
    result = 0.0
    for value in values:
        result += np.float64(value) * np.float64(value)
    out[0] = result


def moments(values, bounds, out):
    """See `Engine.moments`."""
    for part in range(len(bounds)):
        if not 0 <= bounds[part, 0] <= bounds[part, 1] <= len(values):
            raise FFNNError(MISFIT)
        total, squares, largest = 0.0, 0.0, 0.0
        for i in range(bounds[part, 0], bounds[part, 1]):
            value = np.float64(values[i])
            total += value
            squares += value * value
            size = abs(value)
            largest = size if size > largest or size != size else largest
        out[part] = total, squares, largest


def one_hot(labels, on, off, out):
    """See `Engine.one_hot`."""
    if len(labels) != out.shape[0]:
        raise FFNNError(MISFIT)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = off
        if not 0 <= labels[i] < out.shape[1]:  # compiled code would write beyond the array
            raise FFNNError(MISFIT)
        out[i, labels[i]] = on


def warp(pool, rows, channels, source, out):
    """See `Engine.warp`."""
    _, _, height, width = source.shape
    for n in range(len(rows)):
        if not 0 <= rows[n] < len(pool):
            raise FFNNError(MISFIT)
        image = pool[rows[n]]
        for y in range(height):
            for x in range(width):
                v, u = source[n, 0, y, x], source[n, 1, y, x]
                top, left = math.floor(v), math.floor(u)
                low, right = v - top, u - left
                for channel in range(channels):
                    value = out.dtype.type(0)
                    for dy in range(2):
                        for dx in range(2):
                            i, j = int(top) + dy, int(left) + dx
                            if 0 <= i < height and 0 <= j < width:
                                share = (low if dy else 1 - low) * (right if dx else 1 - right)
                                value += share * image[(i * width + j) * channels + channel]
                    out[n, (y * width + x) * channels + channel] = value
