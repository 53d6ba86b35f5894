"""Experiments: every file in `experiments/` runs, its runs are pairs, and nothing is trained twice."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from experiment.reading import read_experiment

from ffnn.errors import FFNNError
from ffnn.experiment.comparison import compare
from ffnn.experiment.file import Experiment, plan_jobs
from ffnn.experiment.runs import run_experiment
from ffnn.lab.build import build
from ffnn.lab.config import make_config
from ffnn.lab.jobs import Job, Once
from ffnn.tracking import load_yaml
from ffnn.tracking.environment import recorded_command

PROJECT = Path(__file__).parents[2]
FILES = sorted((PROJECT / "experiments").glob("exp*.yaml"))
TUNING = sorted((PROJECT / "experiments" / "tuning").glob("*.yaml"))
STEPS = {"dataset": "digits", "epochs": 1, "batch_size": 1000, "wandb": "disabled"}
TINY = {**STEPS, "hidden_layers": [8]}
FOUR = ["sgd", "momentum", "rmsprop", "adam"]


def four_optimizers() -> Experiment:
    conditions = {name: {"optimizer": name, "learning_rate": 0.01} for name in FOUR}
    return Experiment(question="Which?", expected="Adam.", base={}, conditions=conditions)


def small(tmp_path: Path, seeds: int = 2, **settings: Any) -> list[Job]:
    return plan_jobs(four_optimizers(), "exp3", {**TINY, "runs_dir": str(tmp_path), **settings}, seeds)


@pytest.mark.parametrize("file", [*FILES, *TUNING], ids=lambda file: file.stem)
def test_every_experiment_file_is_a_question_with_an_answer_to_test(file: Path) -> None:
    experiment = read_experiment(file)
    assert experiment.question.endswith("?")
    if file in FILES:
        assert experiment.seeds == 5
        assert len(experiment.claims()) >= 2
    for dataset in ("digits", "cifar10"):
        there = read_experiment(file, {"dataset": dataset})
        assert plan_jobs(there, "e", {"dataset": dataset}, 1)


@pytest.mark.parametrize(
    "file",
    [pytest.param(file, marks=pytest.mark.slow, id=file.stem) if number else file for number, file in enumerate(FILES)],
    ids=lambda file: file.stem,
)
def test_every_experiment_file_takes_two_steps(file: Path, tmp_path: Path) -> None:
    experiment = read_experiment(file, STEPS)
    jobs = plan_jobs(experiment, file.stem, {**STEPS, "runs_dir": str(tmp_path)}, 1)
    records = run_experiment(jobs, 1, lambda line: None)
    assert set(records) == set(experiment.all_conditions())
    for runs in records.values():
        (record,) = runs
        assert record.summary["steps"] == 2
        assert record.summary["status"] == "finished"
    comparison = compare(experiment, records)
    assert {one.verdict for one in comparison.judged} == {"undecided"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_sweep_and_experiment_cover_the_same_values(file: Path) -> None:
    """A rate of an experiment was tuned over the sweep's rates; of everything else, all values occur in both."""
    experiment = read_experiment(file)
    if not experiment.sweep:
        return
    parameters = load_yaml(PROJECT / experiment.sweep)["parameters"]
    for name, spec in parameters.items():
        tried = [s[name] for s in experiment.all_conditions().values() if name in s]
        if "values" not in spec or not tried:
            continue
        assert [value for value in tried if value not in spec["values"]] == [], name
        if name != "learning_rate":
            assert [value for value in spec["values"] if value not in tried] == [], name


def test_runs_of_a_seed_are_pairs(tmp_path: Path) -> None:
    """Another optimizer, activation or last layer leaves the split, the shared draws and the order of images alone."""
    settings = {"dataset": "digits", "hidden_layers": [16, 8], "batch_size": 100}
    changes = [{"optimizer": "sgd"}, {"activation": "tanh"}, {"dropout": 0.3}, {"hidden_layers": [16, 12]}]
    one, *others = (build(make_config({**settings, **change, "seed": 3})) for change in ({}, *changes))
    draws = {parameter.name: np.array(parameter.value) for parameter in one.objective.network.parameters}
    for change, other in zip(changes, others, strict=True):
        assert other.split.digest == one.split.digest
        shared = 0
        for parameter in other.objective.network.parameters:
            if parameter.value.shape == draws[parameter.name].shape:
                assert np.array_equal(parameter.value, draws[parameter.name])
                shared += 1
        assert shared >= (len(draws) if "hidden_layers" not in change else 2)
        for (_, mine), (_, theirs) in zip(one.train.epoch(1), other.train.epoch(1), strict=True):
            assert np.array_equal(mine, theirs)
    another = build(make_config({**settings, "seed": 4}))
    first = next(iter(another.objective.network.parameters))
    assert not np.array_equal(first.value, draws[first.name])


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_in_every_experiment_runs_of_a_seed_are_pairs(file: Path) -> None:
    """One split for all; one order of images a seed; one first draw a seed wherever shape and rule are the same."""
    settings = {"dataset": "digits", "engine": "numpy", "threads": 1}
    jobs = plan_jobs(read_experiment(file, settings), file.stem, settings, 2)
    built = [(job.config, build(job.config)) for job in jobs]
    assert len({parts.split.digest for _, parts in built}) == 1
    orders: dict[int, set[bytes]] = {0: set(), 1: set()}
    draws: dict[int, dict[Any, set[bytes]]] = {0: {}, 1: {}}
    for config, parts in built:
        labels = np.concatenate([labels for _, labels in parts.train.epoch(1)])
        orders[config.seed].add(labels.tobytes())
        for parameter in parts.objective.network.parameters:
            if "bias" not in parameter.name and parameter.value.ndim == 2:
                rule = (str(config.initializer), parameter.name, parameter.value.shape)
                draws[config.seed].setdefault(rule, set()).add(np.array(parameter.value).tobytes())
    assert [len(orders[0]), len(orders[1]), len(orders[0] | orders[1])] == [1, 1, 2]
    assert draws[0]
    for rule, values in draws[0].items():
        assert len(values) == 1, rule
        assert (values == draws[1][rule]) == ("zeros" in rule[0]), rule


