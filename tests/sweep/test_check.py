"""`ffnn sweep --check`: every file of the project is sound, and what cannot work is said with its line."""

import math
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sweep_files import COMMAND, METRIC, write_sweep

from ffnn.commands.sweep import sweep
from ffnn.errors import FFNNError
from ffnn.lab import config, values
from ffnn.sweep import command as sweep_command
from ffnn.sweep.explain import explain
from ffnn.sweep.plan import make_plan
from ffnn.sweep.schema import read_sweep
from ffnn.sweep.session import make_sampler

FILES = sorted((Path(__file__).parents[2] / "sweeps").glob("*.yaml"))


def check(file: Path, **settings: Any) -> tuple[str, str]:
    plan = make_plan(read_sweep(file), settings, None, None, {})
    lines, problems = explain(plan, make_sampler(plan))
    return "\n".join(lines), "\n".join(problems)


def test_all_sweeps_of_the_project_are_here() -> None:
    assert {file.stem for file in FILES} == {
        "activations", "optimizers", "l2", "architecture", "init", "lr_bayes", "search_bayes", "search_random",
    }  # fmt: skip


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_of_the_project_has_no_problem(file: Path) -> None:
    said, problems = check(file)
    assert problems == ""
    assert f"W&B group {file.stem}" in said
    assert read_sweep(file).file.project == "ffnn"


def test_the_command_prints_it_and_starts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(sweep, [str(FILES[0]), "--check", "--dataset=digits"])
    assert result.exit_code == 0, result.output
    assert "8 trials: every combination, once" in result.output
    assert "dataset=digits" in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"run_cap": 3}, "3 trials of the grid's 4"),
        ({"method": "random", "run_cap": 7}, "7 trials, none twice"),
        ({"method": "random"}, "no end: add --count N"),
        ({"method": "bayes"}, "Bayesian search (Gaussian process)"),
        ({"metric": {**METRIC, "target": 0.9}}, "ends when a trial reaches 0.9"),
    ],
)
def test_what_will_happen(tmp_path: Path, keys: dict[str, Any], expected: str) -> None:
    if "Gaussian" in expected:
        pytest.importorskip("torch")
    file = write_sweep(tmp_path / "s.yaml", {"l2": {"values": [0, 0.1]}, "dropout": {"values": [0, 0.5]}}, **keys)
    assert expected in check(file)[0]


def test_when_hyperband_looks(tmp_path: Path) -> None:
    rule = {"type": "hyperband", "min_iter": 2, "eta": 3}
    file = write_sweep(tmp_path / "s.yaml", {"l2": {"values": [0, 1]}}, early_terminate=rule)
    assert "after epochs 2, 6 of 18" in check(file, epochs=18)[0]
    said, problems = check(file, epochs=2)
    assert "never looks" in said
    assert "looks first after epoch 2" in problems


@pytest.mark.parametrize(
    ("parameters", "keys", "expected"),
    [
        (
            {"activation": {"values": ["relu", "tahn"]}},
            {},
            ["s.yaml:25: parameters.activation.values.1: unknown", "did you mean 'tanh'"],
        ),
        ({"lerning_rate": {"values": [0.1]}}, {}, ["s.yaml:22: parameters.lerning_rate", "mean 'learning_rate'"]),
        ({"dropout": {"min": 0.0, "max": 2.0}}, {"method": "random"}, ["parameters.dropout", "less than 1"]),
        (
            {},
            {"metric": {"name": "val/acuracy"}},
            ["s.yaml:4: metric.name", "never logs", "did you mean 'val/accuracy'"],
        ),
        ({}, {"metric": {"name": "val/accuracy"}}, ["goal: maximize is what one wants"]),
        ({}, {"metric": {"name": "best/val/loss"}}, ["logged only with monitor: {value: val/loss}"]),
        (
            {"epochs": {"value": 9}},
            {"metric": {**METRIC, "name": "test/accuracy"}, "early_terminate": {"type": "hyperband", "min_iter": 3}},
            ["hyperband never sees it", "makes the test images part of training"],
        ),
        ({}, {"project": None}, ["W&B names the project after the folder"]),
    ],
)
def test_what_cannot_work(
    tmp_path: Path, parameters: dict[str, Any], keys: dict[str, Any], expected: list[str]
) -> None:
    file = write_sweep(tmp_path / "s.yaml", {"l2": {"values": [0, 1]}, **parameters}, **keys)
    problems = check(file)[1]
    for part in expected:
        assert part in problems, problems


