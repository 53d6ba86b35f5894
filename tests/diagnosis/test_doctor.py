"""The doctor on real runs: every fault is provoked by a short training and recognised, healthy runs stay clean.

The faults are made in data files and settings; nothing of a run's history is written by hand.
"""

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.datasets import load_digits

from ffnn.commands.doctor import doctor
from ffnn.diagnosis import SYMPTOMS, Course, Finding, diagnose
from ffnn.diagnosis.present import last_line
from ffnn.diagnosis.remedies import in_words
from ffnn.diagnosis.symptom import sorted_out
from ffnn.diagnosis.watch import Watch
from ffnn.errors import FFNNError
from ffnn.lab.build import build, build_trainer
from ffnn.lab.config import make_config
from ffnn.lab.run import train
from ffnn.nn import OPTIMIZERS
from ffnn.report.document import Block, Heading, Note
from ffnn.report.run import doctor_blocks
from ffnn.tracking import RunRecord
from ffnn.training.trainer import Callback

DEEP_SIGMOID = {"num_layers": 6, "hidden_units": 16, "activation": "sigmoid", "initializer": "xavier_normal"}
DEEP_AND_LOUD = {"num_layers": 6, "hidden_units": 32, "initializer": {"name": "normal", "std": 1.0}}
WIDE_SIGMOID = {"activation": "sigmoid", "initializer": {"name": "normal", "std": 5.0}}


Train = Callable[..., RunRecord]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Train:
    """Trains with settings, on digits or on a file of them with a fault; the same again is not trained again."""
    there: dict[str, RunRecord] = {}

    def trained(data: dict[str, Any] | None = None, **settings: Any) -> RunRecord:
        key = repr((data, settings))
        if key not in there:
            folder = tmp_path_factory.mktemp("doctor")
            dataset = {"dataset": digits_file(folder, **data)} if data is not None else {}
            given = {"epochs": 5, "wandb": "disabled", "histogram_every": 0, "runs_dir": str(folder)}
            there[key] = train(make_config({**given, **dataset, **settings}), lambda line: None, Callback())
        return there[key]

    return trained


def examine(record: RunRecord) -> list[Finding]:
    return diagnose(Course.of(record))


def digits_file(
    folder: Path, *, brightest: int = 255, shuffled: bool = False, wrong: float = 0.0, rare: float = 1.0
) -> dict[str, str]:
    """Digits as a user's own .npz file, with a fault: too dark, of other labels, some wrong, or few but zeros."""
    rng = np.random.default_rng(0)
    bunch = load_digits()
    images, labels = np.rint(bunch.data * brightest / 16).astype(np.uint8), bunch.target.copy()
    if shuffled:
        labels = rng.permutation(labels)
    labels = np.where(rng.random(len(labels)) < wrong, rng.integers(0, 10, len(labels)), labels)
    kept = (labels == 0) | (rng.random(len(labels)) < rare)
    path = folder / "digits.npz"
    np.savez(path, images=images[kept].reshape(-1, 8, 8), labels=labels[kept])
    return {"name": "npz", "path": str(path)}


FAULTS: list[tuple[str, dict[str, Any], dict[str, Any] | None]] = [
    ("diverged", {"optimizer": "sgd", "learning_rate": 1e20}, None),
    ("learning_rate_too_high", {"learning_rate": 0.5}, None),
    ("learning_rate_too_low", {"learning_rate": 1e-6}, None),
    ("dead_units", {"bias_initializer": {"name": "uniform", "low": -8.0, "high": -2.0}}, None),
    ("saturated_units", WIDE_SIGMOID, None),
    ("vanishing_gradients", DEEP_SIGMOID, None),
    ("exploding_gradients", DEEP_AND_LOUD, None),
    ("double_softmax", {"double_softmax": True}, None),
    ("class_never_predicted", {"class_weights": [0.0] + [1.0] * 9, "learning_rate": 0.003}, None),
    ("data_not_scaled", {}, {"brightest": 8}),
    ("labels_shuffled", {"learning_rate": 0.003}, {"shuffled": True}),
    ("constant_predictions", {"optimizer": "sgd", "learning_rate": 0.01}, {"rare": 0.005}),
    ("overfitting", {"hidden_layers": [256], "learning_rate": 0.01, "epochs": 20}, {"wrong": 0.3}),
]

