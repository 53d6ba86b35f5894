"""The run directory: what is written is read back, however the writer ended and whoever wrote beside it."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ffnn.errors import FFNNError
from ffnn.tracking import RunDirectory, find_runs, read_run

NAN, INF = float("nan"), float("inf")


def test_new_directory_has_its_folders(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path / "deep/runs", "exp3", "adam-s0")
    assert directory.path == tmp_path / "deep/runs/exp3/adam-s0"
    assert directory.checkpoints.is_dir()
    assert directory.figures.is_dir()


def test_taken_names_are_numbered(tmp_path: Path) -> None:
    names = [RunDirectory.create(tmp_path, "g", "run").path.name for _ in range(3)]
    assert names == ["run", "run-2", "run-3"]


def make_many(path: str) -> list[str]:
    return [RunDirectory.create(path, "g", "run").path.name for _ in range(20)]


def test_processes_never_share_a_directory(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        names = [name for made in pool.map(make_many, [str(tmp_path)] * 4, chunksize=1) for name in made]
    assert sorted(names) == sorted(["run", *(f"run-{number}" for number in range(2, 81))])


def test_a_name_taken_at_the_last_moment_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.mkdir

    def beaten(path: Path, *arguments: Any, **options: Any) -> None:
        if path.name == "run":
            real(path, exist_ok=True)
        real(path, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", beaten)
    assert RunDirectory.create(tmp_path, "g", "run").path.name == "run-2"


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "a/b",
        "a\\b",
        "../up",
        ".hidden",
        "a\nb",
        "a:b",
        "x" * 201,
        "ä" * 101,
        "a.",
        "a ",
        "CON",
        "nul",
        "Lpt1.txt",
        "com¹",
    ],
)
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(FFNNError, match="group: expected a name"):
        RunDirectory.create(tmp_path, name, "run")
    with pytest.raises(FFNNError, match="name: expected a name"):
        RunDirectory.create(tmp_path, "g", name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x" * 200, "ä" * 100, "console", "com", "a.b", "con-1", " a"])
def test_names_that_every_system_takes_are_taken(tmp_path: Path, name: str) -> None:
    assert RunDirectory.create(tmp_path, name, name).path.name == name


def test_a_file_in_the_way_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(FFNNError, match="runs_dir: expected a folder to write to"):
        RunDirectory.create(tmp_path / "runs", "g", "run")


def test_everything_is_read_back(directory: RunDirectory) -> None:
    config = {"learning_rate": 1e-5, "hidden_layers": (256, 128), "min_delta": -INF, "name": "1e-4", "a": None}
    directory.write_config(config)
    directory.append_history({"epoch": 1, "train/loss": 0.1 + 0.2, "val/loss": NAN, "grad_norm/linear1": INF})
    directory.append_history({"epoch": 2, "train/loss": 0.25})
    directory.write_summary({"status": "diverged", "best/val/loss": NAN, "test/per_class": [{"f1": NAN}, {"f1": 0.5}]})
    directory.write_environment({"cpu": {"model": "x"}, "names": ["größe"]})
    record = read_run(directory.path)
    assert record.path == directory.path
    assert record.config == {**config, "hidden_layers": [256, 128]}
    assert record.history == [{"epoch": 1, "train/loss": 0.1 + 0.2}, {"epoch": 2, "train/loss": 0.25}]
    assert record.summary == {"status": "diverged", "test/per_class": [{}, {"f1": 0.5}]}
    assert record.environment == {"cpu": {"model": "x"}, "names": ["größe"]}


def test_a_run_under_way_can_be_read(directory: RunDirectory) -> None:
    record = read_run(directory.path)
    assert (record.config, record.history, record.summary, record.environment) == ({"seed": 0}, [], {}, {})


def test_history_lines_are_json_that_any_reader_takes(directory: RunDirectory) -> None:
    directory.append_history({"epoch": 1, "a": NAN, "b": 1.0})
    text = (directory.path / "history.jsonl").read_text()
    assert text == '{"epoch": 1, "b": 1.0}\n'


def test_an_unfinished_last_line_is_ignored_and_then_replaced(directory: RunDirectory) -> None:
    directory.append_history({"epoch": 1})
    file = directory.path / "history.jsonl"
    whole = file.read_bytes()
    for length in range(1, 12):
        file.write_bytes(whole + b'{"epoch": 2, "val/loss": 0.5}\n'[:length])
        assert read_run(directory.path).history == [{"epoch": 1}]
        directory.append_history({"epoch": 2})
        assert read_run(directory.path).history == [{"epoch": 1}, {"epoch": 2}]
    file.write_bytes(b'{"epo')
    directory.append_history({"epoch": 1})
    assert file.read_bytes() == whole


@pytest.mark.posix
def test_damage_is_named(directory: RunDirectory) -> None:
    (directory.path / "history.jsonl").write_text('{"epoch": 1}\nnonsense\n{"epoch": 3}\n')
    with pytest.raises(FFNNError, match=r"history.jsonl:2: expected a JSON object"):
        read_run(directory.path)
    (directory.path / "history.jsonl").unlink()
    (directory.path / "summary.json").write_text('{"status": ')
    with pytest.raises(FFNNError, match=r"summary.json: expected a JSON object; it is damaged"):
        read_run(directory.path)
    (directory.path / "summary.json").write_text("[]")
    with pytest.raises(FFNNError, match=r"summary.json: expected a JSON object; received list"):
        read_run(directory.path)


KILLED = """
import os, signal, sys
from ffnn.tracking import RunDirectory
directory = RunDirectory(sys.argv[1])
for epoch in range(1, 6):
    directory.append_history({"epoch": epoch})
