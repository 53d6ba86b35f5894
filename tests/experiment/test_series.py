"""`ffnn run` with several files, and with experiments whose runs are searches: real processes, real folders."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from ffnn.cli import commands
from ffnn.errors import FFNNError
from ffnn.experiment import runs, series
from ffnn.experiment.check import check_files
from ffnn.lab import jobs as jobs_module
from ffnn.lab.command_line import parse_settings, split_words
from ffnn.lab.jobs import Job
from ffnn.report.make import make_report

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


def test_several_files_end_in_one_table_and_one_that_fails_costs_its_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ffnn.report.make.make_report", lambda folders, processes: folders[0] / "report.html")
    good = write(tmp_path / "one.yaml", "compare: {claims: [a > 1.5]}")
    bad = write(tmp_path / "two.yaml", base="{dataset: {name: npz, path: absent.npz}}")
    result = CliRunner().invoke(commands, ["run", good, bad, "--seeds=2", *SMALL])
    assert result.exit_code == 1
    printed = " ".join(result.stdout.split())
    table = printed.partition("2 experiments on digits, npz")[2]
    assert re.search(r"one It is\. .* contradicted .*two not run: .*none", table)
    assert "absent.npz" in result.stderr
    comparison = json.loads((tmp_path / "runs" / "one-digits" / "comparison.json").read_text())
    assert comparison["verdict"] == "contradicted"


class Series(NamedTuple):
    """What a series that ended early left on the screen, and how it ended."""

    out: str
    lines: list[str]
    ended: BaseException


@pytest.fixture
def broken_series(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[BaseException], Series]:
    """Three experiments, of which the second breaks off with an exception after the first of its four runs."""

    def broken(ending: BaseException) -> Series:
        def run_jobs(jobs: Sequence[Job], *arguments: Any) -> Iterator[Any]:
            yield jobs[0], next(iter(jobs_module.run_jobs(jobs[:1], *arguments)))[1]
            if jobs[0].config.group.startswith("two"):
                raise ending
            yield from jobs_module.run_jobs(jobs[1:], *arguments)

        monkeypatch.setattr(runs, "run_jobs", run_jobs)
        monkeypatch.setattr("ffnn.report.make.make_report", lambda folders: folders[0] / "report.html")
        files = [tmp_path / write(tmp_path / f"{name}.yaml") for name in ("one", "two", "three")]
        checked, _ = check_files(files, {**parse_settings(SMALL), "runs_dir": str(tmp_path / "runs")})
        with pytest.raises(type(ending)) as caught:
            series.run_series(checked, 1, False, make_report)
        told = capsys.readouterr()
        return Series(" ".join(told.out.split()), told.err.splitlines(), caught.value)

    return broken


def test_ctrl_c_leaves_a_table_of_what_there_is(broken_series: Callable[[BaseException], Series]) -> None:
    told = broken_series(KeyboardInterrupt())
    assert told.out.count("Is two so?") == 1  # of the second, what was finished is shown
    table = told.out.partition("3 experiments on digits")[2]
    assert re.search(r"one It is\..* two It is\..*\(1 of 4 runs\).* three not begun none", table)
    assert sum(line.startswith("[") for line in told.lines) == 5


def test_what_nobody_foresaw_leaves_the_table_too(broken_series: Callable[[BaseException], Series]) -> None:
    told = broken_series(RuntimeError("a fault of ffnn"))
    table = told.out.partition("3 experiments on digits")[2]
    assert re.search(r"one It is\..* two broke off none .*three not begun none", table)


def test_the_first_line_comes_before_anything_slow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_data(jobs: Sequence[Job]) -> dict[str, str]:
        raise FFNNError("no data")

    monkeypatch.setattr(runs, "data_digests", no_data)
    checked, _ = check_files([tmp_path / write(tmp_path / "one.yaml")], {"epochs": 1})
    with pytest.raises(FFNNError, match="no data"):
        series.run_series(checked, 1, False, make_report)
    assert capsys.readouterr().err == "one: 2 conditions, 2 seeds: 4 runs on digits, 1 epoch each\n"


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
