"""What W&B has of a folder's runs is said truly, and the command finds, in a shell, what it lacks and no more."""

import subprocess
from pathlib import Path

import pytest

from ffnn.lab.offline import told_to_wandb
from ffnn.tracking import Delivery, RunDirectory


def record(folder: Path, name: str, status: str, reason: str = "", delivery: Delivery | None = None) -> Path:
    """A run with an offline record, and what is said of it."""
    directory = RunDirectory.create(folder.parent, folder.name, name)
    directory.write_config({"seed": 0})
    if status:
        directory.write_summary({"status": status, "reason": reason, **(delivery.entries() if delivery else {})})
    place = directory.path / "wandb" / "offline-run-20260101_000000-abc"
    place.mkdir(parents=True)
    (place / "run-abc.wandb").touch()
    return place.parent


def named(command: str, folder: Path) -> list[str]:
    """What `wandb` is told when the command is pasted into a shell."""
    (folder / "wandb").write_text('#!/bin/sh\nshift\nfor path in "$@"; do echo "$path"; done\n')
    (folder / "wandb").chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", f'PATH="{folder}:$PATH"; {command}'], capture_output=True, text=True, timeout=300, check=True
    )
    return done.stdout.splitlines()


def told(folder: Path, pattern: str = "*") -> tuple[str, str]:
    """What is said of the runs of a folder, and the command."""
    line = told_to_wandb(folder, pattern)
    assert line
    said, _, command = line.partition("; to send later: ")
    return said, command


def test_why_runs_that_were_to_be_sent_are_only_here_is_said(tmp_path: Path) -> None:
    for name in ("a", "b"):
        record(tmp_path / "e", name, "finished", delivery=Delivery("recorded", "W&B cannot be reached (refused)"))
    assert told(tmp_path / "e")[0] == "2 runs recorded offline; W&B cannot be reached (refused)"


@pytest.mark.parametrize("space", ["", " and more"])
def test_all_records_are_named_by_a_pattern(tmp_path: Path, space: str) -> None:
    folder = tmp_path / f"e{space}"
    places = [record(folder / "trials" / search, "run", "finished") for search in ("a", "b")]
    places.append(record(folder / "trials" / "b", "cut", "stopped", "at epoch 3: not in the top 1/3"))
    said, command = told(folder, "trials/*/*")
    assert said == "3 runs recorded offline"
    assert command.endswith("/trials/*/*/wandb")
    assert sorted(named(command, tmp_path)) == sorted(map(str, places))


@pytest.mark.parametrize("status", ["stopped", "failed", ""])
def test_records_of_runs_that_did_not_end_are_left_out(tmp_path: Path, status: str) -> None:
    folder = tmp_path / "it's a sweep"
    whole = [record(folder, name, "finished") for name in ("a b", "c")]
    record(folder, "interrupted", status, "Ctrl-C")
    said, command = told(folder)
    assert said == "2 runs recorded offline"
    assert sorted(named(command, tmp_path)) == sorted(map(str, whole))


def test_a_folder_without_a_record_counts_for_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "e"
    empty = record(folder, "disabled", "finished")
    next(empty.glob("*/*.wandb")).unlink()
    assert told_to_wandb(folder, "*") is None
    whole = record(folder, "recorded", "finished")
    said, command = told(folder)
    assert said == "1 run recorded offline"
    assert named(command, tmp_path) == [str(whole)]


def test_no_whole_record_is_no_command(tmp_path: Path) -> None:
    assert told_to_wandb(tmp_path, "*") is None
    record(tmp_path / "g", "interrupted", "stopped")
    assert told_to_wandb(tmp_path / "g", "*") is None


def test_what_is_lost_is_counted_with_its_reason_and_not_sent(tmp_path: Path) -> None:
    folder = tmp_path / "e"
    whole = [record(folder, f"whole{number}", "finished", delivery=Delivery("recorded")) for number in range(2)]
    partial = record(folder, "partial", "finished", delivery=Delivery("incomplete", "no tables"))
    for number in range(2):
        record(folder, f"lost{number}", "diverged", delivery=Delivery("lost", "disk full"))
    said, command = told(folder)
    assert said == "2 of 5 runs recorded; 2 lost: disk full; 1 incomplete: no tables"
    assert sorted(named(command, tmp_path)) == sorted(map(str, [*whole, partial]))


def test_what_a_server_did_not_take_is_sent_with_the_rest(tmp_path: Path) -> None:
    """Of an offline run the offline record alone: an attempt to reach the server may have left another one."""
    folder = tmp_path / "it's e"
    offline = record(folder, "offline", "finished", delivery=Delivery("recorded"))
    unsent = record(folder, "unsent", "finished", delivery=Delivery("not sent", "timed out"))
    sent = record(folder, "sent", "finished", delivery=Delivery("sent"))
    for online in (unsent, sent):
        next(online.iterdir()).rename(online / "run-20260101_000000-abc")
    said, command = told(folder)
    assert said == "2 of 3 runs recorded; 1 not sent: timed out"
    assert " --include-online " in command
    assert named(command, tmp_path)[1:] == [str(unsent), str(next(offline.iterdir()))]


def test_runs_that_were_sent_need_no_command(tmp_path: Path) -> None:
    place = record(tmp_path / "e", "sent", "finished", delivery=Delivery("sent"))
    next(place.iterdir()).rename(place / "run-20260101_000000-abc")
    assert told_to_wandb(tmp_path / "e", "*") == "1 run sent"
