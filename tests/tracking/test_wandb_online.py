"""Online runs of the real client against a server of our own that checks what it receives."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from wandb_server import KEY, Client, WandbServer

from ffnn.tracking import RunDirectory, RunRecord, read_run

SCRIPT = str(Path(__file__).with_name("online_run.py"))
SETTINGS = ("--epochs=2", "--histogram_every=2", "--group=studies", "--tags=[first]", "--notes=why not")


@dataclass
class Arrival:
    """A run of `ffnn train`, as the server has it and as it lies on the disk."""

    server: WandbServer
    record: RunRecord
    said: str


def only_run(user: Client) -> RunRecord:
    """The one run directory that a user has."""
    (path,) = user.home.glob("runs/*/*")
    return read_run(path)


@pytest.fixture(scope="module")
def arrival(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arrival]:
    """`wandb login` with a key, then `ffnn train`, which finds it."""
    with WandbServer() as server:
        user = Client(tmp_path_factory.mktemp("user"), server.url)
        user.wandb("login", KEY)
        said = user.train("--wandb=online", *SETTINGS)
        yield Arrival(server, only_run(user), said)


def test_server_understands_all_of_it(arrival: Arrival) -> None:
    assert arrival.server.check() == []
    assert arrival.server.refused == []
    assert f"W&B run: {arrival.server.run_url}" in arrival.said


def test_history_is_that_of_the_run_directory(arrival: Arrival) -> None:
    history = arrival.record.history
    assert [record["epoch"] for record in history] == [1, 2]
    assert arrival.server.run.own_rows("epoch", "val/loss") == history


def test_summary_has_the_results(arrival: Arrival) -> None:
    summary, run = arrival.record.summary, arrival.server.run
    for name in ("best/val/accuracy", "best/epoch", "test/accuracy", "test/macro_f1", "status", "parameters"):
        assert run.summary[name] == summary[name]
    assert run.exit_code == 0


def test_config_is_that_of_the_run_directory(arrival: Arrival) -> None:
    config = {name: value for name, value in arrival.server.run.config.items() if name != "_wandb"}
    assert config == arrival.record.config


def test_run_is_named_and_grouped(arrival: Arrival) -> None:
    about = arrival.server.run.about
    told = {name: about[name] for name in ("project", "groupName", "jobType", "displayName", "tags", "notes")}
    assert told == {
        "project": "ffnn",
        "groupName": "studies",
        "jobType": "train",
        "displayName": arrival.record.path.name,
        "tags": ["first", "digits", "adam", "ffnn", "seed0"],
        "notes": "why not",
    }


def test_histograms_count_every_weight(arrival: Arrival) -> None:
    (row,) = arrival.server.run.own_rows("weights/linear1.weight")
    assert row["epoch"] == 1
    for part in ("weights", "gradients"):
        found = [value for name, value in row.items() if name.startswith(f"{part}/")]
        assert {value["_type"] for value in found} == {"histogram"}
        assert sum(sum(value["values"]) for value in found) == arrival.record.summary["parameters"]


def test_picture_and_tables_arrive(arrival: Arrival) -> None:
    run, record = arrival.server.run, arrival.record
    kinds = {
        name: value["_type"] for name, value in run.summary.items() if name.startswith("test/") and "path" in str(value)
    }
    assert kinds == {
        "test/confusion_matrix_table": "table-file",
        "test/per_class": "table-file",
        "test/wrong_images": "table-file",
    }
    table = json.loads(run.files[run.summary["test/confusion_matrix_table"]["path"]])
    counts = {(actual, predicted): count for actual, predicted, count in table["data"]}
    names = record.environment["data"]["classes"]
    assert record.summary["test/confusion"] == [[counts[one, other] for other in names] for one in names]


def test_artifacts_are_committed(arrival: Arrival) -> None:
    server, record = arrival.server, arrival.record
    for alias in ("best", "last"):
        model = server.artifact("model", alias)
        assert model.files["model.npz"] == (record.path / f"checkpoints/{alias}.npz").read_bytes()
    data = server.artifact("dataset")
    assert data.used_by == {server.run.name}
    assert data.metadata["digest"] == record.environment["data"]["digest"]
    assert "tracking/tracker.py" in server.artifact("code").files


def test_weights_are_those_of_a_run_without_wandb(arrival: Arrival, user: Client) -> None:
    user.train("--wandb=disabled", *SETTINGS)
    assert same_weights(arrival.record, only_run(user))


def same_weights(one: RunRecord, other: RunRecord) -> bool:
    """Whether two runs have the same parameters, bit for bit."""
    with np.load(one.path / "checkpoints/last.npz") as a, np.load(other.path / "checkpoints/last.npz") as b:
        names = [name for name in a.files if name.startswith("network/")]
        assert names
        return all(np.array_equal(a[name], b[name]) for name in names)


# -- smaller runs, of online_run.py -------------------------------------------------------------------


def run(user: Client, directory: RunDirectory, *arguments: str) -> list[str]:
    """The lines that a run prints; it must end by itself, well and without a word on standard error."""
    command = [sys.executable, SCRIPT, str(directory.path), *arguments]
    environ = {**user.environ, "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=300, check=False, stdin=subprocess.DEVNULL
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.slow
def test_what_is_not_finite_is_not_sent(user: Client, server: WandbServer, directory: RunDirectory) -> None:
    lines = run(user, directory, "20", "20", "go")
    assert lines[0].startswith(f"W&B run: {server.url}/me/ffnn/runs/run-")
    assert lines[-1] == "training done, sent"
    assert server.run.own_rows() == [
        {"epoch": 1, "val/loss": 1.0, "val/accuracy": 0.5},
        {"epoch": 2, "val/accuracy": 0.5},
        {"epoch": 3, "val/loss": 1 / 3, "val/accuracy": 0.5},
    ]
    assert server.check() == []


@pytest.mark.slow
def test_a_run_that_is_resumed_goes_on_where_it_was(user: Client, server: WandbServer, directory: RunDirectory) -> None:
    user.environ |= {"WANDB_RUN_ID": "once", "WANDB_RESUME": "allow"}
    run(user, directory, "20", "20", "go")
    run(user, RunDirectory.create(directory.path.parent, "group", "another"), "20", "20", "go")
    assert server.run.name == "once"
    assert [row["epoch"] for row in server.run.rows] == [1, 2, 3, 1, 2, 3]
    assert server.check() == []


@pytest.mark.slow
def test_artifacts_that_the_server_refuses_are_said_and_can_be_sent_later(
    user: Client, server: WandbServer, directory: RunDirectory
) -> None:
    """The client tells nobody: it ends as if they had arrived."""
    server.lacks.add("CreateArtifact")
    _, line, *rest = run(user, directory, "20", "20", "go")
    assert line.startswith("W&B refused 1 artifact (ArtifactSaver.createArtifact: input: no CreateArtifact here); ")
    assert rest == ["training done, not sent"]
    assert len(server.run.rows) == 3
    server.lacks.clear()
    user.wandb(*line.partition("to send it later: wandb ")[2].split())
    assert server.artifact("model").committed


def test_an_offline_run_contacts_nobody(user: Client, server: WandbServer, directory: RunDirectory) -> None:
    del user.environ["WANDB_ERROR_REPORTING"]
    user.environ["WANDB_MODE"] = "offline"
    run(user, directory, "20", "20", "go")
    assert server.requests == []
    del user.environ["WANDB_MODE"]
    run(user, RunDirectory.create(directory.path.parent, "group", "another"), "20", "20", "go")
    assert server.requests
    assert not [request for request in server.requests if "otel" in request]
