"""A run that was killed at any moment goes on to the same bits; what cannot be resumed is refused in one line."""

import errno
import json
import os
import subprocess
import sys
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from lab.killed_runs import differences

from ffnn.errors import FFNNError
from ffnn.files import StorageError
from ffnn.lab.config import Config, make_config
from ffnn.lab.resume import resume
from ffnn.lab.run import train
from ffnn.nn import OPTIMIZERS, SCHEDULES
from ffnn.tracking import RunDirectory, RunRecord
from ffnn.training.trainer import Callback, Trainer

SCRIPT = str(Path(__file__).with_name("killed_runs.py"))
FEATURES: list[dict[str, Any]] = [
    {"dropout": 0.3, "input_dropout": 0.1, "checkpoint_every": 5},
    {"batch_norm": True, "ema": 0.9, "checkpoint_every": 4},
    {"augment": ["shift", "mixup"], "checkpoint_every": 7},
    {"patience": 1, "patience_monitor": "val/accuracy", "epochs": 30},
    {"ema": 0.95, "dropout": 0.2, "monitor": "val/loss"},
    {"batch_norm": True, "augment": [{"name": "elastic", "alpha": 4.0}, "noise"], "clip_norm": 0.5},
    {"sampling": "balanced", "class_weights": "balanced", "l2": 1e-3, "warmup_epochs": 1.5, "checkpoint_every": 1},
    {"loss": "focal", "clip_value": 0.01, "normalize": "standardize", "batch_size": "full", "epochs": 60},
]
"""What a run may have that remembers, draws or counts."""


def table(engine: str) -> list[dict[str, Any]]:
    """Cases with every optimizer, every schedule and every feature."""
    length = max(len(list(names)) for names in (OPTIMIZERS, SCHEDULES, FEATURES))
    columns = zip(range(length), cycle(OPTIMIZERS), cycle(SCHEDULES), cycle(FEATURES), strict=False)
    return [
        {
            "engine": engine,
            "optimizer": optimizer,
            "schedule": schedule,
            "seed": number,
            "learning_rate": 0.02,
            **feature,
        }
        for number, optimizer, schedule, feature in columns
    ]


def kill(folder: Path, cases: list[dict[str, Any]], kills: int, seed: int) -> list[dict[str, Any]]:
    """What `killed_runs.py` finds."""
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, SCRIPT],
        input=json.dumps({"cases": cases, "kills": kills, "seed": seed}),
        env={**os.environ, "PYTHONPATH": root},
        cwd=folder, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["threads"] == 1
    for case in found["cases"]:
        assert case["differences"] == [], case
        assert case["said"] == [], case
        assert len(case["killed_at"]) == kills
    return list(found["cases"])


@pytest.mark.slow
@pytest.mark.posix
def test_killed_runs_end_with_the_bits_of_runs_that_were_not(tmp_path: Path) -> None:
    cases = [*table("numba")[1:4:2], table("numpy")[0]]
    found = kill(tmp_path, cases, kills=2, seed=5)
    assert sum(len(case["resumed"]) for case in found) >= 3


@pytest.mark.posix
@pytest.mark.slow
@pytest.mark.parametrize("engine", ["numba", "numpy"])
def test_every_optimizer_schedule_and_feature_survives_being_killed(engine: str, tmp_path: Path) -> None:
    found = kill(tmp_path, table(engine), kills=4, seed=1)
    assert sum(len(case["killed_at"]) for case in found) >= 24
    assert {case["settings"]["optimizer"] for case in found} == set(OPTIMIZERS)
    assert {case["settings"]["schedule"] for case in found} == set(SCHEDULES)
    from_checkpoints = [line for case in found for line in case["resumed"]]
    assert len(from_checkpoints) >= 12


# -- one process, stopped by hand -----------------------------------------------------------------------


