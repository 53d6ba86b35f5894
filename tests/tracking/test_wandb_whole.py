"""Every way to start runs leaves a whole record of each at W&B, offline and online, also where they share a process."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from tracking.whole import check_offline, check_online
from wandb_server import KEY, Client, WandbServer

from ffnn.tracking import find_runs, read_run

SMALL = {"dataset": "digits", "engine": "numpy", "epochs": 1, "batch_size": 1000, "hidden_layers": [8]}
EXPERIMENT = {"question": "Which?", "expected": "One is better.", "seeds": 2, "base": SMALL}
RANDOM = Path(__file__).parents[2] / "sweeps/search_random.yaml"
EVERYDAY = (str(RANDOM), "--count=12", "--workers=2", "--dataset=digits", "--epochs=1")


def write_grid(folder: Path, **values: list[Any]) -> str:
    """A sweep file that tries each of these values."""
    parameters = {name: {"value": value} for name, value in SMALL.items()}
    parameters |= {name: {"values": given} for name, given in values.items()}
    content = {"method": "grid", "metric": {"name": "best/val/accuracy", "goal": "maximize"}, "parameters": parameters}
    path = folder / "grid.yaml"
    path.write_text(yaml.safe_dump({**content, "command": ["${env}", "ffnn", "train", "${args}"]}))
    return str(path)


def offline(tmp_path: Path) -> Client:
    """A user without a key."""
    return Client(tmp_path, "http://127.0.0.1:9")


def sweep(user: Client, *words: str, timeout: float = 300) -> list[Path]:
    """The runs that `ffnn sweep` leaves; nothing of theirs lies in the temporary folder afterwards."""
    temporary = user.home / "temporary"
    temporary.mkdir()
    user.environ["TMPDIR"] = str(temporary)
    said = user.run("ffnn", "sweep", *words, "--runs_dir=runs", timeout=timeout)
    assert "lost" not in said.stdout + said.stderr
    assert [path for path in temporary.iterdir() if "wandb-" in path.name] == []
    return find_runs(user.home / "runs")


@pytest.mark.slow
def test_trials_that_share_processes_leave_whole_records(tmp_path: Path) -> None:
    """A stack of two, and when it has ended a single trial, forked from one process; `--workers` is another test's."""
    runs = sweep(offline(tmp_path), write_grid(tmp_path, seed=[0, 1, 2]), "--stack=2")
    assert sorted(read_run(path).summary.get("stack", 1) for path in runs) == [1, 2, 2]
    for path in runs:
        check_offline(path)


BREAK = """
from ffnn.tracking.wandb_tracker import WandbTracker

def log_epoch(self, record):
    if self._wandb._config["seed"] == 1:
        raise OSError("disk full")
    real(self, record)

real, WandbTracker._log_epoch = WandbTracker._log_epoch, log_epoch
"""


@pytest.mark.slow
@pytest.mark.parametrize("command", ["sweep", "run"])
def test_what_is_lost_is_said(tmp_path: Path, command: str) -> None:
    """In the run's own line, at the command's end, and in the run's summary; what is whole can be sent."""
    (tmp_path / "sitecustomize.py").write_text(BREAK)
    user = offline(tmp_path)
    user.environ["PYTHONPATH"] += f"{os.pathsep}{tmp_path}"
    if command == "sweep":
        file = write_grid(tmp_path, seed=[0, 1])
    else:
        file = str(tmp_path / "e.yaml")
        Path(file).write_text(yaml.safe_dump({**EXPERIMENT, "conditions": {"one": {}}}))
    said = user.run("ffnn", command, file, "--runs_dir=runs", "--workers=1", timeout=300)
    runs = {read_run(path).config["seed"]: path for path in find_runs(tmp_path / "runs")}
    check_offline(runs[0])
    lost = read_run(runs[1]).summary
    assert (lost["status"], lost["wandb/state"], lost["wandb/reason"]) == ("finished", "lost", "disk full")
    first, second = re.findall(r"^\[\d/2\] .*", said.stderr, re.MULTILINE)
    assert ("W&B" in first, second.endswith("; W&B lost: disk full")) == (False, True)
    told = re.search(r"^W&B +(.*); to send later: xargs wandb sync < (.*)$", said.stdout, re.MULTILINE)
    assert told, said.stdout
    assert told[1] == "1 of 2 runs recorded; 1 lost: disk full"
    assert (tmp_path / told[2]).read_text() == f"{runs[0].relative_to(tmp_path)}/wandb\n"


