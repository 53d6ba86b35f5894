"""All contenders train the same network: from the same weights, on the same images, to the same losses."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from task import PLAIN, make_task, process, trainer

from ffnn.bench.contender import faster
from ffnn.bench.contenders import CONTENDERS, contender_class
from ffnn.bench.work import Task
from ffnn.reference import Description

SLOW = {"ffnn-numba", "ffnn-numba-x8", "pytorch-compile", "jax-step", "jax-scan", "keras"}
"""They take seconds to import or to compile."""

OTHERS = ("sklearn", "floor", "gpu-floor")
"""They start from weights of their own, or learn nothing."""

TRAINED = [
    pytest.param(n, marks=[pytest.mark.slow] * (n in SLOW) + [pytest.mark.gpu] * (contender_class(n).device == "cuda"))
    for n in CONTENDERS
    if n not in OTHERS
]

TASKS = {
    "sgd": make_task(),
    "adam": make_task(replace(PLAIN, optimizer="adam", learning_rate=0.01)),
    "batch norm": make_task(replace(PLAIN, batch_norm=True)),
    "tanh": make_task(replace(PLAIN, activation="tanh")),
    "sigmoid": make_task(replace(PLAIN, activation="sigmoid", optimizer="adam", learning_rate=0.01)),
    "5 steps an epoch, whose order cannot matter": make_task(rows=40, batch_size=8, alike=True),
}

LONG_TERM = make_task(rows=480, batch_size=48)
DROPPED = {rate: make_task(replace(PLAIN, dropout=rate, learning_rate=1e-6), rows=512, batch_size=512)
           for rate in (0.0, 0.3)}  # fmt: skip


def losses_of(name: str, tasks: dict[str, Task], epochs: int, folder: Path) -> dict[str, list[float]]:
    if absent := contender_class(name).missing():
        pytest.skip(absent)
    with process(name) as running:
        train = trainer(running, folder)
        return {title: train(task, epochs) for title, task in tasks.items()}


def by_hand(task: Task, epochs: int) -> list[float]:
    """Losses of full-batch SGD on a ReLU network, in float64, with nothing of ffnn but the initial values."""
    weights = [task.state[f"linear{n}.weight"].astype(float) for n in range(1, len(task.description.sizes))]
    biases = [task.state[f"linear{n}.bias"].astype(float) for n in range(1, len(task.description.sizes))]
    wanted = np.eye(task.description.classes)[task.labels]
    losses = []
    for _ in range(epochs):
        values = [task.images / task.top]
        for number, (weight, bias) in enumerate(zip(weights, biases, strict=True), start=1):
            output = values[-1] @ weight + bias
            values.append(np.maximum(output, 0) if number < len(weights) else output)
        odds = np.exp(values[-1])
        shares = odds / odds.sum(axis=1, keepdims=True)
        losses.append(float(-np.log((shares * wanted).sum(axis=1)).mean()))
        grad = (shares - wanted) / len(wanted)
        for number in reversed(range(len(weights))):
            inner = (grad @ weights[number].T) * (values[number] > 0)
            weights[number] = weights[number] - task.description.learning_rate * values[number].T @ grad
            biases[number] = biases[number] - task.description.learning_rate * grad.sum(axis=0)
            grad = inner
    return losses


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[float]]]:
    """What the numpy engine says; the first of the tasks is worked out once more below."""
    yield losses_of("ffnn-numpy", TASKS, 8, tmp_path_factory.mktemp("expected"))


def test_the_expected_losses_are_those_worked_out_by_hand(expected: dict[str, list[float]]) -> None:
    np.testing.assert_allclose(expected["sgd"], by_hand(TASKS["sgd"], 8), rtol=1e-5)


@pytest.mark.parametrize("name", TRAINED)
def test_the_same_start_and_images_lead_to_the_same_losses(
    name: str, expected: dict[str, list[float]], tmp_path: Path
) -> None:
    tasks = {**TASKS, **{f"dropout {rate}": task for rate, task in DROPPED.items()}}
    losses = losses_of(name, tasks, 8, tmp_path)
    for title in TASKS:
        np.testing.assert_allclose(losses[title], expected[title], rtol=2e-4, atol=1e-5, err_msg=title)
        assert losses[title][-1] < losses[title][0]
    # Nothing is learnt here: the mean over masks is 1.967 without dropout, and 2.12 to 2.14 at rate 0.3.
    assert np.mean(losses["dropout 0.0"]) == pytest.approx(1.9675, abs=1e-3)
    assert np.mean(losses["dropout 0.3"]) == pytest.approx(2.127, abs=0.06)


def test_sklearn_comes_to_a_similar_loss_from_weights_of_its_own(tmp_path: Path) -> None:
    tasks = {"long": LONG_TERM}
    theirs, ours = (losses_of(name, tasks, 12, tmp_path)["long"] for name in ("sklearn", "ffnn-numpy"))
    assert theirs[-1] < 0.98 * theirs[0]
    assert theirs[-1] == pytest.approx(ours[-1], rel=0.03)


def test_the_floor_learns_nothing(tmp_path: Path) -> None:
    with process("floor") as running:
        train = trainer(running, tmp_path)
        assert train(make_task(), 1) == [None]


def test_sklearn_says_what_it_cannot_train() -> None:
    unfit = contender_class("sklearn").unfit
    assert unfit(PLAIN) == ""
    assert "dropout" in unfit(Description(4, (3,), 2, batch_norm=True))


def test_a_task_survives_its_file(tmp_path: Path) -> None:
    task = make_task(replace(PLAIN, batch_norm=True, dropout=0.25))
    task.save(tmp_path / "task.npz")
    read = Task.load(tmp_path / "task.npz")
    assert (read.description, read.batch_size, read.top, read.seed) == (task.description, 48, 255, 0)
    np.testing.assert_array_equal(read.images, task.images)
    np.testing.assert_array_equal(read.labels, task.labels)
    assert read.state.keys() == task.state.keys()
    assert all(np.array_equal(read.state[name], task.state[name]) for name in task.state)


def test_the_faster_way_is_found() -> None:
    work = np.random.default_rng(0).random((300, 300))
    assert faster({"slow": lambda: [work @ work for _ in range(50)], "quick": lambda: None}) == "quick"
