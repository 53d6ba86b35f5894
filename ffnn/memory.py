"""What a network takes of memory, said before it is built: a layer with a digit too many is refused in words.

The system would refuse it in the middle, or swap, or kill the process without a word.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from ffnn.errors import FFNNError

SMALL = 1 << 28
"""Bytes that nobody asks the system about."""
EVALUATION_BATCH = 1024
"""Rows that are evaluated at once."""
RAN_OUT = "memory ran out: take fewer units or layers, smaller batches, or fewer processes at a time"
"""What is said of a MemoryError, which has no words of its own that would help."""


def needed_bytes(sizes: Sequence[int], batch: int, slots: int, itemsize: int = 4) -> int:
    """About what training takes: parameters, gradients, optimizer slots, the best weights, and the rows of batches.

    All but the best weights are there twice, as the steps of an epoch are taken on copies. `sizes` are inputs, units of
    each hidden layer and classes; `batch` counts rows of a step, `slots` values that the optimizer keeps for a
    parameter, `itemsize` bytes of a number.

    Examples
    --------
    >>> needed_bytes([784, 64, 10], 32, 2)
    2173032
    """
    return itemsize * (parameters_of(sizes) * (5 + 2 * slots) + (4 * batch + EVALUATION_BATCH) * sum(sizes[1:]))


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


def available_bytes(root: Path = Path("/")) -> int | None:
    """Memory that this process can still have, also in a container or a job; None where the system does not say.

    The system's files are in `root`.
    """
    figures = []
    figures += [1024 * count for count in _figures(root / "proc/meminfo", ("MemAvailable:",))]
    for group, names in _groups(root):
        with suppress(OSError, ValueError):
            limit, used = (int((group / name).read_text(encoding="ascii")) for name in names.files)
            figures.append(max(0, limit - used + sum(_figures(group / "memory.stat", names.cache))))
    return min(figures, default=None)


class _Names(NamedTuple):
    """What a version of control groups calls its files: the limit and the use, and the cache that is given back."""

    folder: str
    files: tuple[str, str]
    cache: tuple[str, ...]


_VERSION_2 = _Names("", ("memory.max", "memory.current"), ("inactive_file", "active_file", "slab_reclaimable"))
_VERSION_1 = _Names(
    "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes"), ("total_inactive_file", "total_active_file")
)


def _groups(root: Path) -> Iterator[tuple[Path, _Names]]:
    """The control groups that this process is in, the outermost first: the limit of each of them holds."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        controllers, _, place = line.partition(":")[2].partition(":")
        if controllers and "memory" not in controllers.split(","):
            continue
        names = _VERSION_1 if controllers else _VERSION_2
        top, parts = root / "sys/fs/cgroup" / names.folder, [part for part in place.split("/") if part]
        for depth in range(len(parts) + 1 if ".." not in parts else 1):
            yield top.joinpath(*parts[:depth]), names


def _figures(path: Path, names: Sequence[str]) -> list[int]:
    """The numbers after these names, each on a line of its own; none where the file is not there."""
    try:
        pairs = [line.split() for line in path.read_text(encoding="ascii").splitlines()]
        return [int(words[1]) for words in pairs if len(words) > 1 and words[0] in names]
    except (OSError, ValueError):
        return []