class StopAt(Callback):
    """Interrupts training after a step, as a signal's handler would."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, trainer: Trainer) -> None:
        if trainer.step == self.step:
            trainer.interrupt()


def config_for(folder: Path, **settings: Any) -> Config:
    small = {"hidden_layers": [12], "epochs": 4, "batch_size": 128, "wandb": "disabled", "name": "run"}
    return make_config({**small, "runs_dir": str(folder), **settings})


def quietly(folder: Path, stop_at: int = 0, **settings: Any) -> RunRecord:
    return train(config_for(folder, **settings), lambda line: None, StopAt(stop_at))


def go_on(path: Path, epochs: int | None = None) -> tuple[RunRecord, str]:
    """The run, and what was said about it."""
    lines: list[str] = []
    record = resume(path, epochs, lines.append, Callback())
    return record, "\n".join(lines)


@pytest.mark.parametrize("core", ["", "Prescott"], ids=["one library unloaded", "another kernel"])
def test_only_blas_libraries_that_both_processes_loaded_are_compared(core: str, tmp_path: Path) -> None:
    import scipy.linalg  # noqa: F401  brings a BLAS of its own

    path = quietly(tmp_path, stop_at=17).path
    environment = json.loads((path / "environment.json").read_text())
    first, *others = environment["blas"]
    assert others
    environment["blas"] = [{**first, "core": core}] if core else [first]
    (path / "environment.json").write_text(json.dumps(environment))
    _, said = go_on(path)
    assert ("may differ" in said) == bool(core)
    assert not core or f"BLAS runs kernels for {first['core']} instead of Prescott" in said


def test_a_stopped_run_tells_how_to_go_on_and_ends_with_the_bits_of_another(tmp_path: Path) -> None:
    lines: list[str] = []
    settings = {"dropout": 0.3, "ema": 0.9, "schedule": "cosine"}
    stopped = train(config_for(tmp_path, **settings), lines.append, StopAt(17))
    assert (stopped.summary["status"], stopped.summary["steps"], stopped.summary["epochs"]) == ("stopped", 17, 1)
    assert "test/accuracy" not in stopped.summary
    assert lines[-1] == f"resume with: ffnn train --resume {stopped.path}"
    again, said = go_on(stopped.path)
    assert "1 epochs and 17 steps are done" in said
    assert "may differ" not in said
    assert differences(quietly(tmp_path, **settings).path, again.path) == []
    assert [entry["step"] for entry in again.environment["resumed"]] == [17]


def test_a_finished_run_says_so_and_is_left_as_it_is(tmp_path: Path) -> None:
    record = quietly(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in record.path.rglob("*") if path.is_file()}
    again, said = go_on(record.path)
    assert "finished after 4 epochs" in said
    assert "nothing to do" in said
    assert again == record
    assert {path: path.stat().st_mtime_ns for path in record.path.rglob("*") if path.is_file()} == before


def test_a_config_without_epochs_means_the_default(tmp_path: Path) -> None:
    path = quietly(tmp_path, stop_at=3, epochs=15).path
    lines = (path / "config.yaml").read_text().splitlines()
    (path / "config.yaml").write_text("\n".join(line for line in lines if not line.startswith("epochs:")) + "\n")
    again, said = go_on(path, 2)
    assert "epochs: 15 become 2" in said
    assert (again.config["epochs"], again.summary["epochs"]) == (2, 2)


def test_what_another_process_draws_is_left_alone_and_a_file_that_vanishes_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = RunDirectory(quietly(tmp_path, stop_at=3).path)
    drawn, left, gone = directory.figures / ".a.png.7.part", directory.checkpoints / ".b.7.part", tmp_path / ".c.part"
    drawn.touch()
    left.touch()
    glob = Path.glob
    monkeypatch.setattr(Path, "glob", lambda self, pattern: [*glob(self, pattern), gone])
    directory.clear_leftovers()
    assert (drawn.exists(), left.exists()) == (True, False)


def test_a_file_that_cannot_be_removed_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path, **more: Any) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    directory = RunDirectory(tmp_path)
    (tmp_path / ".a.7.part").touch()
    monkeypatch.setattr(Path, "unlink", refused)
    with pytest.raises(StorageError, match="cannot be written"):
        directory.clear_leftovers()


def test_a_run_that_its_patience_has_ended_is_over(tmp_path: Path) -> None:
    record = quietly(tmp_path, patience=1, learning_rate=3.0, epochs=30)
    assert record.summary["epochs"] < 30
    again, said = go_on(record.path, 40)
    assert "has not improved" in said
    assert again == record


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["constant", {"name": "step", "every": 2}])
def test_more_epochs_make_the_run_that_was_longer_from_its_beginning(tmp_path: Path, schedule: Any) -> None:
    longer, said = go_on(quietly(tmp_path, schedule=schedule, dropout=0.2).path, 6)
    assert "4 become 6" in said
    assert ("goes on as in a run that was to be 6 long" in said) == (schedule != "constant")
    whole = quietly(tmp_path, schedule=schedule, dropout=0.2, epochs=6)
    assert set(differences(whole.path, longer.path)) <= {"summary config_digest"}
    assert longer.config["epochs"] == 6
    with pytest.raises(FFNNError, match="at least the 6 that are done"):
        resume(longer.path, 5, lambda line: None, Callback())


def test_a_checkpoint_that_was_damaged_is_not_used_and_the_one_before_is(tmp_path: Path) -> None:
    path = quietly(tmp_path, stop_at=30, checkpoint_every=4).path
    damage(path / "checkpoints/last.npz")
    again, said = go_on(path)
    assert "last.npz: expected a checkpoint" in said
    assert "resuming from previous.npz: 2 epochs and 28 steps" in said
    assert differences(quietly(tmp_path, checkpoint_every=4).path, again.path) == []


def test_with_no_checkpoint_left_the_run_begins_again(tmp_path: Path) -> None:
    path = quietly(tmp_path, stop_at=30, checkpoint_every=4).path
    damage(path / "checkpoints/last.npz")
    damage(path / "checkpoints/previous.npz")
    again, said = go_on(path)
    assert "no checkpoint is whole: from the beginning" in said
    assert differences(quietly(tmp_path, checkpoint_every=4).path, again.path) == []


def test_a_checkpoint_whose_history_is_gone_is_not_used(tmp_path: Path) -> None:
    path = quietly(tmp_path, stop_at=30).path
    history = path / "history.jsonl"
    history.write_text(history.read_text().splitlines(keepends=True)[0])
    again, said = go_on(path)
    assert "expected the epochs 1 to 2; some are missing" in said
    assert differences(quietly(tmp_path).path, again.path) == []


def damage(path: Path) -> None:
    """Flip bits in a stretch that is longer than the file's own bookkeeping, of which no byte need matter."""
    content = bytearray(path.read_bytes())
    for place in range(len(content) // 2, len(content) // 2 + 256):
        content[place] ^= 1
    path.unlink()  # it may have another name, which stays as it was
    path.write_bytes(content)


def test_other_data_are_refused(tmp_path: Path) -> None:
    rows = [f"{label},{label * 20},{7 * n % 256}" for n in range(60) for label in (0, 1)]
    table = tmp_path / "own.csv"
    table.write_text("\n".join(["label,a,b", *rows]))
    own = {"dataset": {"name": "csv", "path": str(table)}, "data_dir": str(tmp_path), "batch_size": 20}
    path = quietly(tmp_path / "runs", stop_at=3, **own).path
    table.write_text("\n".join(["label,a,b", *rows[:-1], "1,21,7"]))
    before = (path / "history.jsonl").exists(), (path / "summary.json").read_text()
    with pytest.raises(FFNNError, match="expected the data set that the run was trained on"):
        resume(path, None, lambda line: None, Callback())
    assert before == ((path / "history.jsonl").exists(), (path / "summary.json").read_text())


def test_other_versions_and_other_code_are_said(tmp_path: Path) -> None:
    path = quietly(tmp_path, stop_at=3).path
    environment = json.loads((path / "environment.json").read_text())
    environment["versions"]["numpy"], environment["code_digest"] = "1.0", "0"
    (path / "environment.json").write_text(json.dumps(environment))
    record, said = go_on(path)
    assert "the code has changed, numpy 1.0 has become" in said
    assert record.summary["config_digest"] is None  # an experiment must not take it for a run of this code


def test_two_processes_in_one_run_directory_are_refused(tmp_path: Path) -> None:
    stopped = quietly(tmp_path, stop_at=3).path
    command = [sys.executable, "-m", "ffnn", "train", "--resume", str(stopped)]
    with RunDirectory(stopped).lock():
        second = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert second.returncode == 2
    assert second.stderr == f"ffnn: {stopped}: another process is training in this run directory; wait for it\n"
    assert subprocess.run(command, capture_output=True, timeout=300, check=False).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--seed=1"], "expected no other setting than --epochs"),
        (["--config=x.yaml"], "received --config"),
        (["--epochs=1.5"], "a whole number"),
        (["--epochs=0"], "at least 1"),
    ],
)
def test_a_run_goes_on_with_its_own_settings(tmp_path: Path, arguments: list[str], expected: str) -> None:
    path = quietly(tmp_path, stop_at=3).path
    command = [sys.executable, "-m", "ffnn", "train", "--resume", str(path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 2
    assert expected in done.stderr
    assert done.stderr.count("\n") == 1
    assert json.loads((path / "summary.json").read_text())["status"] == "stopped"
