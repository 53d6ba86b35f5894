"""How many threads products get, and when a user is told that a setting keeps cores from them."""

import pytest

from ffnn.backend import threads
from ffnn.backend.threads import SMALL_PRODUCT, suitable_threads, thread_warning, usable_cores


@pytest.mark.parametrize(("setting", "cores"), [("1", 1), ("3", 3), ("64", 4), ("", 4), ("0", 4), ("many", 4)])
def test_the_environment_may_allow_fewer_cores(monkeypatch: pytest.MonkeyPatch, setting: str, cores: int) -> None:
    monkeypatch.setattr(threads, "cores_of_process", lambda: 4)
    monkeypatch.setenv("OMP_NUM_THREADS", setting)
    assert usable_cores() == cores
    assert suitable_threads(SMALL_PRODUCT) == cores
    assert suitable_threads(SMALL_PRODUCT / 2) == 1


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
