"""Whether two engines train alike: the losses of a run with one beside those of the same run with the other.

`python -m ffnn.bench.alike FOLDER FOLDER [BOUND]`, each with one run at or below it; exit code 1 where they part.
"""

import sys
from collections.abc import Sequence
from typing import Any

from ffnn.errors import FFNNError
from ffnn.terminal import say
from ffnn.tracking import find_runs, read_run

BOUND = 1e-3
"""Largest relative difference of float32 losses after a few epochs; sums are added in another order on every engine."""

COMPARED = ("train/loss", "val/loss")


def differences(first: Sequence[dict[str, Any]], second: Sequence[dict[str, Any]]) -> list[float]:
    """Of each epoch, the largest relative difference of the losses.

    Examples
    --------
    >>> one, other = {"train/loss": 2.0, "val/loss": 1.0}, {"train/loss": 2.1, "val/loss": 1.0}
    >>> [round(difference, 3) for difference in differences([one], [other])]
    [0.05]
    """
    if len(first) != len(second) or not first:
        raise FFNNError(f"expected two runs of as many epochs; received {len(first)} and {len(second)}")
    pairs = zip(first, second, strict=True)
    return [max(abs(a[name] - b[name]) / abs(a[name]) for name in COMPARED) for a, b in pairs]


def history(folder: str) -> tuple[str, list[dict[str, Any]]]:
    """The engine of the one run at or below a folder, and its epochs."""
    runs = find_runs(folder)
    if len(runs) != 1:
        raise FFNNError(f"{folder}: expected one run at or below it; received {len(runs)}")
    run = read_run(runs[0])
    return str(run.config["engine"]), run.history


def main() -> None:
    """Compare, and print a line an epoch."""
    try:
        (engine, first), (rival, second) = (history(folder) for folder in sys.argv[1:3])
        apart = differences(first, second)
    except FFNNError as problem:
        sys.exit(f"alike: {problem}")
    for number, (a, b, difference) in enumerate(zip(first, second, apart, strict=True), start=1):
        losses = ", ".join(f"{name} {a[name]:.6f} with {engine}, {b[name]:.6f} with {rival}" for name in COMPARED)
        say(f"epoch {number}: {losses}; apart by {difference:.1e}")
    bound = float(sys.argv[3]) if len(sys.argv) > 3 else BOUND
    alike = max(apart) <= bound
    say(f"{engine} and {rival} {'train alike' if alike else 'do not train alike'}: bound {bound:g}")
    sys.exit(not alike)


if __name__ == "__main__":
    main()
