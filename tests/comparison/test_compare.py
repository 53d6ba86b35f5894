"""`ffnn compare` on run directories: who is grouped with whom, and the same figures as SciPy finds."""

import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import special, stats

from ffnn.commands.compare import compare
from ffnn.comparison.by_settings import compare_settings, group_runs, mean_curve, varied
from ffnn.comparison.groups import Group
from ffnn.comparison.measures import curve_name, find_measure
from ffnn.comparison.settings import Condition, differing, select, setting
from ffnn.comparison.statistics import detectable
from ffnn.errors import FFNNError
from ffnn.lab.config import make_config
from ffnn.tracking import RunDirectory, RunRecord, read_run

OPTIMIZERS: dict[str, Any] = {"sgd": "sgd", "adam": "adam", "adam(beta1=0.5)": {"name": "adam", "beta1": 0.5}}
MEANS = {"sgd": 0.90, "adam": 0.95, "adam(beta1=0.5)": 0.93}
SEEDS, RATES = range(4), (0.01, 0.001)


def leave_run(
    folder: Path, accuracy: float, status: str = "finished", figures: Mapping[str, float] | None = None, **settings: Any
) -> RunRecord:
    """A run directory as training leaves it, with an accuracy and figures of our own."""
    config = make_config({"wandb": "disabled", "epochs": 3, **settings})
    directory = RunDirectory.create(folder, "group", "run")
    directory.write_environment({"data": {"counts": {"val": 1000, "test": 1000}, "classes": list("0123456789")}})
    directory.write_config(config.resolved())
    for epoch in (1, 2, 3):
        directory.append_history(
            {"epoch": epoch, "val/accuracy": accuracy * epoch / 3, "val/loss": 3 - epoch * accuracy, **(figures or {})}
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


def rows_of(runs: Sequence[RunRecord], by: str, **options: Any) -> dict[str, Group]:
    """The compared groups by name."""
    metric = options.pop("metric", "test/accuracy")
    return {row.name: row for row in compare_settings(runs, [by], metric, **options).groups}


def of_seeds(runs: Sequence[RunRecord], name: str) -> list[float]:
    """The mean over learning rates, seed by seed."""
    return [float(np.mean(accuracies(runs, optimizer=OPTIMIZERS[name], seed=seed))) for seed in SEEDS]


def test_pairs_agree_in_seed_and_in_what_else_is_varied(runs: list[RunRecord]) -> None:
    """Eight pairs, but four seeds: SciPy's paired t test of the means over rates, times Holm's factors."""
    assert varied(group_runs(runs[::-1], ["optimizer"]), ["optimizer"]) == ["seed", "learning_rate"]
    rows = rows_of(runs[::-1], "optimizer", against="sgd")
    plain = of_seeds(runs, "sgd")
    p = {name: stats.ttest_rel(of_seeds(runs, name), plain).pvalue for name in list(MEANS)[1:]}
    smaller, larger = sorted(p, key=lambda name: p[name])
    assert rows[smaller].p == pytest.approx(2 * p[smaller])
    assert rows[larger].p == pytest.approx(max(p[larger], 2 * p[smaller]))
    adam = rows["adam"]
    own = of_seeds(runs, "adam")
    interval = stats.t.interval(0.95, 3, np.mean(own), stats.sem(own))
    assert adam.mean.mean + adam.mean.half_width == pytest.approx(interval[1])
    assert adam.paired is not None
    assert (adam.paired.count, adam.paired.pairs.mean.count) == (8, 4)
    assert not adam.paired.partial
    assert adam.verdict == "better"
    assert rows["sgd"].verdict == "reference"


def test_runs_of_one_seed_have_a_spread_and_no_interval(tmp_path: Path) -> None:
    """Eight rates are no eight draws: there is no interval, however many runs there are, and no test."""
    accuracy = {"sgd": [0.1 * step for step in range(1, 9)], "adam": [0.1 + 0.1 * step for step in range(1, 9)]}
    runs = [
        leave_run(tmp_path, value, optimizer=name, learning_rate=10.0**-step, seed=0)
        for name, values in accuracy.items()
        for step, value in enumerate(values)
    ]
    rows = rows_of(runs, "optimizer", against="sgd")
    assert rows["adam"].spread == pytest.approx(np.std(accuracy["adam"], ddof=1))
    assert np.isnan(rows["adam"].mean.half_width)
    assert np.isnan(rows["adam"].p)
    assert rows["adam"].verdict == "undecided"
    output = CliRunner().invoke(compare, [str(tmp_path), "--by", "optimizer"]).output
    assert "55.00 spread 24.49" in output
    assert "±" not in output
    assert "standard deviation" in output


def test_seeds_with_different_settings_have_a_spread(tmp_path: Path) -> None:
    runs = [
        leave_run(tmp_path, value, seed=seed, learning_rate=rate)
        for seed, rate, value in ((0, 0.1, 0.5), (0, 0.01, 0.9), (1, 0.1, 0.5))
    ]
    (row,) = compare_settings(runs, [], "test/accuracy").groups
    assert np.isnan(row.mean.half_width)
    assert row.spread == pytest.approx(np.std([0.5, 0.9, 0.5], ddof=1))


def test_means_of_the_paired_runs_explain_a_difference_that_the_table_does_not(tmp_path: Path) -> None:
    """The group with the lower mean is the better one where both were run."""
    for name, rate, values in (
        ("adam", 0.01, (0.96, 0.97)), ("adam", 1.0, (0.20, 0.22)), ("sgd", 0.01, (0.90, 0.92)),
    ):  # fmt: skip
        for seed, value in enumerate(values):
            leave_run(tmp_path, value, optimizer=name, learning_rate=rate, seed=seed)
    output = CliRunner().invoke(compare, [str(tmp_path), "--by", "optimizer", "--against", "sgd"]).output
    (line,) = [line for line in output.splitlines() if line.startswith("adam ")]
    assert re.search(r"^adam +4 +58.75 ± \S+ +\+5.50 ± \S+ +2 ", line)
    assert "Some runs have no partner: over their 2 pairs (adam) has 96.50 and (sgd) 91.00." in output
    alike = CliRunner().invoke(compare, [str(tmp_path), "--by", "optimizer", "--where", "learning_rate=0.01"]).output
    assert "no partner" not in alike


def test_more_saturation_is_not_better(tmp_path: Path) -> None:
    for name, share in (("tanh", 0.95), ("sigmoid", 0.01)):
        for seed in range(3):
            figures = {"saturated_fraction/layer1": share + 0.001 * seed**2 * len(name)}
            leave_run(tmp_path, 0.9, activation=name, seed=seed, figures=figures)
    metric = ["--metric", "saturated_fraction/layer1", "--by", "activation"]
    output = CliRunner().invoke(compare, [str(tmp_path), *metric, "--against", "sigmoid"]).output
    (line,) = [line for line in output.splitlines() if line.startswith("tanh ")]
    assert " worse " in line
    assert "better" not in output


def test_losses_are_equal_within_a_given_margin_only(tmp_path: Path) -> None:
    """Losses of 0.001 and 0.002 are within 0.003, and one is twice the other."""
    for name, loss in (("sgd", 0.001), ("adam", 0.002)):
        for seed in range(5):
            noise = 1e-3 * (-1) ** seed * (name == "adam")
            leave_run(tmp_path, 0.9, optimizer=name, seed=seed, figures={"val/loss": loss + noise})
    asked = [str(tmp_path), "--metric", "val/loss", "--by", "optimizer"]
    output = CliRunner().invoke(compare, asked).output
    assert "undecided" in output
    assert "equal" not in output
    given = CliRunner().invoke(compare, [*asked, "--margin", "0.003"]).output
    assert re.search(r" equal .*equal: within ±0.003\.", given, re.DOTALL)
    assert "equal: within ±0.3 points" in CliRunner().invoke(compare, [str(tmp_path), "--by", "optimizer"]).output


def test_guessing_is_said_where_a_run_counts_as_that(tmp_path: Path) -> None:
    leave_run(tmp_path, 0.9, optimizer="adam")
    diverged = leave_run(tmp_path, 0.5, status="diverged", optimizer="sgd")
    summary = {"status": "diverged", "diverged": True}
    (diverged.path / "summary.json").write_text(json.dumps(summary))
    output = CliRunner().invoke(compare, [str(tmp_path), "--by", "optimizer"]).output
    assert "10.00" in output
    assert "Counted as guessing, for what divergence kept from being measured: 1 run." in output
    (diverged.path / "summary.json").write_text(json.dumps({**summary, "test/accuracy": 0.25}))
    assert "guessing" not in CliRunner().invoke(compare, [str(tmp_path), "--by", "optimizer"]).output


def test_groups_come_best_first_and_are_compared_with_the_best_on_validation(runs: list[RunRecord]) -> None:
    for metric in ("test/accuracy", "test/loss"):
        rows = list(rows_of(runs, "optimizer", metric=metric).values())
        assert [row.name for row in rows] == ["adam", "adam(beta1=0.5)", "sgd"]
        assert next(row.name for row in rows if row.paired is None) == "adam"
        assert rows[-1].verdict == "worse"


def test_without_being_told_runs_are_grouped_by_what_differs_but_seeds(runs: list[RunRecord]) -> None:
    assert differing(runs) == ["optimizer", "learning_rate"]
    assert [len(members) for members in group_runs(runs, differing(runs)).values()] == [4] * 6


def test_a_run_made_twice_is_one_of_a_pair(tmp_path: Path) -> None:
    """A second run of the same settings tells nothing about another seed."""
    made = [leave_run(tmp_path, value, seed=seed, optimizer=name) for name, seed, value in (
        ("sgd", 0, 0.80), ("sgd", 0, 0.82), ("sgd", 1, 0.83), ("adam", 0, 0.90), ("adam", 1, 0.93),
    )]  # fmt: skip
    paired = rows_of(made, "optimizer", against="sgd")["adam"].paired
    assert paired is not None
    assert paired.pairs.differences == pytest.approx([0.09, 0.10])


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
        (["--where", "seed"], "expected NAME=VALUE, or !=, <, >, <=, >= in place of =; received 'seed'"),
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


def test_times_of_a_stack_are_compared_with_nothing(runs: list[RunRecord]) -> None:
    timed = {"time/train_seconds": 2.0, "time/epochs_seconds": 3.0}
    runs = [replace(run, summary={**run.summary, **timed}) for run in runs]
    stacked = [replace(run, summary={**run.summary, "stack": 3}) for run in runs]
    for name in ("time/train_seconds", "time/epochs_seconds", "log10/train_seconds"):
        of = find_measure(name, [runs[0], stacked[0]]).of
        assert math.isfinite(of(runs[0]))
        assert math.isnan(of(stacked[0]))
    with pytest.raises(FFNNError, match="time/train_seconds of runs that were trained as a stack"):
        find_measure("time/train_seconds", stacked)
    assert find_measure("test/accuracy", stacked).of(stacked[0]) == runs[0].summary["test/accuracy"]


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
    assert "differ in learning_rate." in result.output
    assert "paired by seed and those settings" in result.output


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


def test_a_file_of_a_run_is_read_once_and_an_interval_looked_up_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """10,000 runs take seconds; a quantile of Student's t takes as long as a run."""
    for rate in RATES:
        for seed in SEEDS:
            leave_run(tmp_path, 0.9 + seed / 100 + rate, seed=seed, learning_rate=rate)
    opened = Mock(wraps=io.open)
    monkeypatch.setattr(io, "open", opened)
    quantiles = Mock(wraps=special.stdtrit)
    monkeypatch.setattr(special, "stdtrit", quantiles)
    detectable.cache_clear()
    result = CliRunner().invoke(compare, [str(tmp_path)])
    assert result.exit_code == 0, result.output
    files = ("config.yaml", "history.jsonl", "summary.json", "environment.json")
    read = [Path(call.args[0]).name for call in opened.call_args_list if isinstance(call.args[0], Path)]
    assert [read.count(name) for name in files] == [len(RATES) * len(SEEDS)] * 4
    assert quantiles.call_count == 1
