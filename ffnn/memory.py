"""What a network takes of memory, said before it is built: a layer with a digit too many is refused in words.

The system would refuse it in the middle, or swap, or kill the process without a word.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from ffnn.errors import FFNNError

SMALL = 1 << 28
"""Bytes that nobody asks the system about."""
EVALUATED = 1024
"""Rows that are evaluated at once."""


def needed_bytes(sizes: Sequence[int], batch: int, slots: int, itemsize: int = 4) -> int:
    """About what training takes: parameters, gradients, optimizer slots, the best weights, and the rows of batches.

    Parameters
    ----------
    sizes : sequence of int
        Inputs, units of each hidden layer, classes.
    batch : int
        Rows of a step.
    slots : int
        Values that the optimizer keeps for a parameter.
    itemsize : int, default 4
        Bytes of a number.

    Examples
    --------
    >>> needed_bytes([784, 64, 10], 32, 2)
    1339848
    """
    return itemsize * (parameters_of(sizes) * (3 + slots) + (2 * batch + EVALUATED) * sum(sizes[1:]))


def parameters_of(sizes: Sequence[int]) -> int:
    """Weights and biases of the layers between so many values."""
    return sum((inputs + 1) * outputs for inputs, outputs in pairwise(sizes))


def check_memory(name: str, sizes: Sequence[int], batch: int, slots: int, itemsize: int = 4) -> None:
    """FFNNError if training such a network takes more memory than there is; `name` is the setting to change."""
    needed = needed_bytes(sizes, batch, slots, itemsize)
    if needed <= SMALL:
        return
    available = available_bytes()
    if available is not None and needed > available:
        raise FFNNError(
            f"{name}: expected a network that fits into memory; received one of {parameters_of(sizes):,} parameters, "
            f"which takes about {needed:,} bytes to train, and {available:,} are available: take fewer units or "
            "layers, or smaller batches"
        )


def available_bytes() -> int | None:
    """Memory that this process can still have, also in a container; None where the system does not say."""
    known = []
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        known += [1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
        group = Path("/sys/fs/cgroup")
        limit = (group / "memory.max").read_text(encoding="ascii").strip()
        if limit.isdigit():
            known.append(max(0, int(limit) - int((group / "memory.current").read_text(encoding="ascii"))))
    except (OSError, ValueError, IndexError):
        pass
    return min(known, default=None)
