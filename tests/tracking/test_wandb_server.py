"""The checks of the W&B server under tests/ notice what they are there for."""

import hashlib
import json
from collections import Counter
from typing import Any

import pytest
from wandb_server.records import HISTORY, Artifact, Run, md5
from wandb_server.sweeps import Sweep


def rows(*steps: int, **values: Any) -> list[str]:
    return [json.dumps({"_step": step, "_timestamp": 0, "_runtime": 0, **values}) for step in steps]


def received(*chunks: tuple[int, list[str]]) -> list[str]:
    """What is wrong with a run of which these chunks of the history arrived."""
    run = Run("me", "ffnn", "run")
    for offset, content in chunks:
        run.stream({"files": {HISTORY: {"offset": offset, "content": content}}})
    return run.check()


def test_whole_history() -> None:
    assert received((0, rows(0, 1)), (2, rows(2))) == []
    assert received((0, rows(0, 1)), (0, rows(0, 1))) == []  # sent again after a lost answer


@pytest.mark.parametrize(
    ("chunks", "problem"),
    [
        ([(0, rows(0)), (2, rows(2))], "lines 1 to 1 are missing"),
        ([(0, rows(0)), (0, rows(0, loss=1))], "sent twice, and differ"),
        ([(0, rows(0, 2))], "row 1 has step 2"),
        ([(0, rows(0, 0))], "row 1 has step 0"),
        ([(0, rows(0, loss=float("nan")))], "NaN is not JSON"),
        ([(0, rows(0, h={"_type": "histogram", "bins": [0, 1], "values": [1, 2]}))], "2 counts between 2 edges"),
        ([(0, rows(0, h={"_type": "histogram", "bins": [0, 0], "values": [1]}))], "edges do not rise"),
        ([(0, rows(0, i={"_type": "image-file", "path": "a", "sha256": "", "size": 1}))], "file a did not arrive"),
    ],
)
def test_faulty_history(chunks: list[tuple[int, list[str]]], problem: str) -> None:
    assert [found for found in received(*chunks) if problem in found]


def test_artifact_is_checked_against_its_manifest() -> None:
    entry = {"digest": md5(b"abc"), "size": 3}
    digest = hashlib.md5(f"wandb-artifact-manifest-v1\na:{entry['digest']}\n".encode()).hexdigest()
    about = {"artifactCollectionName": "x", "digest": digest}
    assert Artifact("1", about, {"a": entry}, {"a": b"abc"}, committed=True).check() == []
    assert Artifact("1", about, {"a": entry}, {"a": b"abc"}).check() == ["artifact x: was never committed"]
    assert len(Artifact("1", about, {"a": entry}, {"a": b"abd"}, committed=True).check()) == 1
    assert len(Artifact("1", about, {"a": entry}, {}, committed=True).check()) == 1
    assert len(Artifact("1", {**about, "digest": "0"}, {"a": entry}, {"a": b"abc"}, committed=True).check()) == 1


def sweep(method: str, parameters: str, **more: Any) -> Sweep:
    return Sweep("s", "p", json.dumps({"method": method, "parameters": json.loads(parameters), **more}))


def test_grid_hands_out_every_combination_once() -> None:
    grid = sweep("grid", '{"a": {"values": [1, 2]}, "b": {"value": 0}, "c": {"values": ["x", "y", "z"]}}')
    while grid.next_trial():
        pass
    assert grid.state == "FINISHED"
    assert Counter(json.dumps(trial) for trial in grid.trials.values()).most_common(1)[0][1] == 1
    assert len(grid.trials) == 6


def test_run_cap_ends_a_random_sweep() -> None:
    random = sweep("random", '{"a": {"distribution": "log_uniform_values", "min": 0.01, "max": 1.0}}', run_cap=50)
    while random.next_trial():
        pass
    drawn = [trial["a"] for trial in random.trials.values()]
    assert len(drawn) == 50
    assert all(0.01 <= value <= 1 for value in drawn)
    assert 10 < sum(value < 0.1 for value in drawn) < 40