OTHER_WAYS: list[tuple[str, dict[str, Any], dict[str, Any] | None]] = [
    ("diverged", {"optimizer": "sgd", "learning_rate": 100.0, "loss": "mean_squared_error"}, None),
    ("learning_rate_too_high", {"optimizer": "sgd", "learning_rate": 10.0, "activation": "tanh"}, None),
    ("learning_rate_too_low", {"optimizer": "sgd", "learning_rate": 1e-4, "activation": "tanh"}, None),
    ("dead_units", {"initializer": "zeros"}, None),
    ("saturated_units", {**WIDE_SIGMOID, "activation": "tanh"}, None),
    ("data_not_scaled", {"optimizer": "sgd", "learning_rate": 0.1}, {"brightest": 8}),
]

TEN = 10
HEALTHY: dict[str, dict[str, Any]] = {
    "the base of the experiments": {"epochs": 15},
    "softmax regression": {"hidden_layers": [], "learning_rate": 0.01},
    "sgd": {"optimizer": "sgd", "learning_rate": 0.1},
    "adagrad": {"optimizer": "adagrad", "learning_rate": 0.03},
    "adam at 0.01": {"learning_rate": 0.01, "epochs": 12},
    "sigmoid": {"activation": "sigmoid", "initializer": "xavier_normal", "learning_rate": 0.003},
    "gelu, standardized": {"activation": "gelu", "normalize": "standardize"},
    "seven layers": {"num_layers": 6, "hidden_units": 64},
    "batch norm and dropout": {"batch_norm": True, "dropout": 0.3},
    "another loss": {"loss": "mean_squared_error", "output_softmax": True, "learning_rate": 0.003},
    "momentum": {"optimizer": "momentum", "learning_rate": 0.05, "schedule": "cosine"},
    "rmsprop": {"optimizer": "rmsprop"},
    "tanh": {"activation": "tanh", "initializer": "xavier_normal"},
}


@pytest.mark.parametrize(("symptom", "settings", "data"), FAULTS, ids=[symptom for symptom, _, _ in FAULTS])
def test_a_provoked_fault_is_the_one_that_is_named(
    symptom: str, settings: dict[str, Any], data: dict[str, Any] | None, run: Train
) -> None:
    assert [finding.symptom for finding in examine(run(data, **settings))] == [symptom]


@pytest.mark.slow
@pytest.mark.parametrize(("symptom", "settings", "data"), OTHER_WAYS, ids=[symptom for symptom, _, _ in OTHER_WAYS])
def test_a_fault_provoked_in_another_way_is_named_too(
    symptom: str, settings: dict[str, Any], data: dict[str, Any] | None, run: Train
) -> None:
    assert [finding.symptom for finding in examine(run(data, **settings))] == [symptom]


def test_every_symptom_is_provoked() -> None:
    assert {symptom for symptom, _, _ in FAULTS} == set(SYMPTOMS)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(settings, id=name, marks=[pytest.mark.slow] * (number >= TEN))
        for number, (name, settings) in enumerate(HEALTHY.items())
    ],
)
def test_a_healthy_run_is_clean(settings: dict[str, Any], run: Train) -> None:
    record = run(**settings)
    assert record.summary["test/accuracy"] > 0.6
    assert examine(record) == []


def test_data_that_are_as_they_should_be_are_clean_in_a_file_too(run: Train) -> None:
    """What is wrong in the faults above is the fault and not the file."""
    assert examine(run({})) == []


def test_evidence_has_the_numbers_of_the_run(run: Train) -> None:
    record = run(optimizer="sgd", learning_rate=1e20)
    (finding,) = examine(record)
    assert f"step {record.summary['diverged_step']}" in finding.headline
    assert "linear" in finding.headline
    assert "1e+20" in finding.evidence


def test_overfitting_is_told_from_its_lowest_validation_loss_on(run: Train) -> None:
    record = run({"wrong": 0.3}, hidden_layers=[256], learning_rate=0.01, epochs=20)
    losses = [line["val/loss"] for line in record.history]
    (finding,) = [one for one in examine(record) if one.symptom == "overfitting"]
    assert f"from epoch {1 + int(np.argmin(losses))} " in finding.headline
    assert f"up {100 * (losses[-1] / min(losses) - 1):.0f} %" in finding.headline


def test_what_follows_from_a_cause_is_told_with_it(run: Train) -> None:
    (finding,) = examine(run(learning_rate=0.5))
    assert any(text.startswith("dead ReLUs") for text in finding.consequences)


