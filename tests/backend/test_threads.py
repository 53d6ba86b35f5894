"""How many threads products get, and when a user is told that a setting keeps cores from them."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from threadpoolctl import OpenBLASController, threadpool_info, threadpool_limits

from ffnn.backend import create_engine, threads
from ffnn.backend.threads import (
    SMALL_PRODUCT,
    limited_threads,
    sharing,
    suitable_threads,
    thread_warning,
    usable_cores,
)
from ffnn.sweep.process import environment


@pytest.mark.parametrize(("setting", "cores"), [("1", 1), ("3", 3), ("64", 4), ("", 4), ("0", 4), ("many", 4)])
def test_the_environment_may_allow_fewer_cores(monkeypatch: pytest.MonkeyPatch, setting: str, cores: int) -> None:
    monkeypatch.setattr(threads, "cores_of_process", lambda: 4)
    monkeypatch.setenv("OMP_NUM_THREADS", setting)
    assert usable_cores() == cores
    assert suitable_threads(SMALL_PRODUCT) == cores
    assert suitable_threads(SMALL_PRODUCT / 2) == 1


@pytest.mark.parametrize(
    ("files", "share"),
    [
        ({}, None),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu.max": "200000 100000\n"}, 2),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "350000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 4),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
    ],
)
def test_a_container_may_have_a_share_of_the_cores(files: dict[str, str], share: int | None, tmp_path: Path) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    assert threads._share(tmp_path) == share


def test_a_recorded_step_is_shared_by_threads_that_are_not_blass() -> None:
    engine = create_engine("numba")
    with threadpool_limits(1, user_api="blas"):
        with sharing(engine, 2, recorded=True):
            assert engine.threads == (2 if engine.records else 1)
            assert threads_of_blas() == ({1} if engine.records else {2})
            with sharing(engine, 2, recorded=True):  # another member of the same stack
                pass
            assert engine.threads == (2 if engine.records else 1)
        with sharing(engine, 2, recorded=False):
            assert (engine.threads, threads_of_blas()) == (1, {2})
        assert (engine.threads, threads_of_blas()) == (1, {1})
        assert suitable_threads(SMALL_PRODUCT / 2, recorded=True) == usable_cores()


def test_only_a_setting_that_costs_something_is_worth_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "cores_of_process", lambda: 4)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    line = thread_warning(SMALL_PRODUCT)
    assert line is not None
    assert "OMP_NUM_THREADS=1 holds NumPy to 1 of 4 cores" in line
    assert thread_warning(SMALL_PRODUCT / 2) is None
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert thread_warning(SMALL_PRODUCT) is None
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert thread_warning(SMALL_PRODUCT) is None


def test_a_trial_is_not_told_to_undo_what_its_sweep_has_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "cores_of_process", lambda: 4)
    for name, value in environment(2).items():
        monkeypatch.setenv(name, value)
    assert thread_warning(SMALL_PRODUCT) is None
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # not the sweep's doing
    assert thread_warning(SMALL_PRODUCT) is not None


def threads_of_blas() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def in_its_thread(thread: ThreadPoolExecutor, step: Callable[[], object]) -> None:
    thread.submit(step).result()


@pytest.fixture
def two_threads() -> Iterator[None]:
    """BLAS with two threads, and nobody's limit on it."""
    limiter = threadpool_limits(2, user_api="blas")
    OpenBLASController.clear_controlling_thread(force=True)
    yield
    limiter.restore_original_limits()
    OpenBLASController.clear_controlling_thread(force=True)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("first_out", [0, 1])
def test_fits_that_overlap_leave_blas_as_it_was(first_out: int) -> None:
    """Each in a thread of its own, as scikit-learn's searches have them; whichever ends first."""
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        fits: list[tuple[ThreadPoolExecutor, AbstractContextManager[None]]]
        fits = [(one, limited_threads(1)), (other, limited_threads(1))]
        for thread, limit in fits:
            in_its_thread(thread, limit.__enter__)
            assert threads_of_blas() == {1}
        thread, limit = fits.pop(first_out)
        in_its_thread(thread, lambda: limit.__exit__(None, None, None))
        assert threads_of_blas() == {1}
        thread, limit = fits.pop()
        in_its_thread(thread, lambda: limit.__exit__(None, None, None))
        assert threads_of_blas() == {2}


@pytest.mark.usefixtures("two_threads")
def test_limits_within_limits() -> None:
    with limited_threads(1):
        with limited_threads(2):
            assert threads_of_blas() == {2}
        assert threads_of_blas() == {1}
    assert threads_of_blas() == {2}
