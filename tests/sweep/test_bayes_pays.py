"""What Bayesian search is worth: 15 trials of it against a grid of 40 learning rates and 15 random ones."""

import functools
from pathlib import Path

import numpy as np
import pytest

from ffnn.lab.build import build
from ffnn.lab.config import make_config
from ffnn.sweep.distributions import LogUniformValues
from ffnn.sweep.ledger import Ledger
from ffnn.sweep.samplers import METHODS
from ffnn.sweep.schema import Metric
from ffnn.sweep.space import Space
from ffnn.sweep.storage import open_storage
from ffnn.sweep.trials import FINISHED, Outcome
from ffnn.training.trainer import Trainer

SEEDS = range(5)
TRIALS = 15
GRID = np.logspace(-5, -1, 40)
SPACE = Space({("learning_rate",): LogUniformValues(1e-5, 0.1)})
METRIC = Metric(name="best/val/accuracy", goal="maximize")


@functools.cache
def accuracy(rate: float, seed: int, optimizer: str) -> float:
    """Best validation accuracy in ten epochs; a third of the digits validate, so that 0.5 points are 3 images."""
    config = make_config(
        {
            "dataset": "digits",
            "val_fraction": 0.34,
            "hidden_layers": [64],
            "epochs": 10,
            "optimizer": optimizer,
            "learning_rate": rate,
            "seed": seed,
        }
    )
    parts = build(config)
    trainer = Trainer(parts.objective, parts.optimizer, parts.train, parts.val, parts.plan)
    return max((record["val/accuracy"] for record in trainer.fit()), default=0.1)


def search(method: str, seed: int, optimizer: str, folder: Path) -> list[float]:
    """The accuracies of the trials of a search, in order."""
    book = Ledger(open_storage(folder / f"{method}-{optimizer}-{seed}.log"), "sweep", maximize=True)
    sampler = METHODS.create(method, space=SPACE, seed=seed, identify=repr, metric=METRIC)
    for _ in range(TRIALS):
        found = sampler.propose(book.trials())
        assert found
        trial = book.claim(found, TRIALS)
        assert trial
        value = accuracy(float(found.arguments["learning_rate"]), seed, optimizer)
        book.end(trial, Outcome(FINISHED, best=value, latest=value))
    return [trial.best or 0 for trial in book.trials().values()]


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_fifteen_bayesian_trials_match_a_grid_of_forty(
    tmp_path: Path, optimizer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    table = []
    for seed in SEEDS:
        grid = max(accuracy(float(rate), seed, optimizer) for rate in GRID)
        bayes = max(search("bayes", seed, optimizer, tmp_path))
        random = max(search("random", seed, optimizer, tmp_path))
        table.append((grid, bayes, random))
    with capsys.disabled():
        print(f"\n{optimizer}: best val accuracy %\nseed  grid of 40  {TRIALS} Bayes  {TRIALS} random")
        for seed, row in zip(SEEDS, table, strict=True):
            print(f"{seed:<6}{100 * row[0]:10.2f}{100 * row[1]:10.2f}{100 * row[2]:11.2f}")
    grids, found, _ = np.array(table).T
    assert np.mean(grids - found) <= 0.005
    assert np.all(grids - found <= 0.01)