def test_every_finding_is_told_whatever_else_is_found() -> None:
    """All subsets of the symptoms: a finding is a cause, or follows from one, and none is lost between two others."""
    names = list(SYMPTOMS)
    for chosen in itertools.product((False, True), repeat=len(names)):
        there = [name for name, is_there in zip(names, chosen, strict=True) if is_there]
        told = sorted_out([Finding(name, name, "", "") for name in there])
        assert {name for one in told for name in (one.symptom, *one.consequences)} == set(there)
        assert not {one.symptom for one in told} & {name for one in told for name in one.consequences}


def test_what_follows_from_what_follows_is_told_with_the_cause() -> None:
    found = [Finding(name, name, "", "") for name in ("learning_rate_too_high", "exploding_gradients", "overfitting")]
    (cause,) = sorted_out(found)
    assert cause.symptom == "learning_rate_too_high"
    assert cause.consequences == ("exploding_gradients", "overfitting")


def test_a_remedy_that_the_run_has_is_no_remedy(run: Train) -> None:
    """Every fault above: no `setting=value` that is in its config, and always something left to try."""
    for _, settings, data in FAULTS:
        record = run(data, **settings)
        for finding in examine(record):
            tried = re.findall(r"(\w+)=(\w+)", finding.remedy)
            own = {name: Course.of(record).chosen(name) for name, _ in tried}
            assert [(name, value) for name, value in tried if str(own[name]).lower() == value] == [], finding
            assert len(finding.remedy) > 10


@pytest.mark.parametrize(
    ("remedies", "settings", "told"),
    [
        (["initializer=he_normal", "fewer layers"], {}, "fewer layers."),
        (["initializer=he_normal", "fewer layers"], {"initializer": "zeros"}, "initializer=he_normal or fewer layers."),
        (["initializer=he_normal", "x y"], {"initializer": {"name": "he_normal", "truncated": True}}, "x y."),
        (["batch_norm=true", "x y"], {"batch_norm": True}, "x y."),
        (["dropout=0.3", "x y"], {"dropout": 0.5}, "x y."),
        (["dropout=0.3", "x y"], {"dropout": 0.1}, "dropout=0.3 or x y."),
        (["patience=3 to stop there", "x y"], {"patience": 2}, "x y."),
        (["patience=3 to stop there", "x y"], {}, "patience=3 to stop there or x y."),
        (["l2", "augment", "x y"], {"l2": 0.001}, "augment or x y."),
        (["x y"], {"l2": 0.1}, "a smaller l2 (0.1; more than 0.01 is unusual) or x y."),
        (["x y"], {"l2": 0.1, "l2_per_example": True}, "x y."),
        (["a smaller learning rate", "x y"], {"learning_rate": 0.5},
         "a smaller learning_rate (0.5; more than 0.03 is unusual, and adam takes 0.001 by itself) or x y."),
        (["x y"], {"learning_rate": 1e-9}, "x y."),
        (["x y"], {"learning_rate": 0.5, "optimizer": "sgd"}, "x y."),
        (["x y"], {"learning_rate": 5, "optimizer": "sgd"},
         "a smaller learning_rate (5; more than 1 is unusual, and sgd takes 0.01 by itself) or x y."),
    ],
)  # fmt: skip
def test_remedies_begin_with_what_is_unusual_and_leave_out_what_is_there(
    remedies: list[str], settings: dict[str, Any], told: str
) -> None:
    config = {"initializer": "he_normal", "batch_norm": False, "l2": 0.0, "learning_rate": 0.001, "optimizer": "adam",
              "patience": None, "dropout": 0.0, "augment": [], "batch_size": 64, **settings}  # fmt: skip
    assert in_words(remedies, Course(config, []), ["l2", "weight_decay", "learning_rate"]) == told


def test_a_rate_that_is_too_small_is_named_where_that_can_be_the_cause() -> None:
    course = Course({"learning_rate": 1e-7, "optimizer": "adam"}, [])
    told = in_words(["x y"], course, too_small=["learning_rate"])
    assert told == "a larger learning_rate (1e-07; less than 1e-05 is unusual, and adam takes 0.001 by itself) or x y."


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_the_rate_that_an_optimizer_takes_by_itself_is_a_usual_one(name: str) -> None:
    course = Course(make_config({"optimizer": name}).resolved(), [])
    assert in_words(["x y"], course, ["learning_rate"], ["learning_rate"]) == "x y."


