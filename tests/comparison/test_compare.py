"""`ffnn compare` on run directories: who is grouped with whom, and the same figures as SciPy finds."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

from ffnn.comparison.cli import compare
from ffnn.comparison.groups import compare_groups, curve_name, find_measure, group_runs, mean_curve, varied
from ffnn.comparison.settings import Condition, differing, select, setting
from ffnn.errors import FFNNError
from ffnn.lab.config import make_config
from ffnn.tracking import RunDirectory, RunRecord, read_run

OPTIMIZERS: dict[str, Any] = {"sgd": "sgd", "adam": "adam", "adam(beta1=0.5)": {"name": "adam", "beta1": 0.5}}
MEANS = {"sgd": 0.90, "adam": 0.95, "adam(beta1=0.5)": 0.93}
SEEDS, RATES = range(4), (0.01, 0.001)


def leave_run(folder: Path, accuracy: float, status: str = "finished", **settings: Any) -> RunRecord:
    """A run directory as training leaves it, with an accuracy of our own."""
    config = make_config({"wandb": "disabled", "epochs": 3, **settings})
    directory = RunDirectory.create(folder, "group", "run")
    directory.write_environment({"data": {"counts": {"val": 1000, "test": 1000}, "classes": list("0123456789")}})
    directory.write_config(config.resolved())
    for epoch in (1, 2, 3):
        directory.append_history(
            {"epoch": epoch, "val/accuracy": accuracy * epoch / 3, "val/loss": 3 - epoch * accuracy}
        )
    directory.write_summary(
        {"status": status, "test/accuracy": accuracy, "best/val/accuracy": accuracy, "test/loss": 1 - accuracy}
    )
    return read_run(directory.path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the runs below are."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def runs(folder: Path) -> list[RunRecord]:
    rng = np.random.default_rng(0)
    return [
        leave_run(folder, MEANS[name] + 0.01 * rng.standard_normal(), optimizer=spec, seed=seed, learning_rate=rate)
        for name, spec in OPTIMIZERS.items()
        for seed in SEEDS
        for rate in RATES
    ]


def accuracies(runs: Sequence[RunRecord], **wanted: Any) -> list[float]:
    return [
        run.summary["test/accuracy"] for run in runs if all(run.config[name] == value for name, value in wanted.items())
    ]


def test_pairs_agree_in_seed_and_in_what_else_is_varied(runs: list[RunRecord]) -> None:
    """Eight pairs of seed and rate, in whatever order the runs come: SciPy's paired t test, times Holm's factors."""
    groups = group_runs(runs[::-1], ["optimizer"])
    assert varied(groups, ["optimizer"]) == ["seed", "learning_rate"]
    rows = {row.name: row for row in compare_groups(groups, ["optimizer"], "test/accuracy", "sgd", 0.003)}
    plain = accuracies(runs, optimizer="sgd")
    p = {name: stats.ttest_rel(accuracies(runs, optimizer=OPTIMIZERS[name]), plain).pvalue for name in list(MEANS)[1:]}
    smaller, larger = sorted(p, key=lambda name: p[name])
    assert rows[smaller].p == pytest.approx(2 * p[smaller])
    assert rows[larger].p == pytest.approx(max(p[larger], 2 * p[smaller]))
    adam = rows["adam"]
    interval = stats.t.interval(
        0.95, 7, np.mean(accuracies(runs, optimizer="adam")), stats.sem(accuracies(runs, optimizer="adam"))
    )
    assert adam.mean.mean + adam.mean.half_width == pytest.approx(interval[1])
    assert adam.pairs is not None
    assert adam.pairs.mean.count == 8
    assert adam.verdict == "better"
    assert rows["sgd"].verdict == "reference"


def test_groups_come_best_first_and_are_compared_with_the_best_on_validation(runs: list[RunRecord]) -> None:
    for metric in ("test/accuracy", "test/loss"):
        rows = compare_groups(group_runs(runs, ["optimizer"]), ["optimizer"], metric, None, 0.003)
        assert [row.name for row in rows] == ["adam", "adam(beta1=0.5)", "sgd"]
        assert next(row.name for row in rows if row.pairs is None) == "adam"
        assert rows[-1].verdict == "worse"


def test_without_being_told_runs_are_grouped_by_what_differs_but_seeds(runs: list[RunRecord]) -> None:
    assert differing(runs) == ["optimizer", "learning_rate"]
    assert [len(members) for members in group_runs(runs, differing(runs)).values()] == [4] * 6


def test_a_run_made_twice_is_one_of_a_pair(tmp_path: Path) -> None:
    """A second run of the same settings tells nothing about another seed."""
    made = [leave_run(tmp_path, value, seed=seed, optimizer=name) for name, seed, value in (
        ("sgd", 0, 0.80), ("sgd", 0, 0.82), ("sgd", 1, 0.83), ("adam", 0, 0.90), ("adam", 1, 0.93),
    )]  # fmt: skip
    rows = {row.name: row for row in compare_groups(group_runs(made, ["optimizer"]), ["optimizer"], "test/accuracy",
                                                     "sgd", 0.0)}  # fmt: skip
    assert rows["adam"].pairs is not None
    assert rows["adam"].pairs.differences == pytest.approx([0.09, 0.10])


@pytest.mark.parametrize(
    ("condition", "left"),
    [
        ("optimizer=adam", 16),
        ("optimizer!=adam", 8),
        ("optimizer.beta1=0.5", 8),
        ("learning_rate<0.01", 12),
        ("learning_rate<=0.01", 24),
        ("seed>1", 12),
        ("hidden_layers=[128, 64]", 24),
        ("status=finished", 24),
        ("test/accuracy>0", 24),
    ],
)
def test_conditions_choose_runs(condition: str, left: int, runs: list[RunRecord]) -> None:
    assert len(select(runs, [Condition.parse(condition)])) == left


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--by", "optimzer"], "did you mean 'optimizer'"),
        (["--metric", "test/acuracy"], "did you mean 'test/accuracy'"),
        (["--where", "learnin_rate=1"], "did you mean 'learning_rate'"),
        (["--where", "learning_rate=7"], "they have 0.001, 0.01"),
        (["--where", "seed<many"], "expected a number"),
        (["--by", "optimizer", "--against", "sdg"], "did you mean 'sgd'"),
    ],
)
def test_a_misspelt_word_is_answered_with_the_nearest(
    arguments: list[str], message: str, runs: list[RunRecord], folder: Path
) -> None:
    result = CliRunner().invoke(compare, [str(folder), *arguments])
    assert isinstance(result.exception, FFNNError)
    assert message in str(result.exception)


def test_a_folder_without_runs_is_said(tmp_path: Path) -> None:
    result = CliRunner().invoke(compare, [str(tmp_path)])
    assert isinstance(result.exception, FFNNError)
    assert "found none" in str(result.exception)


def test_a_metric_may_be_any_figure_of_summary_or_history(runs: list[RunRecord]) -> None:
    assert find_measure("test/accuracy", runs).of(runs[0]) == runs[0].summary["test/accuracy"]
    assert find_measure("val/loss", runs).of(runs[0]) == runs[0].history[-1]["val/loss"]
    assert find_measure("val/loss", runs).better == "smaller"
    assert curve_name("test/accuracy", runs) == "val/accuracy"
    assert curve_name("parameters", runs) is None
    curve = mean_curve(runs[:2], "val/loss")
    assert curve == pytest.approx(np.mean([[line["val/loss"] for line in run.history] for run in runs[:2]], axis=0))


def test_a_component_with_options_is_found_by_name_and_by_option(runs: list[RunRecord]) -> None:
    assert {setting(run, "optimizer.name") for run in runs} == {"sgd", "adam"}
    assert setting(runs[-1], "optimizer.beta1") == 0.5


def test_what_is_piped_is_plain_and_has_every_figure(runs: list[RunRecord], folder: Path) -> None:
    result = CliRunner().invoke(compare, [str(folder), "--by", "optimizer"])
    assert result.exit_code == 0
    assert "\x1b" not in result.output
    (line,) = [line for line in result.output.splitlines() if line.startswith("sgd ")]
    assert f"{100 * np.mean(accuracies(runs, optimizer='sgd')):.2f} ±" in line
    assert "worse" in line
    assert re.search("[▁▂▃▄▅▆▇█]{3}", line)
    assert "paired by seed and learning_rate" in result.output


def test_diverged_runs_are_named(tmp_path: Path) -> None:
    leave_run(tmp_path, 0.5, optimizer="sgd")
    leave_run(tmp_path, 0.5, status="stopped", optimizer="adam")
    result = CliRunner().invoke(compare, [str(tmp_path), "--by", "optimizer"])
    assert "adam (1 not finished)" in result.output
    assert "no interval and no test" in result.output


def test_it_fits_a_terminal_of_80_columns(runs: list[RunRecord], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")  # what makes rich believe in a terminal
    shown = CliRunner().invoke(compare, [str(folder), "--metric", "val/loss", "--by", "optimizer"]).output
    assert "\x1b" in shown
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines()
    assert max(map(len, lines)) <= 80
    assert sum("±" in line and "…" not in line for line in lines) >= 3