def test_a_grid_is_every_combination_named_by_its_levels() -> None:
    experiment = Experiment(
        question="?", expected="!", base={}, conditions={"alone": {"epochs": 3}},
        grid={"depth": {"d1": {"num_layers": 1}, "d2": {"num_layers": 2}}, "rate": {"r1": {"learning_rate": 0.1}}},
    )  # fmt: skip
    assert experiment.all_conditions() == {
        "alone": {"epochs": 3},
        "d1-r1": {"num_layers": 1, "learning_rate": 0.1},
        "d2-r1": {"num_layers": 2, "learning_rate": 0.1},
    }


def test_another_data_set_changes_what_the_file_says_and_no_other_does(tmp_path: Path) -> None:
    path = tmp_path / "exp.yaml"
    path.write_text(
        "question: q?\nexpected: 85 %\nbase: {dataset: fashion_mnist, epochs: 3}\nconditions: {a: {}, b: {epochs: 2}}\n"
        "compare: {claims: [a > 0.85]}\n"
        "datasets: {cifar10: {expected: 50 %, claims: [a > 0.5], base: {epochs: 9}, conditions: {b: {l2: 0.1}}}}\n"
    )
    there = read_experiment(path, {"dataset": "cifar10"})
    assert (there.expected, there.compare.claims, there.base["epochs"]) == ("50 %", ["a > 0.5"], 9)
    assert there.all_conditions() == {"a": {}, "b": {"epochs": 2, "l2": 0.1}}
    for other in ({}, {"dataset": "digits"}):
        assert read_experiment(path, other).compare.claims == ["a > 0.85"]


def test_conditions_that_come_to_the_same_settings_share_their_runs(tmp_path: Path) -> None:
    experiment = Experiment(question="?", expected="!", base={}, conditions={"a": {}, "b": {"optimizer": "adam"}})
    said: list[str] = []
    records = run_experiment(plan_jobs(experiment, "e", {**TINY, "runs_dir": str(tmp_path)}, 1), 1, said.append)
    assert records["a"][0].path == records["b"][0].path
    assert [line.partition(":")[0] for line in said if line.startswith("[")] == ["[1/1] a, seed 0"]


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
    assert [line.split()[0] for line in said if line.startswith("[")] == ["[9/12]", "[10/12]", "[11/12]", "[12/12]"]
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


@pytest.mark.slow
def test_a_condition_that_fails_costs_only_itself_and_workers_find_what_one_process_finds(tmp_path: Path) -> None:
    found = []
    for workers in (1, 2):
        jobs = small(tmp_path / str(workers), seeds=1)
        broken = jobs[0].config.model_copy(update={"class_weights": [1.0]})
        said: list[str] = []
        records = run_experiment([Job("sgd", broken), *jobs[1:]], workers, said.append)
        assert [len(runs) for runs in records.values()] == [0, 1, 1, 1]
        assert sum("failed: class_weights needs" in line for line in said) == 1
        found.append([runs[0].history[0]["train/loss"] for runs in records.values() if runs])
        commands = {run.environment["command"] for runs in records.values() for run in runs}
        assert commands == {recorded_command(sys.orig_argv)}  # what was typed, whichever process trains
    assert found[1] == pytest.approx(found[0], rel=1e-5)


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


def test_an_interrupted_run_is_run_again(tmp_path: Path) -> None:
    jobs = small(tmp_path, seeds=1)[:1]
    (first,) = run_experiment(jobs, 1, lambda line: None)["sgd"]
    summary = first.path / "summary.json"
    summary.write_text(summary.read_text().replace('"finished"', '"running"'))
    (again,) = run_experiment(jobs, 1, lambda line: None)["sgd"]
    assert again.path != first.path


def test_lines_that_differ_only_in_their_folder_are_said_once() -> None:
    said: list[str] = []
    once = Once(said.append)
    for line in ("W&B: offline; see a", "W&B: offline; see b", "W&B: gone; see a"):
        once(line)
    assert said == ["W&B: offline; see a", "W&B: gone; see a"]