def test_a_penalty_that_is_too_large_is_named_first(run: Train) -> None:
    """The network lacks nothing that the doctor would prescribe; what it has too much of is l2."""
    (finding,) = examine(run(l2=0.3))
    assert finding.symptom == "class_never_predicted"
    assert finding.remedy.startswith("a smaller l2 (0.3; more than 0.01 is unusual), ")


def test_the_page_of_a_run_has_what_the_doctor_says(run: Train) -> None:
    """Headline, remedy and consequences of each finding; no such section where there is nothing."""
    sick, healthy = run(learning_rate=0.5), run(epochs=15)
    (finding,) = examine(sick)
    page, clean = (
        "\n".join(text_of(block) for block in doctor_blocks(record)).replace("\\", "") for record in (sick, healthy)
    )
    assert page.startswith("What the doctor says\n")
    for text in (finding.headline, finding.evidence, finding.remedy, *finding.consequences):
        assert text in page
    assert clean == ""


def text_of(block: Block) -> str:
    assert isinstance(block, Heading | Note)
    return block.text


def test_a_history_of_an_older_version_is_read_without_what_it_lacks(run: Train) -> None:
    record = run(epochs=15)
    newer = ("input_", "saturated_", "weight_growth", "predicted_")
    old = [{name: value for name, value in line.items() if not name.startswith(newer)} for line in record.history]
    assert diagnose(Course(record.config, old, summary=record.summary)) == []
    assert diagnose(Course({}, [])) == []


def test_during_training_each_symptom_is_told_once() -> None:
    lines: list[str] = []
    for rate in (0.5, 0.001):
        config = make_config({"learning_rate": rate, "epochs": 5})
        parts = build(config)
        watch = Watch(config.resolved(), parts.dataset.class_names, lines.append)
        build_trainer(parts, [watch]).fit()
    (line,) = lines
    assert line.startswith("doctor, epoch 2: learning rate too high (0.5); try ")


def test_a_run_of_one_s_own_is_watched_and_those_of_an_experiment_are_not(tmp_path: Path) -> None:
    lines: list[str] = []
    config = make_config({"learning_rate": 0.5, "epochs": 2, "wandb": "disabled", "runs_dir": str(tmp_path)})
    train(config, lines.append, Callback())
    assert not [line for line in lines if line.startswith("doctor")]
    record = train(config, lines.append)
    assert [line for line in lines if line.startswith("doctor")]
    assert last_line(record).startswith("doctor: learning rate too high (0.5); ffnn doctor ")


def test_the_command_names_what_is_found_and_is_strict_when_asked(run: Train) -> None:
    sick, healthy = run(learning_rate=0.5), run(epochs=15)
    invoke = CliRunner().invoke
    result = invoke(doctor, [str(sick.path), str(healthy.path.parent)])
    assert result.exit_code == 0
    assert f"{sick.path}: learning rate too high (0.5)" in result.output
    assert "2 runs: 1 with nothing wrong, 1 with findings" in result.output
    assert "Try: " in result.output
    assert "\x1b" not in result.output
    assert max(map(len, result.output.replace(str(sick.path), "").splitlines())) <= 100
    assert invoke(doctor, [str(sick.path), "--strict"]).exit_code == 1
    alone = invoke(doctor, [str(healthy.path), "--strict"])
    assert alone.exit_code == 0
    assert "nothing wrong found" in alone.output


def test_what_is_no_run_is_said(tmp_path: Path) -> None:
    for arguments in ([], [str(tmp_path)], [str(tmp_path / "none")]):
        result = CliRunner().invoke(doctor, arguments)
        assert isinstance(result.exception, FFNNError | click.ClickException), arguments


def test_figures_of_a_history_are_json_numbers(run: Train) -> None:
    """What the doctor needs came through the file."""
    record = run(activation="sigmoid", initializer="xavier_normal", learning_rate=0.003)
    line = json.loads((record.path / "history.jsonl").read_text().splitlines()[0])
    assert line["input_std"] == pytest.approx(0.377, abs=0.02)
    assert 0 <= line["saturated_fraction/sigmoid1"] <= 1
    assert line["weight_growth/linear1"] == pytest.approx(1, abs=0.2)
    assert 1 <= line["predicted_classes"] <= 10
