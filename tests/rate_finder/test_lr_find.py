"""The learning-rate range test: what it suggests trains well, again and again the same, whoever draws the curve."""

import csv
import json
import math
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from ffnn.commands.lr_find import lr_find
from ffnn.errors import FFNNError
from ffnn.lab.build import build, build_trainer
from ffnn.lab.command_line import parse_settings
from ffnn.lab.config import make_config
from ffnn.rate_finder import RangeTest, range_test, suggest
from ffnn.rate_finder.present import command_with
from ffnn.tracking import find_runs


def measure(**settings: Any) -> RangeTest:
    return range_test(make_config({"wandb": "disabled", **settings}), lambda line: None)


def loss_at(rate: float, optimizer: str) -> float:
    """The best validation loss of four epochs at a rate; infinity where it diverges."""
    config = make_config({"optimizer": optimizer, "learning_rate": rate, "epochs": 4})
    return min((record["val/loss"] for record in build_trainer(build(config), []).fit()), default=math.inf)


@pytest.mark.parametrize("optimizer", ["sgd", pytest.param("adam", marks=pytest.mark.slow)])
def test_the_suggestion_trains_nearly_as_well_as_the_best_of_a_grid(optimizer: str) -> None:
    test = measure(optimizer=optimizer)
    grid = {rate: loss_at(rate, optimizer) for rate in (1e-4, 1e-3, 0.01, 0.1, 0.3, 1.0)}
    # A tenth of what the worst rates that do not diverge lose: the grid spans four powers of ten.
    best, guessing = min(grid.values()), math.log(10)
    assert loss_at(suggest(test.rates, test.smoothed).steepest, optimizer) < best + 0.1 * (guessing - best)


def test_it_is_the_same_again() -> None:
    one, two = measure(optimizer="sgd", seed=3), measure(optimizer="sgd", seed=3)
    assert one.losses == two.losses
    assert one.losses != measure(optimizer="sgd", seed=4).losses


def test_rates_grow_by_the_same_factor_until_the_loss_blows_up() -> None:
    test = measure(optimizer="sgd")
    factors = np.array(test.rates[1:]) / np.array(test.rates[:-1])
    assert test.rates[0] == pytest.approx(1e-6)
    assert factors == pytest.approx(1e7 ** (1 / 199))
    assert test.stopped
    assert len(test.rates) < 200
    assert test.smoothed[-1] > 4 * min(test.smoothed) or "loss is" in test.stopped
    for step in (0, 5, 60):
        fading = 0.9 ** np.arange(step, -1, -1)
        assert test.smoothed[step] == pytest.approx(np.average(test.losses[: step + 1], weights=fading))


def test_a_suggestion_depends_on_the_shape_of_the_curve_alone() -> None:
    """Neither the loss's unit nor that of the rate moves it."""
    rates = np.geomspace(1e-6, 10, 200)
    losses = 2 - np.tanh(3 * (np.log10(rates) + 2)) + rates**2
    plain, scaled = suggest(rates, losses), suggest(1000 * rates, 7 * losses)
    assert plain.steepest == pytest.approx(0.01, rel=0.1)
    assert plain.minimum == pytest.approx(rates[np.argmin(losses)])
    assert plain.tenth == plain.minimum / 10
    assert scaled.steepest == pytest.approx(1000 * plain.steepest)
    assert scaled.minimum == pytest.approx(1000 * plain.minimum)


def test_settings_that_learn_at_no_rate_are_said() -> None:
    test = measure(initializer="zeros")
    with pytest.raises(FFNNError, match="never fell"):
        suggest(test.rates, test.smoothed)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (1.0, 0.1), (1e-3, math.inf)])
def test_a_range_that_is_none_is_refused(low: float, high: float) -> None:
    with pytest.raises(FFNNError, match="expected 0 < low < high"):
        range_test(make_config({}), lambda line: None, low, high)


def test_the_command_leaves_curve_figure_and_a_command_that_trains(tmp_path: Path) -> None:
    given = ["--optimizer=sgd", "--hidden_layers", "[16]", "--learning_rate=5", f"--runs_dir={tmp_path}"]
    result = CliRunner().invoke(lr_find, given)
    assert result.exit_code == 0, result.output
    (folder,) = (tmp_path / "lr-find").iterdir()
    assert {path.name for path in folder.iterdir()} == {"curve.csv", "curve.png", "curve.svg", "suggestion.json"}
    numbers = json.loads((folder / "suggestion.json").read_text())
    with (folder / "curve.csv").open() as file:
        rows = list(csv.DictReader(file))
    drawn = suggest([float(row["learning_rate"]) for row in rows], [float(row["smoothed_loss"]) for row in rows])
    assert drawn.steepest == pytest.approx(numbers["steepest"])
    assert f"train  {numbers['command']}" in result.output
    settings = parse_settings(shlex.split(numbers["command"])[2:])
    assert make_config(settings).hidden_layers == [16]
    assert settings["learning_rate"] == pytest.approx(numbers["steepest"], rel=0.05)
    # It is no run: nothing that looks for runs may count it.
    assert find_runs(tmp_path) == []


def test_the_command_keeps_every_other_argument() -> None:
    given = ["--learning-rate", "1", "--dataset={'name': 'npz', 'path': 'a b.npz'}", "--epochs", "3"]
    settings = parse_settings(shlex.split(command_with(0.02, given))[2:])
    assert settings == {"dataset": {"name": "npz", "path": "a b.npz"}, "epochs": 3, "learning_rate": 0.02}


def test_a_first_batch_that_was_hard_is_no_descent() -> None:
    rates = np.geomspace(1e-6, 10, 200)
    losses = 2 - np.tanh(3 * (np.log10(rates) + 2)) + rates**2
    losses[:8] += np.linspace(20, 0, 8)
    assert suggest(rates, losses).steepest == pytest.approx(0.01, rel=0.1)
