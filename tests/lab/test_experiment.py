"""Experiments: every file in `experiments/` runs, its table is right, and nothing is trained twice."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffnn.errors import FFNNError
from ffnn.lab.experiment import Job, Once, compare, plan_jobs, read_experiment, run_experiment, write_csv
from ffnn.lab.present import present_experiment

FILES = sorted((Path(__file__).parent.parent.parent / "experiments").glob("exp*.yaml"))
TINY = {"dataset": "digits", "epochs": 1, "batch_size": 1000, "hidden_layers": [8], "wandb": "disabled"}


def small(tmp_path: Path, seeds: int = 2, **settings: Any) -> list[Job]:
    experiment = read_experiment(next(file for file in FILES if file.stem == "exp3-optimizers"))
    return plan_jobs(experiment, "exp3", {**TINY, "runs_dir": str(tmp_path), **settings}, seeds)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_experiment_file_takes_two_steps(file: Path, tmp_path: Path) -> None:
    experiment = read_experiment(file)
    assert experiment.question.endswith("?")
    jobs = plan_jobs(experiment, file.stem, {**TINY, "runs_dir": str(tmp_path)}, 1)
    records = run_experiment(jobs, 1, lambda line: None)
    assert set(records) == set(experiment.conditions)
    for runs in records.values():
        (record,) = runs
        assert record.summary["steps"] == 2
        assert record.summary["status"] == "finished"


def test_the_table_is_the_mean_over_seeds(tmp_path: Path) -> None:
    jobs = small(tmp_path, seeds=3)
    records = run_experiment(jobs, 1, lambda line: None)
    accuracies = [run.summary["test/accuracy"] for run in records["adam"]]
    assert [run.config["seed"] for run in records["adam"]] == [0, 1, 2]
    assert compare(records)["adam"]["test/accuracy"].mean == pytest.approx(np.mean(accuracies))
    write_csv(records, tmp_path / "runs.csv")
    with (tmp_path / "runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    assert sorted(float(row["test/accuracy"]) for row in rows if row["condition"] == "adam") == sorted(accuracies)


def test_finished_runs_are_not_run_again_and_other_settings_are(tmp_path: Path) -> None:
    said: list[str] = []
    first = run_experiment(small(tmp_path), 1, lambda line: None)
    again = run_experiment(small(tmp_path), 1, said.append)
    assert [run.path for runs in again.values() for run in runs] == [
        run.path for runs in first.values() for run in runs
    ]
    assert said == ["8 of 8 runs are already there, with the same settings, code and data: not run again"]
    said.clear()
    more = run_experiment(small(tmp_path, seeds=3), 1, said.append)
    assert len({run.path for runs in more.values() for run in runs}) == 12
    assert sum(line.startswith("[") for line in said) == 4
    other = run_experiment(small(tmp_path, learning_rate=0.002), 1, lambda line: None)
    assert not {run.path for runs in other.values() for run in runs} & {r.path for runs in first.values() for r in runs}


def test_fresh_runs_everything_again(tmp_path: Path) -> None:
    jobs = small(tmp_path, seeds=1)[:1]
    (first,) = run_experiment(jobs, 1, lambda line: None)["sgd"]
    (again,) = run_experiment(jobs, 1, lambda line: None, fresh=True)["sgd"]
    assert again.path != first.path


def test_runs_on_other_data_are_not_taken_for_ours(tmp_path: Path) -> None:
    jobs = small(tmp_path, seeds=1)[:1]
    (first,) = run_experiment(jobs, 1, lambda line: None)["sgd"]
    environment = first.path / "environment.json"
    environment.write_text(environment.read_text().replace(first.environment["data"]["digest"], "0" * 64))
    (again,) = run_experiment(jobs, 1, lambda line: None)["sgd"]
    assert again.path != first.path


@pytest.mark.parametrize("workers", [1, 2])
def test_a_condition_that_fails_costs_only_itself(tmp_path: Path, workers: int) -> None:
    jobs = small(tmp_path, seeds=1)
    broken = jobs[0].config.model_copy(update={"class_weights": [1.0]})
    said: list[str] = []
    records = run_experiment([Job("sgd", broken), *jobs[1:]], workers, said.append)
    assert [len(runs) for runs in records.values()] == [0, 1, 1, 1]
    assert sum("failed: class_weights needs" in line for line in said) == 1


def test_data_that_cannot_be_had_are_told_once_and_nothing_is_begun(tmp_path: Path) -> None:
    jobs = small(tmp_path, dataset={"name": "npz", "path": str(tmp_path / "absent.npz")})
    said: list[str] = []
    with pytest.raises(FFNNError, match=r"absent\.npz"):
        run_experiment(jobs, 1, said.append)
    assert said == []
    assert not list(tmp_path.iterdir())


def test_an_experiment_whose_runs_all_fail_ends_in_one_line(tmp_path: Path) -> None:
    jobs = small(tmp_path, seeds=1, class_weights=[1.0])
    with pytest.raises(FFNNError, match="all 4 runs failed"):
        run_experiment(jobs, 1, lambda line: None)


@pytest.mark.parametrize("place", ["base", "conditions", "overrides"])
def test_a_seed_of_its_own_is_refused(tmp_path: Path, place: str) -> None:
    experiment = read_experiment(FILES[0])
    if place == "overrides":
        with pytest.raises(FFNNError, match="--seeds=N"):
            plan_jobs(experiment, "e", {"seed": 3})
        return
    update = {"base": {"seed": 3}} if place == "base" else {"conditions": {"a": {"seed": 3}}}
    with pytest.raises(FFNNError, match="--seeds=N"):
        plan_jobs(experiment.model_copy(update=update), "e", {})


def test_an_interrupted_run_is_run_again(tmp_path: Path) -> None:
    jobs = small(tmp_path, seeds=1)[:1]
    (first,) = run_experiment(jobs, 1, lambda line: None)["sgd"]
    summary = first.path / "summary.json"
    summary.write_text(summary.read_text().replace('"finished"', '"running"'))
    (again,) = run_experiment(jobs, 1, lambda line: None)["sgd"]
    assert again.path != first.path


def test_workers_find_what_one_process_finds(tmp_path: Path) -> None:
    alone = run_experiment(small(tmp_path / "a", seeds=1), 1, lambda line: None)
    together = run_experiment(small(tmp_path / "b", seeds=1), 2, lambda line: None)
    for condition, (record,) in alone.items():
        (other,) = together[condition]
        assert other.history[0]["train/loss"] == pytest.approx(record.history[0]["train/loss"], rel=1e-5)


def test_the_printed_table_names_runs_figure_and_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jobs = small(tmp_path)
    experiment = read_experiment(FILES[0])
    present_experiment(experiment, jobs[0].config, run_experiment(jobs, 1, lambda line: None))
    printed = capsys.readouterr().out
    folder = tmp_path / "exp3-digits"
    for expected in ("sgd", "momentum", "rmsprop", "adam", "±", str(folder / "runs.csv"), str(folder / "curves.png")):
        assert expected in printed
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("question: what?", "expected: expected a value; received nothing"),
        ("question: [", "expected"),
        ("- a list", "the file"),
        ("question: q?\nexpected: e\nbase: {}\nconditions: {a: 3}", "conditions.a"),
        ("question: q?\nexpected: no\nbase: {}\nconditions: {a: {}}", "expected: expected text"),
        ("question: q?\nexpected: e\nbase: {}\nconditions: {}", "at least one condition"),
        ("question: q?\nexpected: e\nbase: {}\nconditions: {a: {}}\nseds: 3", "seds"),
    ],
)
def test_a_malformed_file_is_one_line(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "exp.yaml"
    path.write_text(text)
    with pytest.raises(FFNNError) as caught:
        read_experiment(path)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "exp.yaml" in str(caught.value)


def test_lines_that_differ_only_in_their_folder_are_said_once() -> None:
    said: list[str] = []
    once = Once(said.append)
    for line in ("W&B: offline; see a", "W&B: offline; see b", "W&B: gone; see a"):
        once(line)
    assert said == ["W&B: offline; see a", "W&B: gone; see a"]
