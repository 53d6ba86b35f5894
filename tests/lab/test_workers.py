"""How many runs are trained at a time where nobody says: cores, memory and runs each set a limit; times want one."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import yaml

from ffnn.backend import blas
from ffnn.backend.threads import TEAMS
from ffnn.experiment.runs import alone_if_timed
from ffnn.lab import workers
from ffnn.lab.build import build, is_shared
from ffnn.lab.config import Config, make_config
from ffnn.lab.workers import PROCESS_BYTES, suitable_workers
from ffnn.sweep import session
from ffnn.sweep.engine import Wish
from ffnn.sweep.plan import make_plan
from ffnn.sweep.schema import read_sweep
from ffnn.sweep.session import _settled, run_sweeps

GIB = 1 << 30


def machine(monkeypatch: pytest.MonkeyPatch, cores: int, available: int | None, peak: int) -> None:
    """One with so many cores and so much memory left, of which this process has taken so much."""
    monkeypatch.setattr(workers, "cores_of_process", lambda: cores)
    monkeypatch.setattr(workers, "available_bytes", lambda: available)
    monkeypatch.setattr(workers, "peak_bytes", lambda: peak)


def configs(count: int, **settings: Any) -> list[Config]:
    return [make_config({**settings, "seed": seed}) for seed in range(count)]


@pytest.mark.parametrize(
    ("cores", "available", "runs", "stack", "expected"),
    [
        (8, 64 * GIB, 36, 1, 8),
        (8, 64 * GIB, 3, 1, 3),  # a worker without a run would only load libraries
        (8, None, 20, 8, 3),  # nor is one wanted that takes a stack apart
        (8, 9 * GIB, 36, 1, 3),  # each takes the 1 GiB that this process has taken, and the largest network's 2
        (8, 17 * GIB, 36, 4, 1),
        (8, GIB // 2, 36, 1, 1),  # one is always tried
        (8, None, 36, 1, 8),
        (1, 64 * GIB, 36, 1, 1),
        (8, 64 * GIB, 0, 1, 1),
    ],
)
def test_cores_memory_and_runs_each_set_a_limit(
    cores: int, available: int | None, runs: int, stack: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, cores, available, GIB)
    monkeypatch.setattr(workers, "bytes_of_network", lambda config: 2 * GIB if config.seed == 1 else 0)
    assert suitable_workers(configs(runs), stack=stack) == expected


def test_what_libraries_take_counts_before_they_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, 8, 5 * PROCESS_BYTES // 2, 1)
    assert suitable_workers(configs(1), runs=36) == 2


def test_a_card_is_not_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, 8, 64 * GIB, GIB)
    assert suitable_workers([*configs(3), make_config({"engine": "numba"}).model_copy(update={"engine": "cupy"})]) == 1


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ({"method": "random"}, 6),
        ({"method": "grid"}, 3),
        ({"method": "bayes"}, 1),
        ({"method": "random", "early_terminate": {"type": "hyperband", "min_iter": 1}}, 1),
        ({"method": "random", "metric": {"name": "best/val/accuracy", "goal": "maximize", "target": 0.9}}, 1),
        ({"method": "random", "metric": {"name": "time/train_seconds", "goal": "minimize"}}, 1),
    ],
)
def test_a_sweep_takes_one_trial_at_a_time_where_their_number_decides(
    file: dict[str, Any], expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, 6, 64 * GIB, GIB)
    content = {
        "metric": {"name": "best/val/accuracy", "goal": "maximize"}, "parameters": {"seed": {"values": [0, 1, 2]}},
        "command": ["${env}", "ffnn", "train", "${args}"], **file,
    }  # fmt: skip
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(content))
    plan = make_plan(read_sweep(tmp_path / "s.yaml"), {}, None, 40 if file["method"] != "grid" else None, {})
    assert _settled(plan, Wish(), make_config({})).workers == expected


def test_all_searches_are_asked_to_end_before_one_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial may take seconds to end; those of the other searches would train on meanwhile."""
    told: list[str] = []

    class Search:
        def __init__(self, plan: Any, *_: Any) -> None:
            self.name, self.view = plan, nullcontext()

        def steps(self) -> Iterator[None]:
            try:
                while True:
                    yield
            finally:
                told.append(f"{self.name} ended")

        def ask_to_end(self) -> None:
            told.append(f"{self.name} asked")

        def processes(self) -> list[Any]:
            raise KeyboardInterrupt  # while they are waited for

    monkeypatch.setattr(session, "_engine", Search)
    monkeypatch.setattr(session, "ForkServer", lambda environ: nullcontext())
    with pytest.raises(KeyboardInterrupt):
        list(run_sweeps(iter([("a", None, None), ("b", None, None)]), 2))  # type: ignore[list-item]
    assert set(told[:2]) == {"a asked", "b asked"}
    assert set(told) >= {"a ended", "b ended"}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, True),
        ({"framework": "torch"}, False),
        ({"checkpoint_every": 3}, False),  # where every step is asked for
        ({"augment": ["shift"]}, False),
        ({"batch_size": "full"}, False),
        ({"engine": "numpy"}, False),
    ],
)
def test_threads_share_only_steps_that_are_recorded(settings: dict[str, Any], expected: bool) -> None:
    config = make_config({"dataset": "digits", "hidden_layers": [8], "engine": "numba", **settings})
    recorded = TEAMS and blas.product("float32") is not None
    assert is_shared(config, build(config)) == (expected and recorded)


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
