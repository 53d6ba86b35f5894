"""The speedrun: all contenders go the same way from every seed, and the clock counts what it says it counts."""

import json
import math
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from task import PLAIN, make_task

from ffnn.backend import create_engine
from ffnn.bench.contender import contender_class
from ffnn.bench.process import worker_command
from ffnn.bench.race import Race, Rules
from ffnn.bench.speedrun import RUNNERS, Attempt, Recipe, lines, make_tasks, record, run, table
from ffnn.bench.work import Task
from ffnn.bench.worker import Worker
from ffnn.data import DATASETS, Dataset, data_root, load
from ffnn.data.batches import Batches, Pool
from ffnn.reference import Description

RULES = Rules(timeout=120)
SMALL = Description(64, (16,), 10, "adam", 0.01)
NEVER = Recipe(1.1, SMALL, batch_size=32, epochs=3)
"""A target that nobody reaches, so that all epochs are trained."""


@pytest.fixture(scope="module")
def digits() -> Dataset:
    """Digits, of which the last 297 stand for an official test set."""
    whole = load("digits")
    shape, top = whole.shape, whole.top
    return Dataset("digits", whole.images, whole.labels, whole.class_names, shape, top, 297, whole.source)


def attempts_of(names: list[str], recipe: Recipe, dataset: Dataset, seeds: int, **options: object) -> list[Attempt]:
    told: list[str] = []
    with Race(names, RULES, told.append, **options) as race:
        return run(race, names, recipe, dataset, seeds)


@pytest.mark.slow
def test_all_contenders_have_the_same_accuracy_after_every_epoch(digits: Dataset) -> None:
    names = [name for name in ("ffnn-numpy", *RUNNERS) if not contender_class(name).missing()]
    attempts = attempts_of(names, NEVER, digits, seeds=2)
    assert [(attempt.seed, attempt.contender) for attempt in attempts] == [(s, n) for s in (0, 1) for n in names]
    for attempt in attempts:
        expected = next(a for a in attempts if (a.contender, a.seed) == ("ffnn-numpy", attempt.seed)).accuracies
        # One image of 297 may lie on a border that float32 cannot tell.
        assert attempt.accuracies == pytest.approx(expected, abs=1.1 / 297), attempt.contender
        assert len(attempt.seconds) == len(attempt.accuracies) == 3
        assert attempt.time == math.inf
    assert attempts[0].accuracies[-1] > 0.8
    assert attempts[0].accuracies != attempts[-1].accuracies


def test_an_attempt_ends_with_the_first_test_that_reaches_its_target(digits: Dataset) -> None:
    (whole,) = attempts_of(["ffnn-numpy"], NEVER, digits, seeds=1)
    assert whole.accuracies[0] < whole.accuracies[1]
    (attempt,) = attempts_of(["ffnn-numpy"], Recipe(whole.accuracies[1], SMALL, 32, 3), digits, seeds=1)
    assert attempt.accuracies == whole.accuracies[:2]
    assert attempt.time == sum(attempt.seconds) > 0


def test_a_contender_that_dies_costs_its_rows_only(digits: Dataset) -> None:
    dies = [sys.executable, "-c", "import sys; input(); sys.exit('no such kernel')"]
    names = ["pytorch", "ffnn-numpy"]
    attempts = attempts_of(
        names, NEVER, digits, 1, command=lambda name, n: dies if name == "pytorch" else worker_command(name, n)
    )
    assert [attempt.contender for attempt in attempts] == ["ffnn-numpy"]


def test_training_and_test_images_are_kept_apart(digits: Dataset) -> None:
    training, test = make_tasks(NEVER, digits, seed=7)
    assert len(training.labels) == 1500 // 32 * 32
    np.testing.assert_array_equal(training.images, digits.images[: len(training.labels)])
    np.testing.assert_array_equal(test.images, digits.images[1500:])
    np.testing.assert_array_equal(test.labels, digits.labels[1500:])
    assert not np.array_equal(training.state["linear1.weight"], make_tasks(NEVER, digits, 8)[0].state["linear1.weight"])


def test_a_score_is_the_share_of_right_answers(tmp_path: Path) -> None:
    task = make_task(rows=300, batch_size=300)
    values = task.images / 255
    for number in (1, 2, 3):
        values = np.maximum(values, 0) if number > 1 else values
        values = values @ task.state[f"linear{number}.weight"] + task.state[f"linear{number}.bias"]
    wrong = np.arange(300) < 75
    file = tmp_path / "task.npz"
    replace(task, labels=(values.argmax(axis=1) + wrong) % 5).save(file)
    worker = Worker("ffnn-numpy", 1)
    worker.prepare(str(file))
    assert worker.score(str(file)) == {"accuracy": 0.75}


