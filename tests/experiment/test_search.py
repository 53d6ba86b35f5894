"""Searches of an experiment that share the cores: each finds what it finds alone, and Ctrl-C ends all of them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from ffnn.experiment import search
from ffnn.experiment.check import check_files
from ffnn.tracking import find_runs, read_run

pytestmark = [pytest.mark.posix, pytest.mark.slow]

BAYES = {
    "method": "bayes",
    "metric": {"name": "best/val/accuracy", "goal": "maximize"},
    "parameters": {"learning_rate": {"distribution": "log_uniform_values", "min": 1e-4, "max": 1.0}},
    "command": ["${env}", "ffnn", "train", "${args}"],
}
EXPERIMENT = {
    "question": "Which rate?",
    "expected": "A large one.",
    "seeds": 1,
    "base": {"dataset": "digits", "engine": "numpy", "epochs": 1, "hidden_layers": [8], "wandb": "disabled"},
    "conditions": {"sgd": {"optimizer": "sgd"}, "adam": {"optimizer": "adam"}, "rmsprop": {"optimizer": "rmsprop"}},
    "sweep": "sweeps/bayes.yaml",
    "search": {"trials": 7},  # of which the first four are spread, whatever is found
}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    for folder, name, content in (("sweeps", "bayes", BAYES), ("experiments", "rates", EXPERIMENT)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{name}.yaml").write_text(yaml.safe_dump(content))
    return tmp_path / "experiments/rates.yaml"


def trials(file: Path, at_once: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, float, float]]:
    """What each trial of all searches tried and reached."""
    monkeypatch.setattr(search, "suitable_workers", lambda *_: at_once)
    (plan,), problems = check_files([file], {"runs_dir": str(folder)}, None)
    assert problems == []
    winners = search.run_searches(plan.experiment, file.parent.parent, plan.jobs, None, lambda line: None)
    assert [len(records) for records in winners.values()] == [1, 1, 1]
    runs = [read_run(path) for path in find_runs(folder)]
    return {(r.config["optimizer"], r.config["learning_rate"], r.summary["best/val/loss"]) for r in runs}


def test_searches_side_by_side_try_what_each_tries_alone(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = trials(file, 2, tmp_path / "together", monkeypatch)
    assert together == trials(file, 1, tmp_path / "alone", monkeypatch)
    assert len(together) == 21


SIDE_BY_SIDE = """
from ffnn.cli import main
from ffnn.experiment import search

search.suitable_workers = lambda *arguments: 2
main()
"""


def test_ctrl_c_ends_all_searches_and_the_same_command_goes_on(file: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SIDE_BY_SIDE, "run", str(file), "--epochs=100000"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 120
    while len(list(tmp_path.rglob("history.jsonl"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 130, output
    assert "Traceback" not in output
    summaries = [json.loads(path.read_text()) for path in tmp_path.rglob("summary.json")]
    assert [summary["status"] for summary in summaries] == ["stopped"] * 2, output
    journals = [path.read_text() for path in tmp_path.rglob("journal.log")]
    assert len(journals) == 2
    assert all("Ctrl-C" in journal for journal in journals)
