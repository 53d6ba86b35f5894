"""From samples to figures: medians, ratios, and what they come to over all cells.

A ratio is one of medians, a contender's time over ffnn's: above 1, ffnn is faster.
"""

import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ffnn.bench.work import Cell, as_json

FLOORS = ("floor", "gpu-floor")
"""Contenders that do nothing but the matrix products."""

MICROSECONDS = 1e6


@dataclass(frozen=True)
class CellResult:
    """What was measured in a cell.

    `images` are those of an epoch. By contender, `seconds` and `cpu_seconds` are those of each counted epoch, by the
    clock and of processor time; `losses` their mean losses, None where there is none.
    """

    cell: Cell
    images: int
    seconds: Mapping[str, Sequence[float]]
    cpu_seconds: Mapping[str, Sequence[float]] = field(default_factory=dict)
    losses: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Updates in an epoch."""
        return self.images // self.cell.batch_size

    def step_microseconds(self, name: str) -> float | None:
        """Median time of a step, or None where the contender did not take part."""
        if name not in self.seconds:
            return None
        return MICROSECONDS * statistics.median(self.seconds[name]) / self.steps

    def ratio(self, name: str, to: str) -> float | None:
        """How many times as long `name` takes as `to`.

        Examples
        --------
        >>> measured = {"ffnn-numba": [1.0, 3.0, 2.0], "pytorch": [4.0, 9.0, 5.0]}
        >>> CellResult(Cell("784-64-10", 32), 320, measured).ratio("pytorch", "ffnn-numba")
        2.5
        """
        above, below = self.step_microseconds(name), self.step_microseconds(to)
        return above / below if above is not None and below is not None else None

    def share_of_cores(self, name: str) -> float:
        """Cores that a contender kept busy: processor time over time by the clock."""
        return sum(self.cpu_seconds[name]) / sum(self.seconds[name])


@dataclass(frozen=True)
class Summary:
    """A contender's ratios to another over all cells."""

    name: str
    least: float
    median: float
    most: float
    cells: int


def champion(results: Sequence[CellResult], names: Sequence[str]) -> str:
    """The contender that the others are compared with: the first one that took part, ffnn if it did."""
    return next((name for name in names if any(name in result.seconds for result in results)), names[0])


def floor_of(names: Sequence[str]) -> str:
    """The one of `names` that does the bare products; the CPU's where there is none."""
    return next((name for name in names if name in FLOORS), FLOORS[0])


def summarize(results: Sequence[CellResult], name: str, to: str) -> Summary | None:
    """Least, median and greatest ratio over the cells that both ran; None where there is none."""
    ratios = [ratio for result in results if (ratio := result.ratio(name, to)) is not None]
    return Summary(name, min(ratios), statistics.median(ratios), max(ratios), len(ratios)) if ratios else None


def busy(results: Sequence[CellResult], threads: int) -> float | None:
    """Median share of their cores that one-threaded contenders got, where that can be told: 1 on a quiet machine."""
    shares = [result.share_of_cores(name) for result in results for name in result.cpu_seconds]
    return statistics.median(shares) if shares and threads == 1 else None


def greedy(results: Sequence[CellResult], threads: int, tolerance: float = 0.1) -> list[str]:
    """Contenders that computed with more threads than they were given."""
    names = {
        name: True
        for result in results
        for name in result.cpu_seconds
        if result.share_of_cores(name) > threads * (1 + tolerance)
    }
    return list(names)


def record(
    results: Sequence[CellResult],
    rules: Any,
    described: Mapping[str, Any],
    left_out: Mapping[str, str],
    environment: Mapping[str, Any],
) -> dict[str, Any]:
    """Everything, in plain values for a JSON file."""
    return {
        "rules": asdict(rules),
        "python": platform.python_version(),
        "environment": dict(environment),
        "contenders": dict(described),
        "left_out": dict(left_out),
        "cells": [
            {
                **as_json(result.cell),
                "images": result.images,
                "steps": result.steps,
                "seconds": {name: list(values) for name, values in result.seconds.items()},
                "cpu_seconds": {name: list(values) for name, values in result.cpu_seconds.items()},
                "losses": {name: list(values) for name, values in result.losses.items()},
                "step_microseconds": {name: result.step_microseconds(name) for name in result.seconds},
                "notes": dict(result.notes),
            }
            for result in results
        ],
    }
