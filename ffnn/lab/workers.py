"""How many runs are trained at a time where the user leaves it open: as many as cores and memory allow.

What a run finds does not depend on it. Its seconds do, so runs whose times are compared are trained one by one.
"""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ffnn.backend.threads import cores_of_process
from ffnn.memory import available_bytes

Workers = int | None
"""Runs at a time; None leaves it to `suitable_workers`."""

PROCESS_BYTES = 400 << 20
"""What a process takes at least for libraries, W&B's client and data."""


def suitable_workers(runs: int, bytes_of_networks: Iterable[int] = ()) -> int:
    """A worker for each core that this process may use, but no more than there are runs or memory has room for.

    Each is taken to need what this process has taken so far, which should have loaded the data, and its network.

    Parameters
    ----------
    runs : int
        That are to be made.
    bytes_of_networks : iterable of int
        What training each takes; the largest counts.
    """
    cores, available = cores_of_process(), available_bytes()
    needed = max(peak_bytes(), PROCESS_BYTES) + max(bytes_of_networks, default=0)
    return max(1, min(runs, cores, cores if available is None else available // needed))


def peak_bytes() -> int:
    """The most memory that this process has had; 0 where the system does not say."""
    # Not getrusage: there a process begins with the peak of the one that started it.
    with suppress(OSError, ValueError):
        lines = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace").splitlines()
        return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)
    return 0
