"""How many runs are trained at a time where nobody says: cores, memory and runs each set a limit; times want one."""

import subprocess
import sys

import pytest

from ffnn.experiment.runs import alone_if_timed
from ffnn.lab import workers
from ffnn.lab.workers import PROCESS_BYTES, suitable_workers

GIB = 1 << 30


def machine(monkeypatch: pytest.MonkeyPatch, cores: int, available: int | None, peak: int) -> None:
    """One with so many cores and so much memory left, of which this process has taken so much."""
    monkeypatch.setattr(workers, "cores_of_process", lambda: cores)
    monkeypatch.setattr(workers, "available_bytes", lambda: available)
    monkeypatch.setattr(workers, "peak_bytes", lambda: peak)


@pytest.mark.parametrize(
    ("cores", "available", "runs", "networks", "expected"),
    [
        (8, 64 * GIB, 36, [0], 8),
        (8, 64 * GIB, 3, [0], 3),  # a worker without a run would only load libraries
        (8, 4 * GIB, 36, [0], 4),  # each takes the 1 GiB that this process has taken for the data
        (8, 12 * GIB, 36, [0, 2 * GIB, GIB], 4),  # the largest network may come in all workers at once
        (8, GIB // 2, 36, [0], 1),  # one is always tried
        (8, None, 36, [0], 8),
        (1, 64 * GIB, 36, [0], 1),
        (8, 64 * GIB, 0, [], 1),
    ],
)
def test_cores_memory_and_runs_each_set_a_limit(
    cores: int,
    available: int | None,
    runs: int,
    networks: list[int],
    expected: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine(monkeypatch, cores, available, GIB)
    assert suitable_workers(runs, networks) == expected


def test_what_libraries_take_counts_before_they_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, 8, 2 * PROCESS_BYTES, 1)
    assert suitable_workers(36) == 2


PEAK = """
from ffnn.lab.workers import peak_bytes

before = peak_bytes()
block = bytearray(256 << 20)
block[::4096] = b"x" * len(block[::4096])
print(before, peak_bytes())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says it so that it can be believed")
def test_the_peak_is_of_bytes_and_grows_with_what_is_taken() -> None:
    """In a process of its own, which does not begin with what this one has taken."""
    taken = bytearray(600 << 20)
    taken[::4096] = b"x" * len(taken[::4096])
    before, after = map(int, subprocess.check_output([sys.executable, "-c", PEAK], text=True, timeout=60).split())
    assert 256 << 20 < after < before + (300 << 20)
    assert 10 << 20 < before < 256 << 20


@pytest.mark.parametrize(
    ("given", "measures", "expected"),
    [
        (None, ["test/accuracy", "curve/val/accuracy"], None),
        (None, ["test/accuracy", "time/train_seconds"], 1),
        (None, ["log10/train_seconds"], 1),
        (4, ["time/train_seconds"], 4),  # who asks for it gets it
    ],
)
def test_runs_whose_times_are_compared_have_the_machine_to_themselves(
    given: int | None, measures: list[str], expected: int | None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert alone_if_timed(given, measures) == expected
    assert ("one run at a time" in capsys.readouterr().err) == (given is None and expected == 1)
