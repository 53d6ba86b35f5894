"""What others wrote into the files of a run: a wrong type, a number that is none, an epoch twice: one line, exit 2."""

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from robustness.targets import RUN

from ffnn.cli import main
from ffnn.errors import FFNNError
from ffnn.report.sources import find_sources
from ffnn.tracking import read_run, yaml_loader
from ffnn.tracking.run_directory import RunDirectory
from ffnn.training.checkpoints import Checkpoint

HUGE = "1" + 400 * "0"
DAMAGED = [
    ("history.jsonl", f'{{"epoch": 1, "train/loss": {HUGE}}}\n', "history.jsonl:1: expected a JSON object of finite"),
    ("history.jsonl", '{"epoch": 1, "train/loss": NaN}\n', "history.jsonl:1: expected a JSON object of finite"),
    ("history.jsonl", '{"epoch": "x"}\n', "history.jsonl:1: expected a JSON object of finite"),
    ("history.jsonl", '{"epoch": 1}\n{"epoch": 1}\n', "history.jsonl:2: expected epoch 2; received 1"),
    ("history.jsonl", '{"epoch": 2}\n', "history.jsonl:1: expected epoch 1; received 2"),
    ("summary.json", '{"epochs": "x"}', "summary.json: epochs: expected a whole number; received 'x'"),
    ("summary.json", '{"test/accuracy": "high"}', "summary.json: test/accuracy: expected a number; received 'high'"),
    ("summary.json", f'{{"mine": {HUGE}}}', "summary.json: mine: expected a finite number"),
    (
        "summary.json",
        '{"test/confusion": [[1, 2]]}',
        "test/confusion: expected a square table; received [[1, 2]]",
    ),
    ("summary.json", '{"diverged": "no"}', "summary.json: diverged: expected true or false; received 'no'"),
    ("environment.json", '{"data": null}', "environment.json: data: expected names and values; received nothing"),
    ("environment.json", '{"data": {"counts": {"test": "many"}}}', "data.counts.test: expected a whole number"),
    ("environment.json", '{"resumed": [1]}', "environment.json: resumed.0: expected names and values"),
    ("config.yaml", "learning_rate: fast\n", "config.yaml: learning_rate: expected a number; received 'fast'"),
    ("config.yaml", "epochs: x\n", "config.yaml: epochs: expected a whole number; received 'x'"),
]


def leave(folder: Path, name: str = "", content: str = "") -> Path:
    run = folder / "runs" / "group" / "run"
    run.mkdir(parents=True)
    for file, whole in RUN.items():
        (run / file).write_bytes(whole)
    if name:
        (run / name).write_text(content)
    return run


@pytest.mark.parametrize(("name", "content", "words"), DAMAGED, ids=lambda value: str(value)[:40])
def test_damage_is_one_line_with_a_way_on(name: str, content: str, words: str, tmp_path: Path) -> None:
    run = leave(tmp_path, name, content)
    with pytest.raises(FFNNError) as refusal:
        read_run(run)
    assert words in str(refusal.value)
    assert "train it again" in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", ["history.jsonl", "summary.json", "environment.json"])
def test_a_folder_in_the_place_of_a_record_is_one_line(name: str, tmp_path: Path) -> None:
    run = leave(tmp_path)
    (run / name).unlink()
    (run / name).mkdir()
    with pytest.raises(FFNNError, match=rf"{name}: expected a readable file; [A-Z]"):
        read_run(run)
    if name == "history.jsonl":
        with pytest.raises(FFNNError, match=rf"{name}: cannot be written: "):
            RunDirectory(run).cut_history(0)


@pytest.mark.parametrize("command", ["compare", "doctor"])
def test_commands_end_with_it(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = leave(tmp_path, *DAMAGED[5][:2])
    monkeypatch.setattr(sys, "argv", ["ffnn", command, str(run.parent)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("ffnn: ")
    assert said.count("\n") == 1


def test_files_of_other_versions_are_read(tmp_path: Path) -> None:
    run = leave(tmp_path, "summary.json", '{"status": "finished", "a new figure": [1, null], "reason": null}')
    (run / "environment.json").unlink()
    (run / "config.yaml").write_text("dataset: digits\nan_old_setting: {a: 1}\nmin_delta: -.inf\n")
    record = read_run(run)
    assert record.summary["a new figure"] == [1, None]
    assert record.environment == {}
    assert record.config["min_delta"] == -math.inf
    for model in (Path(__file__).parents[2] / "experiments" / "models").iterdir():
        assert read_run(model).summary["status"] == "finished"


META: dict[str, Any] = {"epoch": 1, "step": 3}


@pytest.mark.parametrize(
    ("meta", "weight", "words"),
    [
        ({**META, "epoch": "x"}, 1.0, "meta: epoch: expected a whole number"),
        ([], 1.0, "meta: expected names and values"),
        (META, math.nan, "expected finite weights; linear1.weight"),
    ],
)
def test_a_checkpoint_is_refused(meta: Any, weight: float, words: str, tmp_path: Path) -> None:
    path = tmp_path / "last.npz"
    np.savez(path, **{"network/linear1.weight": np.full((2, 2), weight)}, meta=np.array(json.dumps(meta)))
    with pytest.raises(FFNNError, match=words):
        Checkpoint.load(path)


COMPARED: dict[str, Any] = {
    "question": "q", "expected": "e", "found": "f", "verdict": "v", "certainty": "c", "metric": "test/accuracy",
    "margin": 0.01, "reference": "a", "conditions": [{"condition": "a", "runs": 1, "verdict": "reference"}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"margin": "wide"}, "comparison.json: margin: expected a number; received 'wide'"),
        ({"metric": "test/charm"}, "comparison.json: metric: expected a measure that this ffnn knows"),
        ({"conditions": [{"runs": 1, "verdict": "v"}]}, "conditions.0.condition: expected a value; received nothing"),
        (
            {"conditions": [{**COMPARED["conditions"][0], "p (Holm)": "x"}]},
            "0.p (Holm): expected a number; received 'x'",
        ),
        ({"found": None}, "comparison.json: found: expected text; received nothing"),
    ],
)
def test_a_comparison_is_refused(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    folder = leave(tmp_path).parent
    (folder / "runs.csv").write_text("condition,seed,run\na,0,run\n")
    (folder / "comparison.json").write_text(json.dumps(COMPARED))
    assert len(find_sources([folder])) == 1
    (folder / "comparison.json").write_text(json.dumps({**COMPARED, **change}))
    with pytest.raises(FFNNError) as refusal:
        find_sources([folder])
    assert words in str(refusal.value)


def test_the_slow_parser_reads_nothing_but_what_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand runs are compared, and it takes eight times as long; it is there for its words."""
    run = leave(tmp_path)
    slow = []
    before = yaml_loader.Loader.__init__
    monkeypatch.setattr(yaml_loader.Loader, "__init__", lambda self, text: (slow.append(text), before(self, text))[1])
    read_run(run)
    assert slow == []
    (run / "config.yaml").write_text("a: [\n")
    with pytest.raises(FFNNError, match=r"config.yaml:2: expected YAML"):
        read_run(run)
    assert len(slow) == 1
