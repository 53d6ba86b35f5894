"""How many runs are trained at a time where the user leaves it open: as many as cores and memory allow.

What a run finds does not depend on it. Its seconds do, so runs whose times are compared are trained one by one.
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ffnn.backend.threads import cores_of_process
from ffnn.lab.build import bytes_of_network
from ffnn.lab.config import Config
from ffnn.memory import available_bytes

Workers = int | None
"""Runs at a time; None leaves it to `suitable_workers`."""

PROCESS_BYTES = 400 << 20
"""What a process is taken to need at least, for libraries, W&B's client and data."""


def suitable_workers(configs: Sequence[Config], runs: int | None = None, stack: int = 1) -> int:
    """A worker for each core that this process may use, but no more than there are runs or memory has room for.

    Each is taken to need what this process has taken so far, which should have loaded the data, and its networks. A
    card is not shared, so there it is one.

    Parameters
    ----------
    configs : sequence of Config
        Of the runs; the largest network counts.
    runs : int, optional
        Where there are more than configs.
    stack : int >= 1
        Runs that a worker trains together.
    """
    if any(config.engine == "cupy" for config in configs):
        return 1
    cores, available = cores_of_process(), available_bytes()
    networks = stack * max(map(bytes_of_network, configs), default=0)
    fitting = cores if available is None else available // (max(peak_bytes(), PROCESS_BYTES) + networks)
    return max(1, min(cores, fitting, -(-(runs or len(configs)) // stack)))


def peak_bytes() -> int:
    """The most memory that this process has had; 0 where the system does not say."""
    # Not getrusage: there a process begins with the peak of the one that started it.
    with suppress(OSError, ValueError):
        lines = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace").splitlines()
        return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)
    return 0
