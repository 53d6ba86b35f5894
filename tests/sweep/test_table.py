"""What a person sees while a sweep runs and when it has ended: nothing hidden, nothing cut without a word."""

import io
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console
from sweep_files import write_sweep

from ffnn.errors import FFNNError
from ffnn.sweep import session
from ffnn.sweep.analysis import in_numbers, leave_files, present
from ffnn.sweep.engine import Wish
from ffnn.sweep.live import Lines, Table
from ffnn.sweep.plan import Plan, make_plan
from ffnn.sweep.schema import read_sweep
from ffnn.sweep.trials import FINISHED, PRUNED, RUNNING, Trial

RATES = {"distribution": "log_uniform_values", "min": 1e-5, "max": 0.1}
HEIGHT = 24


def plan_for(folder: Path, method: str = "random", **parameters: Any) -> Plan:
    file = write_sweep(folder / "s.yaml", parameters or {"learning_rate": RATES}, method=method)
    return make_plan(read_sweep(file), {"runs_dir": str(folder / "runs")}, None, 99, {})


def trial(plan: Plan, number: int, status: str = FINISHED, rate: float = 0.01, best: float | None = None) -> Trial:
    latents = dict.fromkeys(plan.space.searched, rate)
    dimensions = {name: distribution.optuna() for name, distribution in plan.space.searched.items()}
    value = 0.5 + number / 1000 if best is None else best
    figures = {} if status == RUNNING else {"best": value, "latest": value}
    return Trial(
        f"key{number:05}", dict(latents), plan.space.arguments(latents), dimensions, status, seconds=1.5, id=number,
        **figures,
    )  # fmt: skip


def drawn(plan: Plan, trials: list[Trial], width: int = 80) -> list[str]:
    """The table on a terminal, as lines."""
    console = Console(file=io.StringIO(), width=width, height=HEIGHT, force_terminal=True, color_system=None)
    workers: list[Any] = [
        SimpleNamespace(trial=one, watch=SimpleNamespace(values=[0.25], epochs=3), epochs=9, seconds=2.0)
        for one in trials
        if one.status == RUNNING
    ]
    console.print(Table(plan, console).draw({one.key: one for one in trials}, workers))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def keys(lines: list[str]) -> list[int]:
    return [int(found[1]) for line in lines if (found := re.match(r"key(\d+)", line))]


def test_running_trials_come_first_then_the_best_then_the_latest(tmp_path: Path) -> None:
    plan = plan_for(tmp_path)
    trials = [trial(plan, number, best=0.9 if number == 3 else 0.5) for number in range(1, 10)]
    lines = drawn(plan, [*trials, trial(plan, 10, RUNNING), trial(plan, 11, RUNNING)])
    assert keys(lines) == [10, 11, 3, 9, 8, 7, 6, 5, 4, 2, 1]
    assert [line for line in lines if "more" in line] == []
    assert "9 of 99 trials" in lines[0]
    assert re.search(r"key00010 +running +3/9 +0.2500", "\n".join(lines))


@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize(("running", "finished"), [(2, 60), (40, 60), (1, 0)])
def test_the_table_fits_the_terminal_and_says_what_it_leaves_out(
    tmp_path: Path, width: int, running: int, finished: int
) -> None:
    names = dict.fromkeys(("learning_rate", "l2", "dropout", "label_smoothing", "weight_decay"), RATES)
    plan = plan_for(tmp_path, **names)
    trials = [
        *(trial(plan, number, PRUNED) for number in range(finished)),
        *(trial(plan, number, RUNNING) for number in range(100, 100 + running)),
    ]
    lines = drawn(plan, trials, width)
    assert len(lines) < HEIGHT
    assert max(map(len, lines)) <= width
    shown = keys(lines)
    hidden = {"running": running - sum(n >= 100 for n in shown), "finished": finished - sum(n < 100 for n in shown)}
    said = {what: int(found[1]) if (found := re.search(rf"(\d+) {what}", lines[-1])) else 0 for what in hidden}
    assert said == hidden
    assert len(shown) == len([line for line in lines if "key" in line and "best/val" not in line])


