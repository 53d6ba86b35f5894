"""Checkpoints come back as they went, are never half-written, and execute nothing."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from training.problem import make_trainer

from ffnn.errors import FFNNError
from ffnn.training.callbacks import Best, SaveCheckpoints
from ffnn.training.checkpoints import Checkpoint


def test_round_trip_keeps_every_bit(tmp_path: Path) -> None:
    arrays = {"linear1.weight": np.random.default_rng(0).normal(size=(3, 2)), "count": np.array([7])}
    Checkpoint(arrays, {"m": np.arange(3.0)}, {"average": np.ones(2)}, {"epoch": 3, "config": {"a": [1]}}).save(
        tmp_path / "x.npz"
    )
    back = Checkpoint.load(tmp_path / "x.npz")
    assert back.meta == {"epoch": 3, "config": {"a": [1]}}
    assert {name: array.tobytes() for name, array in back.network.items()} == {
        n: a.tobytes() for n, a in arrays.items()
    }
    assert back.optimizer["m"].tolist() == [0, 1, 2]
    assert back.extra["average"].tolist() == [1, 1]
    assert [file.name for file in tmp_path.iterdir()] == ["x.npz"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "last.npz"
    Checkpoint({"w": np.ones(2)}, {}, {}, {"epoch": 1}).save(path)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        Checkpoint({"w": np.zeros(2)}, {}, {}, {"epoch": 2}).save(path)
    assert Checkpoint.load(path).meta["epoch"] == 1
    assert [file.name for file in tmp_path.iterdir()] == ["last.npz"]


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 broken"])
def test_damaged_files_are_one_clear_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(FFNNError, match="expected a checkpoint") as caught:
        Checkpoint.load(tmp_path / "x.npz")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FFNNError, match="no such checkpoint"):
        Checkpoint.load(tmp_path / "best.npz")


def test_a_hostile_file_executes_nothing(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path}/executed",)

    np.savez(tmp_path / "x.npz", meta=np.array([Hostile()], dtype=object))
    (tmp_path / "y.npz").write_bytes(pickle.dumps(Hostile()))
    for name in ("x.npz", "y.npz"):
        with pytest.raises(FFNNError):
            Checkpoint.load(tmp_path / name)
    assert not (tmp_path / "executed").exists()


def test_last_and_best_hold_the_weights_of_their_epochs(tmp_path: Path) -> None:
    best = Best("val/loss")
    trainer = make_trainer(epochs=4, callbacks=[best, SaveCheckpoints(tmp_path, best, {"config": {"seed": 0}})])
    trainer.fit()
    assert best.record is not None
    last, kept = Checkpoint.load(tmp_path / "last.npz"), Checkpoint.load(tmp_path / "best.npz")
    assert (last.meta["epoch"], kept.meta["epoch"]) == (4, best.record["epoch"])
    assert last.meta["config"] == {"seed": 0}
    assert int(last.optimizer["steps"]) == trainer.step
    np.testing.assert_array_equal(
        kept.network["linear1.weight"], trainer.objective.network.parameters["linear1.weight"].value
    )


def test_with_averaging_best_holds_the_average_and_last_the_raw_weights(tmp_path: Path) -> None:
    best = Best("val/loss")
    trainer = make_trainer(epochs=1, ema=0.9, callbacks=[best, SaveCheckpoints(tmp_path, best, {})])
    trainer.fit()
    last, kept = Checkpoint.load(tmp_path / "last.npz"), Checkpoint.load(tmp_path / "best.npz")
    assert not np.array_equal(last.network["linear1.weight"], kept.network["linear1.weight"])
    assert trainer.plan.average is not None
    np.testing.assert_array_equal(last.extra["average"], trainer.plan.average.values)