def test_a_task_has_the_order_of_ffnn_and_the_rates_of_its_schedule(tmp_path: Path) -> None:
    described, state = PLAIN, PLAIN.initial_state(0)
    task = Task(described, 8, *_pixels(40), 255, state, seed=5, schedule="cosine", epochs=2)
    pool = Pool(create_engine("numpy", "float32"), task.images, task.labels, *np.ones((2, 20), np.float32))
    np.testing.assert_array_equal(task.order(3), Batches(pool, np.arange(40), 8, shuffle_seed=5).order(3))
    cosine = [0.3 * (1 + math.cos(math.pi * step / 10)) / 2 for step in range(10)]
    np.testing.assert_allclose(task.rates(), np.reshape(cosine, (2, 5)), rtol=1e-6)
    task.save(tmp_path / "task.npz")
    np.testing.assert_array_equal(Task.load(tmp_path / "task.npz").rates(), task.rates())


def _pixels(rows: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (rows, 20), np.uint8), rng.integers(0, 5, rows)


def test_the_table_tells_of_seeds_that_did_not_get_there() -> None:
    def attempt(contender: str, seed: int, seconds: float, accuracy: float) -> Attempt:
        return Attempt(contender, 0.97, seed, [seconds], [seconds], [accuracy])

    attempts = [
        *(attempt("ffnn-numba", seed, seconds, 0.97) for seed, seconds in enumerate((0.3, 0.2, 0.4))),
        *(attempt("pytorch", seed, 1.0, accuracy) for seed, accuracy in enumerate((0.98, 0.96, 0.99))),
        *(attempt("jax-scan", seed, 1.0, accuracy) for seed, accuracy in enumerate((0.98, 0.96, 0.96))),
    ]
    assert table(attempts, "").rows == [
        ["97 %", "ffnn-numba", "0.300", "0.200", "0.400", "3 of 3"],
        ["97 %", "pytorch", "1.000", "1.000", "-", "2 of 3"],
        ["97 %", "jax-scan", "-", "1.000", "-", "1 of 3"],
    ]
    assert [made["time"] for made in record(attempts, [])["attempts"]] == [0.3, 0.2, 0.4, 1, None, 1, 1, None, None]
    assert not any("busy" in line for line in lines(attempts, []))
    assert "contenders got 50 % of a core" in lines([Attempt("pytorch", 0.97, 0, [2.0], [1.0], [0.97])], [])[-1]


def command(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    code = "from ffnn.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "speedrun", *arguments],
        capture_output=True, text=True, timeout=600, check=False, **options,
    )  # fmt: skip


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    for arguments, message in (
        (["--seeds=0"], "'--seeds': 0 is not in the range"),
        (["--seed=3"], "no such option '--seed'"),
        (["--out=taken/times.json"], "taken/times.json: cannot be written: "),
    ):
        result = command(*arguments, cwd=tmp_path)
        assert (result.returncode, result.stdout) == (2, "")
        (line,) = result.stderr.splitlines()
        assert re.search(message, line, re.IGNORECASE)


@pytest.mark.slow
@pytest.mark.data
def test_the_recipes_reach_their_targets_on_mnist(tmp_path: Path) -> None:
    folder = os.environ.get("FFNN_DATA_DIR")
    if not folder or DATASETS.create("mnist").missing(data_root(folder)):
        pytest.skip("mnist is not under $FFNN_DATA_DIR")
    result = command("--seeds=2", "--out=new/times.json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    kept = json.loads((tmp_path / "new" / "times.json").read_text())
    ours = [attempt for attempt in kept["attempts"] if attempt["contender"] == "ffnn-numba"]
    assert [(made["target"], made["seed"]) for made in ours] == [(0.97, 0), (0.97, 1), (0.98, 0), (0.98, 1)]
    assert all(made["accuracies"][-1] >= made["target"] for made in ours)
    for target in (0.97, 0.98):
        times = [attempt["time"] for attempt in ours if attempt["target"] == target]
        row = f"{100 * target:.0f} % +ffnn-numba +{sum(times) / 2:.3f} +{min(times):.3f} +{max(times):.3f} +2 of 2"
        assert re.search(row, result.stdout)
    assert kept["environment"]["cpu"]["model"] in result.stdout
