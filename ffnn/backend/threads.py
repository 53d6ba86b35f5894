"""How many threads a matrix product should have.

Threads that share a small product wait for each other more than they compute; on a machine that is
busy with something else they wait for whole time slices, and training becomes many times slower.
"""

import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ffnn.backend.engine import Engine

TEAMS = hasattr(os, "sched_yield")
"""Whether threads can share recorded steps here: who waits must be able to make room for others."""

TRIAL_THREADS = "FFNN_TRIAL_THREADS"
"""In a trial's environment, the share of the cores that its sweep gave it."""

SMALL_PRODUCT = 4e7
"""Floating-point operations below which one thread serves a product best; see `suitable_threads`."""

SMALL_SHARE = 2e6
"""The same for the products of recorded steps, whose threads wait for each other in compiled code."""


def cores_of_process() -> int:
    """Cores the operating system, or the container's share of time, lets this process run on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _share() or cores)


def _share(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Cores' worth of time that a container has, in either version of control groups; None where it has all."""
    with suppress(OSError, ValueError):
        quota, period = (root / "cpu.max").read_text(encoding="ascii").split()
        return max(1, math.ceil(int(quota) / int(period)))  # "max" is no number: it has all
    with suppress(OSError, ValueError):
        quota, period = (
            (root / "cpu" / f"cpu.cfs_{name}_us").read_text(encoding="ascii") for name in ("quota", "period")
        )
        return max(1, math.ceil(int(quota) / int(period))) if int(quota) > 0 else None
    return None


def usable_cores() -> int:
    """Cores this process should use: OMP_NUM_THREADS, as a sweep or a cluster sets it, may allow fewer than it has."""
    allowed = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores_of_process(), int(allowed)) if allowed.isdecimal() and int(allowed) else cores_of_process()


def suitable_threads(largest_product: float, recorded: bool = False) -> int:
    """One thread for small products, of fewer than 4e7 operations or 2e6 in a recorded step, else one a usable core.

    It depends on sizes alone and not on a measurement, because the threads of BLAS are among the things that decide
    the last bits of a result; those of a recorded step are not.

    Parameters
    ----------
    largest_product : float
        Floating-point operations of the largest product of a step: 2 * batch_size * inputs * outputs.
    recorded : bool
        Whether threads share recorded steps, as in `sharing`.
    """
    return 1 if largest_product < (SMALL_SHARE if recorded else SMALL_PRODUCT) else usable_cores()


@contextmanager
def sharing(engine: "Engine", threads: int, recorded: bool) -> Iterator[None]:
    """Within it so many threads share the steps: their pieces where the engine records them, else BLAS's products."""
    shared, before = recorded and engine.records, engine.threads
    engine.threads = threads if shared else 1
    try:
        with limited_threads(1 if shared else threads):
            yield
    finally:
        engine.threads = before  # as another member of a stack has set it


def thread_warning(largest_product: float) -> str | None:
    """One line when OMP_NUM_THREADS keeps products of this size from cores that this process has, else None.

    Nor is there a line in a trial, whose sweep has set it.
    """
    best = 1 if largest_product < SMALL_PRODUCT else cores_of_process()
    if best <= usable_cores() or os.environ["OMP_NUM_THREADS"] == os.environ.get(TRIAL_THREADS):
        return None
    return (
        f"OMP_NUM_THREADS={os.environ['OMP_NUM_THREADS']} holds NumPy to {usable_cores()} of {best} cores: "
        "unset it to train faster, unless other work needs them"
    )


class BlasLimits:
    """The limits that several threads of a process set on the one number of threads BLAS has.

    Whoever comes last decides; whoever leaves brings back the limit of the one before who is still there, and the last
    of them what was there before the first. Were each to bring back what it met, one that ends after another would
    leave the other's limit for ever.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._limits: dict[object, int] = {}
        self._before: Any = None

    @contextmanager
    def at_most(self, threads: int) -> Iterator[None]:
        """Within it, BLAS uses at most so many threads, unless another thread of the process asks for others."""
        from threadpoolctl import threadpool_limits

        holder = object()
        with self._changing():
            limiter = threadpool_limits(threads, user_api="blas")
            if not self._limits:
                self._before = limiter
            self._limits[holder] = threads
        try:
            yield
        finally:
            with self._changing():
                del self._limits[holder]
                if self._limits:
                    threadpool_limits([*self._limits.values()][-1], user_api="blas")
                else:
                    self._before.restore_original_limits()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Alone, and obeyed: threadpoolctl takes no order but of the thread that gave the first, which may be gone."""
        from threadpoolctl import OpenBLASController

        with self._lock:
            OpenBLASController.clear_controlling_thread(force=True)
            yield
            OpenBLASController.clear_controlling_thread(force=True)


limited_threads = BlasLimits().at_most
"""Within it, BLAS uses at most so many threads; one for the process, as BLAS is."""
