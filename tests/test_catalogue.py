"""The catalogue of metrics: whatever a run records stands in it, and whatever stands in it some run records."""

import pytest

from ffnn import catalogue
from ffnn.catalogue import find_metric, names
from ffnn.lab.config import make_config
from ffnn.lab.run import train
from ffnn.training.trainer import Callback

RUNS = [
    {"activation": "tanh", "monitor": "train/loss"},
    {"activation": "relu", "augment": ["noise"], "monitor": "train/accuracy", "l2": 1e-4},
    {"learning_rate": 1e30, "engine": "numpy"},
]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[set[str], set[str]]:
    """The names of all numbers in the histories of real runs, and in their summaries."""
    each_epoch: set[str] = set()
    once: set[str] = set()
    for number, settings in enumerate(RUNS):
        folder = tmp_path_factory.mktemp(f"run{number}")
        given = {"epochs": 2, "hidden_layers": [8], "wandb": "disabled", "runs_dir": str(folder)}
        record = train(make_config({**given, **settings}), lambda line: None, Callback())
        each_epoch |= {name for entry in record.history for name in entry}
        once |= {name for name, v in record.summary.items() if isinstance(v, int | float) and not isinstance(v, bool)}
    return each_epoch, once


def test_every_figure_of_a_run_is_in_the_catalogue(recorded: tuple[set[str], set[str]]) -> None:
    each_epoch, once = recorded
    assert {name for name in each_epoch if (known := find_metric(name)) is None or known.when != "epoch"} == set()
    assert {name for name in once if find_metric(name) is None} == set()


def test_every_name_of_the_catalogue_is_one_that_runs_record(recorded: tuple[set[str], set[str]]) -> None:
    each_epoch, once = recorded
    assert {name for name in names("epoch") if name not in each_epoch | once} == set()
    assert {name for name in names("end") if name not in once} == {"stack"}  # of runs trained together
    layers = {name.partition("/")[0] + "/" for name in each_epoch}
    assert set(catalogue.LAYERS) <= layers


def direction(metric: str) -> str | None:
    known = find_metric(metric)
    return known.better if known else None


@pytest.mark.parametrize(
    ("metric", "better"),
    [
        ("saturated_fraction/tanh1", "smaller"),
        ("dead_fraction/relu2", "smaller"),
        ("val/loss", "smaller"),
        ("best/val/accuracy", "larger"),
        ("test/ece", "smaller"),
        ("test/balanced_accuracy", "larger"),
        ("time/examples_per_second", "larger"),
        ("time/total_seconds", "smaller"),
        ("grad_norm/linear1", None),
        ("weight_growth/linear1", None),
        ("fraction_of_accuracy", None),
        ("loss_scale", None),
    ],
)
def test_which_way_is_better_is_known_by_the_exact_name_only(metric: str, better: str | None) -> None:
    assert getattr(find_metric(metric), "better", None) == better


@pytest.mark.parametrize(
    ("metric", "margin"),
    [
        ("test/accuracy", 0.003),
        ("best/val/accuracy", 0.003),
        ("curve/val/accuracy", 0.003),
        ("test/macro_f1", 0.003),
        ("test/ece", None),
        ("saturated_fraction/tanh1", None),
        ("time/train_seconds", None),
        ("parameters", None),
    ],
)
def test_what_is_like_an_accuracy_has_a_margin(metric: str, margin: float | None) -> None:
    assert getattr(find_metric(metric), "margin", None) == margin
