"""How many threads a matrix product should have.

Threads that share a small product wait for each other more than they compute; on a machine that is
busy with something else they wait for whole time slices, and training becomes many times slower.
"""

import os
from contextlib import AbstractContextManager

SMALL_PRODUCT = 4e7
"""Floating-point operations below which one thread serves a product best; see `suitable_threads`."""


def cores_of_process() -> int:
    """Cores the operating system lets this process run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usable_cores() -> int:
    """Cores this process should use: OMP_NUM_THREADS, as a sweep or a cluster sets it, may allow fewer than it has."""
    allowed = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores_of_process(), int(allowed)) if allowed.isdecimal() and int(allowed) else cores_of_process()


def suitable_threads(largest_product: float) -> int:
    """One thread for products of fewer than 4e7 operations, else one for each usable core.

    It depends on sizes alone and not on a measurement, because the number of threads is among the
    things that decide the last bits of a result.

    Parameters
    ----------
    largest_product : float
        Floating-point operations of the largest product of a step: 2 * batch_size * inputs * outputs.
    """
    return 1 if largest_product < SMALL_PRODUCT else usable_cores()


def thread_warning(largest_product: float) -> str | None:
    """One line when OMP_NUM_THREADS keeps products of this size from cores that this process has, else None."""
    wanted = 1 if largest_product < SMALL_PRODUCT else cores_of_process()
    if wanted <= usable_cores():
        return None
    return (
        f"OMP_NUM_THREADS={os.environ['OMP_NUM_THREADS']} holds NumPy to {usable_cores()} of {wanted} cores: "
        "unset it to train faster, unless other work needs them"
    )


def limited_threads(threads: int) -> AbstractContextManager[object]:
    """Within it, BLAS uses at most so many threads."""
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(threads, user_api="blas")
    return limits