directory.write_summary({"status": "running"})
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.posix
def test_killing_the_writer_loses_nothing(directory: RunDirectory, environ: dict[str, str]) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(directory.path)], env=environ, timeout=300, check=False)
    assert done.returncode == -signal.SIGKILL
    record = read_run(directory.path)
    assert [row["epoch"] for row in record.history] == [1, 2, 3, 4, 5]
    assert record.summary == {"status": "running"}


@pytest.mark.parametrize("write", ["write_summary", "write_environment", "write_config"])
def test_a_write_that_fails_leaves_the_old_file(
    directory: RunDirectory, monkeypatch: pytest.MonkeyPatch, write: str
) -> None:
    getattr(directory, write)({"value": 1})
    before = {path.name: path.read_bytes() for path in directory.path.iterdir() if path.is_file()}

    def full(descriptor: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="disk full"):
        getattr(directory, write)({"value": 2})
    assert {path.name: path.read_bytes() for path in directory.path.iterdir() if path.is_file()} == before


def test_a_reader_sees_the_old_file_or_the_new_one(directory: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    directory.write_summary({"value": 1})
    file = directory.path / "summary.json"
    seen: list[Any] = []
    monkeypatch.setattr(os, "fsync", lambda _: seen.append(json.loads(file.read_text())))
    with file.open() as reader:
        directory.write_summary({"value": 2})
        assert json.load(reader) == {"value": 1}
    assert seen == [{"value": 1}, {"value": 2}]  # the file before it takes its place, the folder after
    assert read_run(directory.path).summary == {"value": 2}


def test_runs_are_found_but_nothing_inside_them(tmp_path: Path) -> None:
    made = [RunDirectory.create(tmp_path, group, run) for group, run in [("b", "y"), ("b", "x"), ("a", "z")]]
    for directory in made:
        directory.write_config({})
        inner = directory.path / "wandb/run-1/files"
        inner.mkdir(parents=True)
        (inner / "config.yaml").write_text("a: 1\n")
    (tmp_path / "a/notes").mkdir()
    assert find_runs(tmp_path) == [tmp_path / "a/z", tmp_path / "b/x", tmp_path / "b/y"]
    assert find_runs(tmp_path / "b") == [tmp_path / "b/x", tmp_path / "b/y"]
    assert find_runs(made[0].path) == [made[0].path]


def test_what_is_no_run_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(FFNNError, match=r"expected a run directory; it has no config.yaml"):
        read_run(tmp_path)
    with pytest.raises(FFNNError, match="expected a directory with runs"):
        find_runs(tmp_path / "missing")
    assert find_runs(tmp_path) == []
