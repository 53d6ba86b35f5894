"""What a whole record of a run is at W&B: everything that its run directory has, and a good end."""

from importlib.metadata import version
from pathlib import Path

from tracking.leet import history, of_type, records, summary
from wandb_server import Run, WandbServer

from ffnn.lab.code import files_by_name
from ffnn.tracking import read_run

TABLES = ("test/confusion_matrix_table", "test/per_class", "test/wrong_images")


def check_offline(path: Path) -> None:
    """The offline record of a finished run, read back with W&B's own reader, lacks nothing."""
    run = read_run(path)
    assert run.summary["status"] == "finished", path
    assert (run.summary["wandb/state"], "wandb/reason" in run.summary) == ("recorded", False), run.summary
    found = records(path / "wandb")
    (end,) = of_type(found, "exit")
    assert end["exit_code"] == 0
    rows = history(found)
    assert [row for row in rows if "val/loss" in row] == run.history
    (tested,) = [row for row in rows if "test/confusion_matrix_table.path" in row]
    assert {name for name in TABLES if f"{name}.path" in tested} == set(TABLES)
    final = summary(found)
    for name in ("test/accuracy", "test/loss", "best/val/accuracy", "status"):
        assert final[name] == run.summary[name]
    artifacts = of_type(found, "artifact")
    files = {entry["path"]: Path(entry["local_path"]) for one in artifacts for entry in one["manifest"]["contents"]}
    assert [file for file in files.values() if not file.is_file()] == []
    assert {f"{name}.table.json" for name in TABLES} <= set(files)
    models = [(one["type"], alias) for one in artifacts for alias in one["aliases"] if one["type"] == "model"]
    assert {("model", "best"), ("model", "last")} <= set(models)
    assert {"model", "dataset"} <= {one["type"] for one in artifacts}
    (code,) = [one for one in artifacts if one["type"] == "code"]
    sources = {entry["path"]: Path(entry["local_path"]) for entry in code["manifest"]["contents"]}
    assert all(path in source.parents for source in sources.values()), "its own copies: those of ffnn may change"
    assert {name: source.read_bytes() for name, source in sources.items()} == computing_code()
    config = {key: value for one in of_type(found, "config") for key, value in one.get("update", {}).items()}
    assert config["_wandb"]["code_path"].startswith("source-ffnn")
    (packages,) = (path / "wandb").glob("offline-run-*/files/requirements.txt")
    assert {f"numpy=={version('numpy')}", f"wandb=={version('wandb')}"} <= set(packages.read_text().split())


def computing_code() -> dict[str, bytes]:
    """The files whose content decides what a run finds."""
    return {name: file.read_bytes() for name, file in files_by_name().items()}


def check_online(server: WandbServer, path: Path, state: str = "sent") -> None:
    """What the server has of a finished run lacks nothing."""
    run = read_run(path)
    assert (run.summary["status"], run.summary["wandb/state"]) == ("finished", state), run.summary
    named = (run.config["group"], path.name)  # runs of two groups may begin in one second, and then share a name
    (arrived,) = [one for one in server.runs.values() if (one.about["groupName"], one.about["displayName"]) == named]
    assert arrived.exit_code == 0
    assert arrived.own_rows("val/loss") == run.history
    for name in ("test/accuracy", "test/loss", "best/val/accuracy", "status"):
        assert arrived.summary[name] == run.summary[name]
    assert {name for name in TABLES if "artifact_path" in arrived.summary[name]} == set(TABLES), arrived.summary
    models = models_of(server, arrived)
    assert {alias for alias in models if alias in ("best", "last")} == {"best", "last"}
    for alias in ("best", "last"):
        assert models[alias] == (path / f"checkpoints/{alias}.npz").read_bytes()
    (code,) = [one for one in server.artifacts.values() if one.name == "source-ffnn"]  # one version for all runs
    assert code.files == computing_code()
    assert any(arrived.name in one.used_by for one in server.artifacts.values() if one.kind == "dataset")


def models_of(server: WandbServer, run: Run) -> dict[str, bytes]:
    """The run's models by alias."""
    versions = [one for one in server.artifacts.values() if one.name == f"model-{run.name}"]
    return {alias: version.files["model.npz"] for version in versions for alias in version.aliases}
