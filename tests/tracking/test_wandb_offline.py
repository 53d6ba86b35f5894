"""A whole offline run, read back with W&B's own reader: what was told is there, and nothing else."""

import base64
import hashlib
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tracking import recorded_run
from tracking.leet import Recording, history, of_type, summary

from ffnn.lab.code import files_by_name
from ffnn.tracking import read_run


def test_says_one_line_that_tells_how_to_look_and_send(recording: Recording) -> None:
    assert recording.stderr == ""
    (line,) = recording.stdout.splitlines()
    assert "wandb leet 'runs/digits/adam seed 0/wandb'" in line
    assert "wandb sync 'runs/digits/adam seed 0/wandb'" in line


def test_run_is_named_and_grouped(recording: Recording) -> None:
    run = of_type(recording.records, "run")[0]
    told = {name: run[name] for name in ("project", "run_group", "job_type", "display_name", "tags", "notes")}
    assert told == {
        "project": "ffnn",
        "run_group": "digits",
        "job_type": "train",
        "display_name": "adam seed 0",
        "tags": ["adam", "seed0"],
        "notes": "why not",
    }
    assert run["run_id"].startswith("adam-seed-0-")


def test_config_is_the_config(recording: Recording) -> None:
    config = of_type(recording.records, "run")[0]["config"]["update"]
    assert {name: value for name, value in config.items() if name != "_wandb"} == recorded_run.CONFIG


def test_epochs_are_those_of_the_history_file(recording: Recording) -> None:
    expected = read_run(recording.path).history
    assert [record["epoch"] for record in expected] == [1, 2, 3]
    told = {name for record in expected for name in record} - {"epoch"}
    assert [row for row in history(recording.records) if told & set(row)] == expected


def test_everything_is_drawn_against_the_epoch(recording: Recording) -> None:
    metrics = of_type(recording.records, "metric")
    assert [metric.get("name") or metric["glob_name"] for metric in metrics] == ["epoch", "*"]
    assert metrics[1]["step_metric"] == "epoch"


def test_summary_has_the_finite_single_values(recording: Recording) -> None:
    values = summary(recording.records)
    assert values["best/val/accuracy"] == 0.75
    assert values["best/epoch"] == 2
    assert values["status"] == "finished"
    assert "test/loss" not in values
    assert "test/confusion" not in values


def test_run_ends_well(recording: Recording) -> None:
    (end,) = of_type(recording.records, "exit")
    assert end["exit_code"] == 0