def test_a_number_that_wandb_would_read_as_text_is_named(tmp_path: Path) -> None:
    file = write_sweep(tmp_path / "s.yaml", {"l2": {"values": [0.25, 0.5]}})
    file.write_text(file.read_text().replace("0.25", "1e-4"))
    assert (
        "s.yaml:20: parameters.l2.values.0: W&B reads '1e-4' here (YAML 1.1), ffnn 0.0001; write it" in check(file)[1]
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- 1", "s.yaml: expected a sweep file"),
        ("method: grdi\nparameters: {a: {value: 1}}", "s.yaml:1: method: expected"),
        ("method: grdi\nparameters: {a: {value: 1}}", "did you mean 'grid'"),
        ("method: grid", "parameters: expected a value; received nothing"),
        ("parameters: {a: {value: 1}}", "method: expected one of grid, random, bayes; received nothing"),
        ("", "s.yaml: expected a sweep file with method, metric and parameters; received an empty file"),
        ("question: Why?\nconditions: {}", "received an experiment, which runs by: ffnn run"),
        (
            "method: bayes\nmetric: best/val/accuracy\nparameters: {a: {value: 1}}",
            "s.yaml:2: metric: expected names and values",
        ),
        (
            "method: grid\nparameters: {a: {value: 1}}\nearly_terminate: {type: hyperband, min_iter: 1}",
            "s.yaml:3: early",
        ),
        ("method: grid\nparameters:\n  a: {value: 1}\n  a: {value: 2}", "s.yaml:4: a is there twice (lines 3 and 4)"),
        ("method: grid\nparmeters: {}\nparameters: {a: {value: 1}}", "s.yaml:2: parmeters: unknown key"),
        ("method: bayes\nparameters: {a: {value: 1}}", "needs a metric"),
        ("method: grid\nmetric: {name: a, gaol: minimize}\nparameters: {a: {value: 1}}", "did you mean 'goal'"),
        ("method: grid\nscheduler: {engine: ax}\nparameters: {a: {value: 1}}", "s.yaml:2: scheduler: works with W&B's"),
        (
            "method: grid\nmetric: {name: a}\nparameters: {a: {value: 1}}\nearly_terminate: {type: hyperband}",
            "s.yaml:4: early_terminate: expected either min_iter",
        ),
        ("method: grid\nrun_cap: 0\nparameters: {a: {value: 1}}", "s.yaml:2: run_cap: expected a number of at least 1"),
        ("method: [", "s.yaml"),
    ],
)
def test_a_malformed_file_is_one_line_with_its_place(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(FFNNError) as caught:
        read_sweep(path)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_each_wrong_value_of_two_lists_is_named_at_its_own_line(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "project: ffnn\nmethod: grid\nparameters:\n  dataset: {value: digits}\n  activation:\n    values:\n"
        "      - relu\n      - tahn\n  dropout:\n    values: [0.5,\n      1.5]\n"
    )
    lines = check(path)[1].splitlines()
    assert [line.partition(": ")[0].rpartition("/")[2] for line in lines] == ["s.yaml:8", "s.yaml:11"], lines
    assert "did you mean 'tanh'" in lines[0]
    assert "dropout.values.1: expected a number less than 1" in lines[1]


@pytest.mark.parametrize("options", [["--check"], []])
def test_a_group_that_no_folder_can_have_is_refused_before_it_is_made(
    tmp_path: Path, options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = write_sweep(tmp_path / "s.yaml", {"group": {"value": "a/b"}})
    result = CliRunner().invoke(sweep, [str(file), *options])
    assert "group: expected a name of 1 to 200 bytes" in str(result.exception)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("012", "W&B reads 10 here (YAML 1.1), ffnn 12"),
        ("1e2", "W&B reads '1e2' here (YAML 1.1), ffnn 100.0"),
        ("2024-13-45", "W&B cannot read a value in this file (YAML 1.1): month must be in 1..12"),
        ("12", ""),
        (".inf", ""),
    ],
)
def test_a_value_that_wandb_reads_otherwise_is_named(tmp_path: Path, value: str, told: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "project: ffnn\nmethod: grid\nmetric: {name: best/val/accuracy, goal: maximize}\nparameters:\n"
        f"  seed: {{values: [1, 2]}}\n  job_type:\n    value: {{a: [{value}]}}\n"
    )
    problems = [line for line in check(path)[1].splitlines() if "W&B" in line]
    assert len(problems) == bool(told)
    assert told in "".join(problems)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"distribution": "log_uniform", "min": 1e-5, "max": 0.1},
         "draws from 1.00001 to 1.105171; for a range from 1e-05 to 0.1 write distribution: log_uniform_values"),
        ({"distribution": "inv_log_uniform", "min": 0.001, "max": 0.5}, "write distribution: inv_log_uniform_values"),
        ({"distribution": "log_uniform", "min": math.log(1e-5), "max": math.log(0.1)}, ""),
        ({"distribution": "log_uniform_values", "min": 1e-5, "max": 0.1}, ""),
    ],
)  # fmt: skip
def test_bounds_that_were_taken_for_logarithms_are_named(tmp_path: Path, spec: dict[str, Any], expected: str) -> None:
    path = write_sweep(tmp_path / "s.yaml", {"learning_rate": spec}, method="random", run_cap=1)
    problems = check(path)[1]
    assert (expected in problems) if expected else (problems == "")
    assert ("s.yaml:18: parameters.learning_rate: min and max" in problems) == bool(expected)


