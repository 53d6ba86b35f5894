"""`ffnn run` with several files, and with experiments whose runs are searches: real processes, real folders."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ffnn.lab.experiment.cli import split_words

SMALL = ["--epochs=1", "--batch_size=1000", "--hidden_layers=[4]", "--wandb=disabled"]


def ffnn_run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ffnn", "run", *arguments, *SMALL]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=200, check=False)


def write(path: Path, more: str = "", base: str = "{}") -> str:
    path.write_text(
        f"question: Is {path.stem} so?\nexpected: It is.\nbase: {base}\nseeds: 2\n"
        f"conditions: {{a: {{}}, b: {{optimizer: sgd}}}}\n{more}\n"
    )
    return path.name


def test_several_files_end_in_one_table_and_one_that_fails_costs_its_row(tmp_path: Path) -> None:
    good = write(tmp_path / "one.yaml", "compare: {claims: [a > 1.5]}")
    bad = write(tmp_path / "two.yaml", base="{dataset: {name: npz, path: absent.npz}}")
    result = ffnn_run(good, bad, "--seeds=2", cwd=tmp_path)
    assert result.returncode == 1
    printed = " ".join(result.stdout.replace("│", " ").split())
    table = printed.partition("2 experiments on digits, npz")[2]
    assert "one" in table
    assert "It is." in table
    assert "contradicted" in table
    assert "not run" in table
    assert "absent.npz" in result.stderr
    comparison = json.loads((tmp_path / "runs" / "one-digits" / "comparison.json").read_text())
    assert comparison["verdict"] == "contradicted"


def test_a_mistake_in_the_last_file_costs_no_run(tmp_path: Path) -> None:
    result = ffnn_run(
        write(tmp_path / "one.yaml"), write(tmp_path / "two.yaml", "compare: {claims: [a > x]}"), cwd=tmp_path
    )
    assert result.returncode == 2
    assert len(result.stderr.strip().splitlines()) == 1
    assert "two.yaml: claim 'a > x'" in result.stderr
    assert not (tmp_path / "runs").exists()


def test_files_and_settings_may_come_in_any_order() -> None:
    words = ["--dataset", "digits", "a.yaml", "--epochs=3", "b.yaml", "--flag", "--l2", "0.1"]
    assert split_words(words) == (["a.yaml", "b.yaml"], ["--dataset", "digits", "--epochs=3", "--flag", "--l2", "0.1"])


@pytest.mark.slow
def test_a_search_gives_its_best_trial_for_each_condition_and_seed_and_goes_on_where_it_was(tmp_path: Path) -> None:
    for folder in ("experiments", "sweeps"):
        (tmp_path / folder).mkdir()
    (tmp_path / "sweeps" / "rate.yaml").write_text(
        "method: random\nmetric: {name: best/val/accuracy, goal: maximize}\nparameters:\n"
        "  learning_rate: {distribution: log_uniform_values, min: 0.0001, max: 0.1}\n"
        'command: ["${env}", "${interpreter}", "-m", ffnn, train, "${args}"]\n'
    )
    more = "sweep: sweeps/rate.yaml\nsearch: {trials: 2}\nmetric: log10/learning_rate\ncompare: {against: a}"
    write(tmp_path / "experiments" / "exp.yaml", more)
    first = ffnn_run("experiments/exp.yaml", "--seeds=1", "--workers=2", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    folder = tmp_path / "runs" / "exp-digits"
    trials = sorted(path.parent for path in folder.glob("trials/*/*/summary.json"))
    assert len(trials) == 4
    best: dict[str, float] = {}
    for path in trials:
        best[path.parent.name.split("-")[2]] = max(
            best.get(path.parent.name.split("-")[2], 0.0),
            json.loads((path / "summary.json").read_text())["best/val/accuracy"],
        )
    told = json.loads((folder / "comparison.json").read_text())
    assert {row["condition"]: row["best/val/accuracy mean"] for row in told["conditions"]} == best
    again = ffnn_run("experiments/exp.yaml", "--seeds=1", "--workers=2", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert sorted(path.parent for path in folder.glob("trials/*/*/summary.json")) == trials
    assert (folder / "comparison.json").read_text() == json.dumps(told, indent=2, ensure_ascii=False) + "\n"