@pytest.mark.parametrize(("prefix", "sign"), [("weights", 1), ("gradients", -1)])
def test_histograms_count_the_finite_values_of_their_epoch(recording: Recording, prefix: str, sign: int) -> None:
    name = f"{prefix}/linear1.weight"
    rows = [row for row in history(recording.records) if f"{name}.values" in row]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    for row in rows:
        weight = sign * recorded_run.arrays(row["epoch"])["linear1.weight"]
        finite = weight[np.isfinite(weight)]
        counts, edges = np.array(row[f"{name}.values"]), np.array(row[f"{name}.bins"])
        assert counts.sum() == finite.size == weight.size - 3
        assert 2 <= counts.size <= 64
        assert edges[0] == finite.min()
        assert edges[-1] == finite.max()
        middle = edges[counts.size // 2]
        assert counts[: counts.size // 2].sum() == (finite < middle).sum()
        assert sum(row[f"{prefix}/linear1.bias.values"]) == 5
        assert f"{prefix}/linear2.bias.values" not in row


def test_confusion_chart_holds_the_counts(recording: Recording) -> None:
    table = recording.table("test/confusion_matrix_table")
    assert table["columns"] == ["Actual", "Predicted", "nPredictions"]
    index = recorded_run.NAMES.index
    found = np.zeros((3, 3), int)
    for actual, predicted, count in table["data"]:
        found[index(actual), index(predicted)] = count
    assert (found == recorded_run.CONFUSION).all()
    charts = [record["update"] for record in of_type(recording.records, "config")]
    chart = next(update["_wandb.visualize.test/confusion_matrix"] for update in charts if len(update) == 1)
    assert chart["panel_config"]["panelDefId"] == "wandb/confusion_matrix/v1"


def test_per_class_table(recording: Recording) -> None:
    table = recording.table("test/per_class")
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    assert rows[:2] == recorded_run.PER_CLASS[:2]
    assert rows[2] == {"class": "eel", "precision": None, "recall": 0.75, "f1": None, "support": 12}


def test_wrong_images_table_holds_the_pixels(recording: Recording) -> None:
    table = recording.table("test/wrong_images")
    assert table["columns"] == ["index", "image", "label", "predicted", "confidence"]
    expected = recorded_run.wrong_images()
    assert len(table["data"]) == len(expected) == 64
    for (index, image, label, predicted, confidence), wrong in zip(table["data"], expected, strict=True):
        names = recorded_run.NAMES
        assert (index, label, predicted) == (wrong.index, names[wrong.label], names[wrong.predicted])
        assert confidence == wrong.confidence
        assert (np.asarray(Image.open(io.BytesIO(recording.files[image["path"]].read_bytes()))) == wrong.image).all()


@pytest.mark.parametrize(
    ("alias", "facts"),
    [("best", {"best/val/accuracy": 0.75, "best/epoch": 2}), ("last", {"epoch": 3, "val/accuracy": 0.625})],
)
def test_checkpoints_are_versions_of_one_model(recording: Recording, alias: str, facts: dict[str, Any]) -> None:
    run_id = of_type(recording.records, "run")[0]["run_id"]
    artifact = recording.artifact("model", alias)
    assert artifact["name"] == f"model-{run_id}"
    assert json.loads(artifact["metadata"]) == facts
    (entry,) = artifact["manifest"]["contents"]
    file = recording.path / "checkpoints" / f"{alias}.npz"
    assert Path(entry["local_path"]).samefile(file)  # another name of it: `file` may be replaced before it is sent
    assert entry["digest"] == base64.b64encode(hashlib.md5(file.read_bytes()).digest()).decode()


def test_data_set_is_used_by_its_digest_alone(recording: Recording) -> None:
    artifact = recording.artifact("dataset")
    assert artifact["name"] == "data-digits"
    assert artifact["use_after_commit"]
    facts = {"name": "digits", "digest": "sha256:0f1e", "counts": {"train": 1437, "val": 180, "test": 180}}
    assert json.loads(artifact["metadata"]) == facts
    (entry,) = artifact["manifest"]["contents"]
    assert json.loads(Path(entry["local_path"]).read_text()) == facts


def test_code_is_what_the_run_computes_with(recording: Recording) -> None:
    entries = recording.artifact("code")["manifest"]["contents"]
    sent = {entry["path"]: Path(entry["local_path"]).read_bytes() for entry in entries}
    assert sent == {name: path.read_bytes() for name, path in files_by_name().items()}
    assert "nn/network.py" in sent


def test_all_of_it_lies_in_the_run_directory(recording: Recording) -> None:
    (folder,) = (recording.path / "wandb").glob("offline-run-*")
    assert (folder / f"run-{of_type(recording.records, 'run')[0]['run_id']}.wandb").is_file()
    for artifact in of_type(recording.records, "artifact"):
        for entry in artifact["manifest"]["contents"]:
            assert recording.path in Path(entry["local_path"]).parents
    at_home = [path for path in recording.home.rglob("*") if path.is_file() and path.suffix != ".log"]
    assert at_home == [recording.home / ".netrc"]


def test_no_key_is_anywhere_in_the_run_directory(recording: Recording) -> None:
    files = [path for path in recording.path.rglob("*") if path.is_file()]
    assert len(files) > 20
    for path in files:
        content = path.read_bytes()
        assert recorded_run.KEY.encode() not in content, path
        assert recorded_run.NETRC_KEY.encode() not in content, path


def test_environment_file_tells_the_versions(recording: Recording) -> None:
    environment = read_run(recording.path).environment
    assert environment["versions"]["python"] == sys.version.split()[0]
    assert environment["cpu"]["logical_cores"] == os.cpu_count()