@pytest.mark.parametrize(("name", "bounds", "wrong"), [("batch_size", (3, 6), False), ("batch_size", (16, 512), True)])
def test_plausible_logarithms_are_kept(tmp_path: Path, name: str, bounds: tuple[int, int], wrong: bool) -> None:
    spec = {"distribution": "q_log_uniform", "min": bounds[0], "max": bounds[1]}
    path = write_sweep(tmp_path / "s.yaml", {name: spec}, method="random", run_cap=1)
    assert ("q_log_uniform_values" in check(path)[1]) == wrong


def test_an_experiment_and_a_sweep_name_each_others_command(repository: Path) -> None:
    from ffnn.cli import commands

    for wrong, right, name in ("run", "sweep", "sweeps/l2.yaml"), ("sweep", "run", "experiments/exp1-baseline.yaml"):
        path = str(repository / name)
        result = CliRunner().invoke(commands, [wrong, path])
        assert result.exit_code != 0
        assert f"runs by: ffnn {right} {path}" in f"{result.output} {result.exception}"


def test_one_trial_is_not_some_trials(tmp_path: Path) -> None:
    path = write_sweep(tmp_path / "s.yaml", {"l2": {"min": 0.0, "max": 1.0}}, method="random", run_cap=1)
    assert "  1 trial, none twice" in check(path)[0]


def test_a_check_tries_each_value_once_and_reads_no_file_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """50,000 values take seconds: one validation each, and an argument that they have in common is read once."""
    tried, read, parsed = [], [], []
    create, load, parse = config.SCHEDULES.create, sweep_command.load_yaml, values.ast.parse
    monkeypatch.setattr(config.SCHEDULES, "create", lambda *given, **more: (tried.append(1), create(*given, **more))[1])
    monkeypatch.setattr(sweep_command, "load_yaml", lambda path: (read.append(path), load(path))[1])
    monkeypatch.setattr(values.ast, "parse", lambda *given, **more: (parsed.append(1), parse(*given, **more))[1])
    (tmp_path / "base.yaml").write_text("batch_size: 100\n")
    base = f"--config={tmp_path / 'base.yaml'}"
    rates = [(number + 1) / 977 for number in range(100)]
    file = write_sweep(
        tmp_path / "s.yaml", {"learning_rate": {"values": rates}}, command=[*COMMAND[:-1], base, "${args}"]
    )
    assert check(file)[1] == ""
    assert 100 <= len(tried) <= 110
    assert len(read) == 1
    assert 100 <= len(parsed) <= 120