@pytest.mark.slow
@pytest.mark.parametrize("stack", ["--stack=1", "--stack=2"])
def test_twelve_trials_offline(tmp_path: Path, stack: str) -> None:
    runs = sweep(offline(tmp_path), *EVERYDAY, stack, timeout=900)
    assert len(runs) == 12
    for path in runs:
        check_offline(path)


@pytest.mark.slow
@pytest.mark.parametrize("stack", ["--stack=1", "--stack=2"])
def test_twelve_trials_online(user: Client, server: WandbServer, stack: str) -> None:
    runs = sweep(user, *EVERYDAY, stack, timeout=900)
    assert (len(runs), len(server.runs)) == (12, 12)
    for path in runs:
        check_online(server, path)
    assert server.check() == []


@pytest.mark.slow
@pytest.mark.parametrize("how", [("--workers=1",), ("--workers=2",), ("--workers=2", "--stack=2")])
def test_runs_of_an_experiment(tmp_path: Path, how: tuple[str, ...]) -> None:
    """Offline; then the command that it ends with sends them all."""
    user = offline(tmp_path)
    (tmp_path / "e.yaml").write_text(
        yaml.safe_dump(
            {**EXPERIMENT, "conditions": {"slow": {"learning_rate": 0.001}, "fast": {"learning_rate": 0.03}}}
        )
    )
    said = user.run("ffnn", "run", "e.yaml", "--runs_dir=runs", *how, timeout=300)
    runs = find_runs(tmp_path / "runs")
    assert len(runs) == 4
    for path in runs:
        check_offline(path)
    send(user, said.stdout, runs)


@pytest.mark.slow
def test_searches_of_an_experiment(tmp_path: Path) -> None:
    user = offline(tmp_path)
    (tmp_path / "studies").mkdir()
    grid = Path(write_grid(tmp_path, learning_rate=[0.001, 0.01])).name
    conditions = {"a": {"activation": "relu"}, "b": {"activation": "tanh"}}
    (tmp_path / "studies/e.yaml").write_text(
        yaml.safe_dump({**EXPERIMENT, "conditions": conditions, "sweep": grid, "search": {"trials": 2}})
    )
    said = user.run("ffnn", "run", "studies/e.yaml", "--runs_dir=runs", "--workers=2", timeout=300)
    runs = find_runs(tmp_path / "runs")
    assert len(runs) == 8
    for path in runs:
        check_offline(path)
    send(user, said.stdout, runs)


def send(user: Client, said: str, runs: list[Path]) -> None:
    """Send the runs as a command's last lines say."""
    found = re.search(rf"W&B +{len(runs)} runs recorded offline; to send later: wandb (.*)", said)
    assert found, said
    with WandbServer() as server:
        user.environ |= {"WANDB_BASE_URL": server.url, "WANDB_API_KEY": KEY}
        patterns = [word for word in found[1].split()[1:] if "*" in word]
        folders = [str(path) for pattern in patterns for path in user.home.glob(pattern)]
        user.wandb("sync", *folders, timeout=300)
        for path in runs:
            check_online(server, path, "recorded")
        assert server.check() == []


@pytest.mark.slow
def test_a_run_that_is_made_longer(user: Client, server: WandbServer) -> None:
    user.train("--wandb=online", "--epochs=2", "--name=longer")
    (path,) = find_runs(user.home / "runs")
    user.run("ffnn", "train", "--resume", str(path), "--epochs=4", timeout=150)
    assert len(read_run(path).history) == 4
    check_online(server, path)
    assert server.check() == []
