"""What ffnn needs of W&B's client beyond its public interface is there, and what it changes there it puts back."""

import re
import subprocess
import sys
import threading
import tomllib
from importlib.metadata import version
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version
from tracking.leet import of_type, records

from ffnn.tracking import RunDirectory, WandbSettings, WandbTracker
from ffnn.tracking.wandb_client import own_words, writable_cache

CLIENT = version("wandb")
SECRET = "--api-key=0123456789abcdef0123456789abcdef01234567"

PRIVATE = {
    "wandb:Settings._args": "keys are blotted out of the command line that a run records",
    "wandb:Artifact._tmp_dir": "the folder behind a table is removed when the table is logged",
    "wandb:Table._artifact_target": "the folder behind a table is removed when the table is logged",
    "wandb.sdk.artifacts._internal_artifact:InternalArtifact": "code stands in the dashboard's Code tab",
    "wandb.util:working_set": "packages are looked for once a process and not in each run",
    "wandb.sdk.wandb_setup:singleton": "saved settings are read, and a service that hangs is ended",
    "wandb.sdk.lib.wbauth:read_netrc_auth": "ffnn knows whether there is a key without asking",
    "wandb.sdk.launch.inputs:internal": "a sweep imports it once for all trials",
}
"""What must be there once the client is imported, and what for."""
OF_SERVICE = {
    "_connection": "a service that hangs is ended",
    "_connection._proc._process": "a service that hangs is ended",
    "_active_runs": "the client is not taken away from other runs",
}
OF_RUN = {
    "_interface.publish_artifact": "artifacts are written down before they are sent",
    "_interface.publish_python_packages": "packages are looked for once a process and not in each run",
    "_interface.deliver_artifact": "artifacts are written down before they are sent",
    "_cached_public_api": "the server is not asked before each artifact",
    "_assert_can_log_artifact": "the server is not asked before each artifact",
    "_log_artifact": "a run says which data it uses without waiting for the server",
}
"""What must be there while a run is under way, and what for."""


@pytest.fixture
def client() -> ModuleType:
    return pytest.importorskip("wandb")


def missing(thing: Any, names: dict[str, str]) -> list[str]:
    """What of these dotted names the client no longer has, in words."""
    found = []
    for name, purpose in names.items():
        place = thing
        for part in name.split("."):
            place = getattr(place, part, None)
        if place is None:
            found.append(f"wandb {CLIENT} has no {name}: ffnn uses it so that {purpose}; see tracking/wandb_client.py")
    return found


def test_the_client_has_the_private_names_that_ffnn_relies_on(client: ModuleType, tmp_path: Path) -> None:
    problems = []
    for name, purpose in PRIVATE.items():
        module, _, rest = name.partition(":")
        __import__(module)
        thing = sys.modules[module]
        if rest == "internal":
            __import__(f"{module}.{rest}")
        parts = rest.split(".")
        if parts[-1] in ("_tmp_dir", "_artifact_target"):  # of the instance
            made = client.Artifact("a", "b") if parts[0] == "Artifact" else client.Table(["a"], [[1]])
            problems += [] if hasattr(made, parts[-1]) else [f"wandb {CLIENT} has no {name}: {purpose}"]
        else:
            problems += missing(thing, {rest: purpose})
    with client.init(mode="offline", dir=str(tmp_path), settings=client.Settings(silent=True, console="off")) as run:
        problems += missing(run, {name: use for name, use in OF_RUN.items() if name != "_cached_public_api"})
        problems += [] if hasattr(run, "_cached_public_api") else [f"wandb {CLIENT}: {OF_RUN['_cached_public_api']}"]
        problems += missing(sys.modules["wandb.sdk.wandb_setup"].singleton(), OF_SERVICE)
    assert problems == []


def test_the_newest_client_that_may_be_installed_is_the_one_that_was_tested() -> None:
    """What is private may go with any minor release: a new one is tried here first, and then let in."""
    content = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    (needed,) = (one for line in content["project"]["dependencies"] if (one := Requirement(line)).name == "wandb")
    tested = Version(CLIENT)
    assert tested in needed.specifier, f"wandb {tested} is outside {needed}: run tests/tracking with it, and widen it"
    later = Version(f"{tested.major}.{tested.minor + 1}.0")
    assert later not in needed.specifier, f"{needed} lets in wandb {later}, which was not tested: {tested} was"


def arguments(folder: Path) -> list[str]:
    """The command line that a run has recorded."""
    return list(of_type(records(folder), "environment")[0]["args"])


def test_the_users_own_run_records_what_the_user_typed(
    directory: RunDirectory, client: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ffnn's own leaves keys out; the client is as it was afterwards, and meanwhile in other threads."""
    monkeypatch.setattr(sys, "argv", ["notebook.py", SECRET, "--epochs=1"])
    before = client.Settings._args
    tracker = WandbTracker(directory, {}, WandbSettings("offline"), notify=lambda line: None)
    tracker.start()
    tracker.finish({}, "finished")
    assert client.Settings._args is before
    assert SECRET.partition("=")[2] not in " ".join(arguments(directory.path / "wandb"))
    assert arguments(directory.path / "wandb")[-1] == "--epochs=1"
    seen: list[Any] = []
    with own_words:
        other = threading.Thread(target=lambda: seen.append(client.Settings()._args))
        other.start()
        other.join()
        assert client.Settings()._args == ["--api-key=***", "--epochs=1"]
    assert seen == [[SECRET, "--epochs=1"]]
    settings = client.Settings(silent=True, console="off")
    client.init(mode="offline", dir=str(tmp_path), settings=settings).finish()
    assert arguments(tmp_path / "wandb") == [SECRET, "--epochs=1"]


SCRIPT = """
import sys
from ffnn.tracking import RunDirectory, WandbSettings, WandbTracker
tracker = WandbTracker(RunDirectory(sys.argv[1]), {}, WandbSettings("offline"))
tracker.start()
tracker.log_epoch({"epoch": 1, "val/loss": 0.5})
tracker.finish({}, "finished")
print(tracker.delivery.state)
"""


def test_without_a_home_the_client_keeps_its_log_to_itself(
    directory: RunDirectory, environ: dict[str, str], tmp_path: Path
) -> None:
    for name in ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "XDG_CACHE_HOME"):
        environ.pop(name, None)
    environ |= {"HOME": "/dev/null"}
    command = [sys.executable, "-c", SCRIPT, str(directory.path)]
    done = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout == "recorded\n", done.stderr
    assert re.fullmatch(r"W&B: recording offline; .*\n", done.stderr), done.stderr
    assert not (tmp_path / ".wandb_cache").exists()
    assert list((directory.path / "wandb").glob("wandb/logs/*.log"))


@pytest.mark.skipif(sys.platform == "win32", reason="asks the password database")
@pytest.mark.parametrize("variable", [None, ""])
@pytest.mark.parametrize("known", [True, False])
def test_a_home_that_the_system_knows_serves_where_the_variable_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str | None, known: bool
) -> None:
    import pwd

    def entry(user: int) -> SimpleNamespace:
        if not known:
            raise KeyError(user)
        return SimpleNamespace(pw_dir=str(tmp_path / "home"))

    monkeypatch.setattr(pwd, "getpwuid", entry)
    monkeypatch.delenv("HOME") if variable is None else monkeypatch.setenv("HOME", variable)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    assert writable_cache(tmp_path / "run") == tmp_path / ("home/.cache" if known and variable is None else "run")
