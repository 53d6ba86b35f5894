"""Several networks at once: each learns what it learns alone, and times are those of one of them."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from task import PLAIN, make_task
from test_race import bench

from ffnn.bench import worker
from ffnn.bench.contenders.ffnn_gpu import LARGEST, FFNNCuPyStack
from ffnn.bench.contenders.ffnn_stack import FFNNNumbaStack
from ffnn.bench.contenders.ffnn_trainer import FFNNNumba
from ffnn.bench.limits import stack_tables
from ffnn.bench.results import CellResult
from ffnn.bench.work import NETWORKS, Cell


@pytest.mark.parametrize("optimizer", ["sgd", pytest.param("adam", marks=pytest.mark.slow)])
def test_a_stack_learns_what_its_networks_learn_alone(optimizer: str) -> None:
    task = make_task(replace(PLAIN, optimizer=optimizer, learning_rate=0.01, dropout=0.2), rows=40, batch_size=8)
    stack = FFNNNumbaStack()
    stack.prepare(task, 1)
    alone = [FFNNNumba() for _ in range(FFNNNumbaStack.networks)]
    for number, single in enumerate(alone):
        single.prepare(replace(task, seed=task.seed + number), 1)
    for _ in range(3):
        losses = [single.epoch() for single in alone]
        assert stack.epoch() == np.mean(losses)
        # Each has an order of its own, else this would show nothing.
        assert len(set(losses)) == len(losses)
    for theirs, single in zip(stack._stack.trainers, alone, strict=True):
        assert theirs.objective.network.engine.name == "numba"
        ours = single._trainer.objective.network.state_dict()
        found = theirs.objective.network.state_dict()
        assert all(found[name].tobytes() == ours[name].tobytes() for name in ours)


def test_times_are_those_of_one_network(monkeypatch: pytest.MonkeyPatch) -> None:
    now = {"wall": 5.0, "cpu": 1.0}

    class Slow:
        networks = 4

        def epoch(self) -> float:
            now["wall"] += 8.0
            now["cpu"] += 2.0
            return 0.5

    clock = SimpleNamespace(perf_counter=lambda: now["wall"], process_time=lambda: now["cpu"])
    monkeypatch.setattr(worker, "time", clock)
    running = worker.Worker("floor", 1)
    monkeypatch.setattr(running, "contender", Slow())
    assert running.epoch() == {"seconds": 2.0, "cpu_seconds": 0.5, "loss": 0.5}


def test_stacks_of_100_are_for_small_networks() -> None:
    fit = [name for name, described in NETWORKS.items() if not FFNNCuPyStack.unfit(described)]
    assert fit == ["64-16-10", "784-64-10"]
    assert str(LARGEST) in FFNNCuPyStack.unfit(NETWORKS["784-400-240-120-47"])
    assert not any(FFNNNumbaStack.unfit(described) for described in NETWORKS.values())


def test_the_table_compares_all_with_one_and_with_the_rival() -> None:
    # 10 steps; 0.1 s, 0.05 s and 0.4 s for an epoch of one network.
    seconds = {"ffnn-numba": [0.1, 0.1], "ffnn-numba-x8": [0.05, 0.05], "pytorch": [0.4]}
    names = list(seconds)
    (table,) = stack_tables([CellResult(Cell("784-64-10", 32), 320, seconds)], names)
    assert table.rows == [["784-64-10", "32", "4.00", "20.00", "10.00", "2.50", "8.00"]]
    without = {"ffnn-numba-x8": [0.05]}
    (table,) = stack_tables([CellResult(Cell("784-64-10", 32), 320, without)], names)
    assert table.rows == [["784-64-10", "32", "-", "20.00", "-", "-", "-"]]
    assert stack_tables([CellResult(Cell("784-64-10", 32), 320, {"pytorch": [1.0]})], names) == []


@pytest.mark.slow
def test_the_command_says_how_many_there_are(tmp_path: Path) -> None:
    result = bench(
        "--network=davies,M0", "--batch=32", "--contenders=ffnn-numba,ffnn-numba-x8", "--repeats=2", "--images=1000",
        "--json=race.json", "--markdown=race.md", cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    kept = json.loads((tmp_path / "race.json").read_text())
    assert {name: entry["networks"] for name, entry in kept["contenders"].items()} == {
        "ffnn-numba": 1,
        "ffnn-numba-x8": 8,
    }
    davies, m0 = kept["cells"]
    assert (davies["network"], davies["images"], m0["network"], m0["images"]) == (
        "784-64-10", 992, "784-128-64-47-sgd", 992,
    )  # fmt: skip
    assert (davies["optimizer"], m0["optimizer"], m0["learning_rate"]) == ("sgd", "sgd", 0.1)
    assert list(m0["seconds"]) == ["ffnn-numba", "ffnn-numba-x8"]
    told = (tmp_path / "race.md").read_text()
    assert "- ffnn-numba-x8: 8 networks at once, time of each" in told
    assert "784-64-10: epochs of 992 of 1000 images, whole batches of 32" in told
    assert "**ffnn-numba-x8: time of 8 networks over that of one" in told