def test_each_trial_is_told_with_its_own_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = plan_for(tmp_path)
    for number in (2, 1):
        Lines(plan).tell(number, trial(plan, number))
    assert re.findall(r"^\[\d+/99\] key\d+", capsys.readouterr().err, re.M) == ["[2/99] key00002", "[1/99] key00001"]


def ended(plan: Plan, count: int, capsys: pytest.CaptureFixture[str], rate: float = 0.01) -> str:
    trials = [trial(plan, number, rate=rate * 0.99**number, best=0.5 - number / 1000) for number in range(count)]
    present({one.key: one for one in trials}, plan)
    return " ".join(capsys.readouterr().out.split())


def test_a_table_that_is_cut_says_so_and_importances_are_doubted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = plan_for(tmp_path)
    said = ended(plan, 12, capsys)
    assert "10 best of 12 with a result; all are in trials.csv" in said
    assert "a guess" not in said
    said = ended(plan, 4, capsys)
    assert "best of 4" not in said
    assert "(a guess from 4 trials; 10 or more would tell)" in said
    assert in_numbers({"a": trial(plan, 1)}).startswith("1 trial:")


def test_a_line_to_paste_names_the_group_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_sweep(tmp_path / "s.yaml", {"learning_rate": RATES}, method="random")
    plan = make_plan(read_sweep(file), {"runs_dir": str(tmp_path / "runs"), "group": "[lr]x"}, None, 99, {})
    said = ended(plan, 1, capsys)
    assert f"report: ffnn report '{plan.folder}'" in said
    assert f"train it: ffnn train --config '{plan.own_folder / 'best.yaml'}'" in said
    assert said.startswith("[lr]x: 1 trial")


@pytest.mark.slow
def test_a_best_value_at_the_end_of_its_range_is_said_and_left_for_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = plan_for(tmp_path)
    sentence = "best learning_rate 0.1 lies at the upper end of its range (1e-5 to 0.1): widen it"
    assert sentence in ended(plan, 4, capsys, rate=0.1)
    assert sentence in (plan.own_folder / "sweep.json").read_text()
    assert "widen it" not in ended(plan, 4, capsys, rate=0.05)
    assert "widen it" not in ended(plan, 2, capsys, rate=0.1)


@pytest.mark.parametrize(
    ("values", "best", "expected"),
    [
        ([0, 0.1, 0.2], "0.2", "best l2 0.2 is the largest of its values (0 to 0.2): try larger ones"),
        ([0, 0.1, 0.2], "0.1", ""),
        ([0, 0.1, 0.2], "0", ""),  # nothing is below 0
        ([0.1, 0.2], "0.2", ""),  # of two values each is an end
    ],
)
def test_a_grid_that_was_run_tells_of_the_ends_of_its_lists(
    tmp_path: Path, values: list[float], best: str, expected: str
) -> None:
    plan = plan_for(tmp_path, "grid", l2={"values": values})
    trials = {}
    for number, latent in enumerate(["0", "0.1", "0.2"][-len(values) :]):
        one = trial(plan, number, rate=latent, best=0.9 if latent == best else 0.5)  # type: ignore[arg-type]
        trials[one.key] = one
    leave_files(trials, plan, {})
    said = (plan.own_folder / "sweep.json").read_text()
    assert expected in said
    assert ("best l2" in said) == bool(expected)


def test_the_first_line_and_warnings_come_before_anything_that_takes_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(*_: object) -> None:
        raise FFNNError("takes long")

    monkeypatch.setattr(session, "load", load)
    spec = {"distribution": "log_uniform", "min": 0.00001, "max": 0.1}
    file = write_sweep(tmp_path / "s.yaml", {"learning_rate": spec}, method="random")
    wish = Wish(count=3, workers=2)
    plan, ledger = session.open_sweep(read_sweep(file), {"runs_dir": str(tmp_path / "runs")}, wish)
    with pytest.raises(FFNNError, match="takes long"):
        session.run_sweep(plan, ledger, wish, terminal=False)
    first, second, *_ = capsys.readouterr().err.splitlines()
    assert first.startswith("s: random search, 2 at a time")
    assert second.startswith("warning: ")
    assert "write distribution: log_uniform_values" in second
