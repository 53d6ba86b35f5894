"""Whether a run is sent, and under which name: every place where the answer may come from."""

import importlib
import os
import pty
import signal
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tracking.killed_service import OpenedTracker
from tracking.leet import history, of_type, records

from ffnn.errors import FFNNError
from ffnn.tracking import RunDirectory, WandbSettings, WandbTracker, resolve_mode

KEY = "0123456789" * 5


def default_host() -> str:
    host = urlsplit(importlib.import_module("wandb").Settings().base_url).netloc
    assert host
    return host


def write_netrc(host: str, key: str = KEY) -> None:
    Path(os.environ["NETRC"]).write_text(f"machine {host}\n  login user\n  password {key}\n")


def write_settings(**values: str) -> None:
    """The file where `wandb login --host` and `wandb offline` leave theirs."""
    folder = Path(os.environ["WANDB_CONFIG_DIR"])
    folder.mkdir()
    (folder / "settings").write_text("\n".join(["[default]", *(f"{name} = {value}" for name, value in values.items())]))


def test_without_a_key_auto_is_offline_and_says_how_to_look_and_send() -> None:
    mode, line = resolve_mode("auto", "runs/a b/wandb")
    assert mode == "offline"
    assert line
    assert "\n" not in line
    for part in ("no key is configured", "wandb leet 'runs/a b/wandb'", "wandb sync 'runs/a b/wandb'"):
        assert part in line


def test_online_without_a_key_is_offline_too() -> None:
    mode, line = resolve_mode("online")
    assert mode == "offline"
    assert "no key is configured" in str(line)


def test_key_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert resolve_mode("auto") == ("online", None)


def test_key_in_netrc() -> None:
    write_netrc(default_host())
    assert resolve_mode("auto") == ("online", None)


def test_key_in_netrc_for_another_server() -> None:
    write_netrc("somewhere.example")
    assert resolve_mode("auto")[0] == "offline"


def test_key_in_netrc_for_the_configured_server() -> None:
    write_settings(base_url="https://somewhere.example")
    write_netrc("somewhere.example")
    assert resolve_mode("auto") == ("online", None)


def test_key_in_the_clients_settings() -> None:
    write_settings(api_key=KEY)
    assert resolve_mode("auto") == ("online", None)


def test_key_that_cannot_be_one() -> None:
    write_netrc(default_host(), "short")
    mode, line = resolve_mode("auto")
    assert mode == "offline"
    assert "API key" in str(line)


@pytest.mark.parametrize(
    ("wish", "mode"), [("offline", "offline"), ("dryrun", "offline"), ("disabled", "disabled"), ("online", "online")]
)
def test_auto_does_what_the_variable_says(monkeypatch: pytest.MonkeyPatch, wish: str, mode: str) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_MODE", wish)
    assert resolve_mode("auto")[0] == mode


def test_the_variable_does_not_change_an_explicit_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    assert resolve_mode("offline")[0] == "offline"
    assert resolve_mode("disabled") == ("disabled", None)


def test_auto_does_what_wandb_offline_saved() -> None:
    write_settings(mode="offline", api_key=KEY)
    assert resolve_mode("auto")[0] == "offline"
    assert resolve_mode("online")[0] == "online"


def test_misspelt_modes(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FFNNError, match="did you mean 'offline'"):
        WandbSettings("ofline")
    monkeypatch.setenv("WANDB_MODE", "onlin")
    with pytest.raises(FFNNError, match=r"WANDB_MODE.*did you mean 'online'"):
        resolve_mode("auto")


def test_arguments_follow_the_settings_then_the_environment_then_the_directory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = WandbSettings(group="g", tags=("a",)).arguments("adam:seed 0")
    unique = arguments.pop("id")
    assert arguments == {"project": "ffnn", "name": "adam:seed 0", "group": "g", "job_type": "train", "tags": ("a",)}
    assert unique.startswith("adam-seed-0-")
    assert unique != WandbSettings().arguments("adam:seed 0")["id"]
    monkeypatch.setenv("WANDB_PROJECT", "theirs")
    monkeypatch.setenv("WANDB_RUN_ID", "given")
    assert not {"project", "id"} & set(WandbSettings().arguments("run"))
    assert WandbSettings(project="mine").arguments("run")["project"] == "mine"


