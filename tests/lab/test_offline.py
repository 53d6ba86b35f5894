"""The command that sends offline records finds, in a shell, the whole records and no others."""

import subprocess
from pathlib import Path

import pytest

from ffnn.lab.offline import send_later
from ffnn.tracking import RunDirectory


def record(folder: Path, name: str, status: str, reason: str = "") -> Path:
    """A run with an offline record."""
    directory = RunDirectory.create(folder.parent, folder.name, name)
    directory.write_config({"seed": 0})
    if status:
        directory.write_summary({"status": status, "reason": reason})
    place = directory.path / "wandb" / "offline-run-20260101_000000-abc"
    place.mkdir(parents=True)
    (place / "run-abc.wandb").touch()
    return place.parent


def named(command: str, folder: Path) -> list[str]:
    """What `wandb` is told when the command is pasted into a shell."""
    (folder / "wandb").write_text('#!/bin/sh\nshift\nfor path in "$@"; do echo "$path"; done\n')
    (folder / "wandb").chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", f'PATH="{folder}:$PATH"; {command}'], capture_output=True, text=True, timeout=10, check=True
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize("space", ["", " and more"])
def test_all_records_are_named_by_a_pattern(tmp_path: Path, space: str) -> None:
    folder = tmp_path / f"e{space}"
    places = [record(folder / "trials" / search, "run", "finished") for search in ("a", "b")]
    places.append(record(folder / "trials" / "b", "cut", "stopped", "at epoch 3: not in the top 1/3"))
    found = send_later(folder, "trials/*/*")
    assert found
    assert found[0] == 3
    assert found[1].endswith("/trials/*/*/wandb")
    assert sorted(named(found[1], tmp_path)) == sorted(map(str, places))


@pytest.mark.parametrize("status", ["stopped", "failed", ""])
def test_records_of_runs_that_did_not_end_are_left_out(tmp_path: Path, status: str) -> None:
    folder = tmp_path / "it's a sweep"
    whole = [record(folder, name, "finished") for name in ("a b", "c")]
    record(folder, "interrupted", status, "Ctrl-C")
    found = send_later(folder, "*")
    assert found
    assert found[0] == 2
    assert sorted(named(found[1], tmp_path)) == sorted(map(str, whole))


def test_a_folder_without_a_record_counts_for_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "e"
    empty = record(folder, "disabled", "finished")
    next(empty.glob("*/*.wandb")).unlink()
    assert send_later(folder, "*") is None
    whole = record(folder, "recorded", "finished")
    found = send_later(folder, "*")
    assert found
    assert found[0] == 1
    assert named(found[1], tmp_path) == [str(whole)]


def test_no_whole_record_is_no_command(tmp_path: Path) -> None:
    assert send_later(tmp_path, "*") is None
    record(tmp_path / "g", "interrupted", "stopped")
    assert send_later(tmp_path / "g", "*") is None
