"""Keys that lie where W&B's client finds them, or that somebody typed in the wrong place, are in no file of a run."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ffnn.lab.config import make_config
from ffnn.lab.run import train
from ffnn.training.trainer import Callback

IN_ENVIRONMENT = "a1b2c3d4e5" * 4
IN_NETRC = "wandb_v1_" + "Zx9Yw8Vu7T" * 7
TYPED = "0f1e2d3c4b" * 4
SHORT = "hunter2-hunter2"
KEYS = [key.encode() for key in (IN_ENVIRONMENT, IN_NETRC, TYPED, SHORT)]
SMALL = ["--epochs=1", "--hidden_layers=[4]", "--batch_size=512", "--wandb=offline"]


def files_with_keys(folder: Path) -> Iterator[str]:
    """Every file at or below a folder whose bytes, or whose name, hold one of the keys."""
    for path in folder.rglob("*"):
        if any(key in os.fsencode(path.relative_to(folder)) for key in KEYS):
            yield f"{path}: in its name"
        if path.is_file() and any(key in path.read_bytes() for key in KEYS):
            yield str(path)


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment with keys in every place that the client looks at, and a password of another program."""
    netrc = tmp_path / "home" / ".netrc"
    netrc.parent.mkdir()
    netrc.write_text(f"machine api.wandb.ai\n  login user\n  password {IN_NETRC}\n")
    netrc.chmod(0o600)
    planted = {"WANDB_API_KEY": IN_ENVIRONMENT, "NETRC": str(netrc), "HOME": str(netrc.parent), "DB_PASSWORD": SHORT}
    for name, value in planted.items():
        monkeypatch.setenv(name, value)
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


def test_a_key_among_tags_or_notes_is_blotted_out(environ: dict[str, str], tmp_path: Path) -> None:
    settings = {"tags": ["mine", TYPED], "notes": f"with {IN_ENVIRONMENT} and {SHORT}", "wandb": "disabled"}
    config = make_config({**settings, "epochs": 1, "hidden_layers": [4], "runs_dir": str(tmp_path / "runs")})
    record = train(config, lambda line: None, Callback())
    assert record.config["tags"] == ["mine", "***"]
    assert record.config["notes"] == "with *** and ***"
    assert list(files_with_keys(tmp_path / "runs")) == []


@pytest.mark.slow
def test_no_planted_key_is_in_any_file_or_line(environ: dict[str, str], tmp_path: Path) -> None:
    """A run and a sweep, as processes, recorded for W&B; with a search that finds the key where it was planted."""
    work = tmp_path / "work"
    work.mkdir()
    (work / "sweep.yaml").write_text(
        "method: grid\nmetric: {name: best/val/accuracy, goal: maximize}\nparameters: {seed: {values: [0, 1]}}\n"
    )
    typed = ["--tags=" + str([TYPED]), f"--notes={TYPED} {SHORT}"]
    said = b""
    for words in (
        ["train", *SMALL, *typed],
        ["sweep", "sweep.yaml", *SMALL, *typed],
        ["train", *SMALL, f"--api_key={TYPED}"],
        ["train", *SMALL, "--wandb_api_key", TYPED],
        ["report", "runs/train", "--no-pdf"],
    ):
        command = [sys.executable, "-m", "ffnn", *words]
        done = subprocess.run(command, cwd=work, env=environ, capture_output=True, timeout=200, check=False)
        assert done.returncode == (2 if "api_key" in words[-1] + words[-2] else 0), done.stderr.decode()
        said += done.stdout + done.stderr
    assert [key for key in KEYS if key in said] == []
    assert len(list(work.rglob("*.wandb"))) == 3
    assert list(work.rglob("report.html"))
    assert list(files_with_keys(work)) == []
    assert len(list(files_with_keys(tmp_path / "home"))) >= 1