def test_under_an_agent_its_choices_win(directory: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = {
        "WANDB_SWEEP_ID": "sweep1",
        "WANDB_RUN_ID": "trial7",
        "WANDB_RUN_GROUP": "theirs",
        "WANDB_NAME": "given-name",
    }
    for name, value in agent.items():
        monkeypatch.setenv(name, value)
    settings = WandbSettings("offline", project="mine", group="ours", name="ours", tags=("a",))
    tracker = WandbTracker(directory, {}, settings, notify=lambda line: None)
    tracker.start()
    tracker.finish({}, "finished")
    run = of_type(records(directory.path / "wandb"), "run")[0]
    told = {name: run.get(name) for name in ("run_id", "run_group", "display_name", "sweep_id", "tags")}
    assert told == {
        "run_id": "trial7",
        "run_group": "theirs",
        "display_name": "given-name",
        "sweep_id": "sweep1",
        "tags": ["a"],
    }


SCRIPT = """
import sys
from ffnn.tracking import RunDirectory, WandbSettings, WandbTracker
tracker = WandbTracker(RunDirectory(sys.argv[1]), {}, WandbSettings(sys.argv[2]))
tracker.start()
tracker.log_epoch({"epoch": 1, "val/loss": 0.5})
tracker.finish({}, "finished")
print("imported" if "wandb" in sys.modules else "not imported")
"""


@pytest.mark.parametrize("mode", ["auto", "online"])
def test_on_a_terminal_without_a_key_it_never_asks(directory: RunDirectory, environ: dict[str, str], mode: str) -> None:
    master, slave = pty.openpty()
    command = [sys.executable, "-c", SCRIPT, str(directory.path), mode]
    with subprocess.Popen(
        command, env=environ, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
    ) as process:
        os.close(slave)
        said = read_all(master)
        assert process.wait(20) == 0
    assert said.count("recording offline") == 1
    assert said.splitlines()[-1] == "imported"
    assert len(said.splitlines()) == 2


def read_all(terminal: int) -> str:
    """Everything written to a terminal until its last writer is gone."""
    pieces = []
    with os.fdopen(terminal, "rb", buffering=0) as file:
        while True:
            try:
                piece = file.read(1024)
            except OSError:  # how Linux says that the other end is closed
                piece = b""
            if not piece:
                return b"".join(pieces).decode()
            pieces.append(piece)


@pytest.mark.parametrize(("mode", "variable"), [("disabled", ""), ("auto", "disabled")])
def test_disabled_does_not_import_the_client(
    directory: RunDirectory, environ: dict[str, str], mode: str, variable: str
) -> None:
    command = [sys.executable, "-c", SCRIPT, str(directory.path), mode]
    environ |= {"WANDB_MODE": variable}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300, check=True)
    assert (done.stdout, done.stderr) == ("not imported\n", "")
    assert not (directory.path / "wandb").exists()


def test_importing_the_room_imports_neither_client_nor_other_heavy_packages(environ: dict[str, str]) -> None:
    heavy = {"wandb", "matplotlib", "sklearn", "torch", "scipy", "numba"}
    code = f"import sys, ffnn.tracking; print(sorted({heavy!r} & set(sys.modules)))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout == "[]\n"


def test_leaves_the_interpreter_as_it_was(directory: RunDirectory) -> None:
    signals = {number: signal.getsignal(number) for number in signal.valid_signals()}
    threads = set(threading.enumerate())
    tracker = OpenedTracker(directory, {}, WandbSettings("offline"), notify=lambda line: None)
    tracker.start()
    assert tracker.opened.wait(20)
    print("said while the run was open")
    tracker.log_epoch({"epoch": 1, "val/loss": 0.5})
    tracker.finish({}, "finished")
    assert {number: signal.getsignal(number) for number in signal.valid_signals()} == signals
    assert all(thread.daemon for thread in set(threading.enumerate()) - threads)
    assert "WANDB_DATA_DIR" not in os.environ
    files = [path for path in (directory.path / "wandb").rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if b"said while" in path.read_bytes()]


def test_leaves_the_users_own_run_alone(directory: RunDirectory, tmp_path: Path) -> None:
    client = importlib.import_module("wandb")
    settings = client.Settings(silent=True, console="off")
    with client.init(mode="offline", dir=str(tmp_path), project="own", settings=settings) as own:
        tracker = WandbTracker(directory, {}, WandbSettings("offline"), notify=lambda line: None)
        tracker.start()
        tracker.log_epoch({"epoch": 1, "val/loss": 0.5})
        tracker.finish({}, "finished")
        assert client.run is own
        own.log({"theirs": 1})
    assert history(records(directory.path / "wandb")) == [{"epoch": 1, "val/loss": 0.5}]
    assert history(records(tmp_path / "wandb")) == [{"theirs": 1}]
