"""Checkpoints come back as they went, are never half-written, and execute nothing."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from training.problem import make_trainer

from ffnn.errors import FFNNError
from ffnn.records import checked
from ffnn.training.callbacks import Best, EarlyStopping, SaveCheckpoints
from ffnn.training.checkpoints import Checkpoint, capture, restore
from ffnn.training.formats import Resumable
from ffnn.training.trainer import Callback, Record, Trainer


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


def test_another_kind_of_npz_is_not_called_damaged(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=np.zeros(3))
    with pytest.raises(FFNNError, match="written by ffnn train; it has no meta, so it is another kind of file"):
        Checkpoint.load(tmp_path / "x.npz")


def test_too_little_memory_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Checkpoint({"w": np.ones(2)}, {}, {}, {"epoch": 1}).save(tmp_path / "x.npz")

    def full(*_: object, **__: object) -> None:
        raise MemoryError("Unable to allocate 8. GiB")

    monkeypatch.setattr(np.lib.format, "read_array", full)
    with pytest.raises(FFNNError, match=r"expected enough memory for a checkpoint of [0-9,]+ bytes"):
        Checkpoint.load(tmp_path / "x.npz")


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


def test_every_flipped_byte_is_noticed_or_changes_nothing(tmp_path: Path) -> None:
    """All bytes of a whole checkpoint, one after the other; and every length that it may have been cut to."""
    path, other = tmp_path / "last.npz", tmp_path / "other.npz"
    whole = Checkpoint({"w": np.arange(6, dtype=np.float32).reshape(3, 2)}, {"m": np.ones(2)}, {}, {"epoch": 1})
    whole.save(path)
    content = path.read_bytes()

    def is_noticed(damaged: bytes) -> bool:
        other.write_bytes(damaged)
        try:
            read = Checkpoint.load(other)
        except FFNNError as problem:
            assert "\n" not in str(problem)
            return True
        assert same(read, whole)
        return False

    noticed = [
        is_noticed(content[:place] + bytes([content[place] ^ flip]) + content[place + 1 :])
        for place in range(len(content))
        for flip in (1, 0x80, 0xFF)
    ]
    assert sum(noticed) > len(noticed) / 2
    assert all(is_noticed(content[:length]) for length in range(len(content)))


def same(one: Checkpoint, other: Checkpoint) -> bool:
    groups = ("network", "optimizer", "extra", "best")
    arrays = [
        {(g, n): (a.shape, a.dtype, a.tobytes()) for g in groups for n, a in getattr(c, g).items()}
        for c in (one, other)
    ]
    return arrays[0] == arrays[1] and one.meta == other.meta


def test_checkpoints_within_an_epoch_come_every_so_many_steps_and_after_epochs_not_too_often(tmp_path: Path) -> None:
    """The clouds have 7 batches an epoch. A long pause: nothing but the steps asked for, and the end."""

    def steps(every: int, pause: float) -> list[int]:
        folder = tmp_path / f"{every}-{pause}"
        folder.mkdir()
        seen: list[int] = []

        class Watch(Callback):
            def look(self) -> None:
                if (folder / "last.npz").exists():
                    seen.append(Checkpoint.load(folder / "last.npz").meta["step"])

            def on_step(self, trainer: Trainer) -> None:
                self.look()

            def on_epoch(self, trainer: Trainer, record: Record) -> None:
                self.look()

        best = Best()
        saving = SaveCheckpoints(folder, best, {}, every=every, pause=pause)
        make_trainer(epochs=3, callbacks=[best, saving, Watch()]).fit()
        final = Checkpoint.load(folder / "last.npz").meta["step"]
        assert not (folder / "previous.npz").exists()
        return [*sorted(set(seen)), final]

    assert steps(0, 1000.0) == [21]
    assert steps(0, 0.0) == [7, 14, 21, 21]
    assert steps(4, 1000.0) == [4, 8, 12, 16, 20, 21]


def test_best_is_another_name_of_last_and_stays_when_last_is_replaced(tmp_path: Path) -> None:
    best = Best("val/loss")
    trainer = make_trainer(epochs=2, callbacks=[best, SaveCheckpoints(tmp_path, best, {}, pause=0.0)])
    trainer.fit()
    assert best.record is not None
    assert best.record["epoch"] == 2  # clouds of three classes: the second epoch is better
    assert (tmp_path / "best.npz").samefile(tmp_path / "last.npz")
    kept = (tmp_path / "best.npz").read_bytes()
    Checkpoint({}, {}, {}, {"epoch": 3}).save(tmp_path / "last.npz")
    assert (tmp_path / "best.npz").read_bytes() == kept


def test_each_of_several_callbacks_of_a_class_gets_its_own_state_back() -> None:
    """A patience of 3 that has waited for 1 epoch beside one of 9 that has waited for none."""

    def stoppers() -> list[EarlyStopping]:
        return [EarlyStopping(3, "val/loss"), EarlyStopping(9, "val/accuracy", min_delta=-1.0)]

    first, second = stoppers()
    trainer = make_trainer(epochs=2, learning_rate=1e-9, callbacks=[first, second])
    first.min_delta = 1.0  # nothing improves by so much, and everything by more than -1
    trainer.fit()
    assert [first.state_dict()["waited"], second.state_dict()["waited"]] == [1, 0]
    saved = capture(trainer, {}, {})

    resumed = stoppers()
    restore(make_trainer(epochs=9, callbacks=[Best(), *resumed, Best()]), saved)
    assert [known.state_dict() for known in resumed] == [first.state_dict(), second.state_dict()]


@pytest.mark.parametrize("kind", [lambda monitor: EarlyStopping(3, monitor), Best])
def test_callbacks_that_watch_other_values_do_not_take_each_others_states(kind: Callable[[str], Callback]) -> None:
    monitors = ["val/loss", "val/accuracy"]
    trainer = make_trainer(epochs=1, callbacks=[kind(monitor) for monitor in monitors])
    trainer.fit()
    with pytest.raises(FFNNError, match="watches val/accuracy is where one watched val/loss: give the callbacks in"):
        restore(make_trainer(callbacks=[kind(monitor) for monitor in reversed(monitors)]), capture(trainer, {}, {}))


def test_states_that_were_stored_by_class_alone_are_read_where_they_can_be_only_one_callbacks() -> None:
    trainer = make_trainer(epochs=2, callbacks=[EarlyStopping(3)])
    trainer.fit()
    saved = capture(trainer, {}, {})
    (state,) = saved.meta["callbacks"].values()
    saved.meta["callbacks"] = {"EarlyStopping": state}
    again = EarlyStopping(3)
    restore(make_trainer(callbacks=[Best(), again]), saved)
    assert again.state_dict() == state
    with pytest.raises(FFNNError, match=r"as many callbacks EarlyStopping as the checkpoint has states, 1; received 2"):
        restore(make_trainer(callbacks=[EarlyStopping(3), EarlyStopping(5)]), saved)


def test_a_state_of_which_nobody_can_say_whose_it_was_is_refused() -> None:
    trainer = make_trainer(epochs=2, callbacks=[EarlyStopping(3), EarlyStopping(5)])
    trainer.fit()
    with pytest.raises(FFNNError, match=r"callbacks EarlyStopping as the checkpoint has states, 2; received 1"):
        restore(make_trainer(callbacks=[EarlyStopping(5)]), capture(trainer, {}, {}))


def test_what_a_users_own_callback_remembers_may_be_of_any_kind() -> None:
    """Under names that ffnn's callbacks use for something else; what theirs hold is still looked at."""
    meta = {"epoch": 1, "step": 1, "trainer": {}, "callbacks": {"MyScore 1": {"best": 0.5, "waited": "a while"}}}
    place = {"epoch": 1, "step": 1, "place": 0, "means": [0.0, 0.0, 0.0, 0.0], "seconds": 0.0, "ended": ""}
    assert checked(Resumable, {**meta, "trainer": place}, "meta")["callbacks"] == meta["callbacks"]
    wrong = {"EarlyStopping 1": {"waited": "a while"}}
    with pytest.raises(FFNNError, match="waited"):
        checked(Resumable, {**meta, "trainer": place, "callbacks": wrong}, "meta")
