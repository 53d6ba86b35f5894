"""Runs of other frameworks: recorded like any other, to the same figures, and refused where one lacks something."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffnn.errors import FFNNError
from ffnn.lab.build import build, build_trainer, with_framework
from ffnn.lab.config import make_config
from ffnn.lab.resume import resume
from ffnn.lab.run import load_run, train
from ffnn.reference import REFERENCES, TorchReference, reference_class
from ffnn.training.metrics import evaluate
from ffnn.training.trainer import Callback, Trainer

SMALL = {"epochs": 2, "hidden_layers": [16, 12], "wandb": "disabled", "engine": "numpy"}

SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "much": {
        "batch_norm": True, "l2": 1e-3, "l2_per_example": True, "clip_norm": 1.0, "schedule": "one_cycle",
        "warmup_epochs": 0.5, "label_smoothing": 0.1, "class_weights": "balanced", "optimizer": "rmsprop",
        "activation": "gelu", "learning_rate": 0.001, "batch_size": 100,
    },
    "mixed": {"augment": ["mixup"], "optimizer": "adamw", "loss": "focal", "clip_value": 0.01, "activation": "silu"},
    "fault": {"double_softmax": True, "optimizer": "sgd", "learning_rate": 0.1},
}  # fmt: skip

FRAMEWORKS = [pytest.param(name, marks=[pytest.mark.slow] * (name != "torch")) for name in REFERENCES]


def run(tmp_path: Path, **settings: Any) -> Any:
    return train(make_config({**SMALL, "runs_dir": str(tmp_path), **settings}), lambda line: None, Callback())


def trained(framework: str, **settings: Any) -> tuple[Trainer, Any]:
    if framework != "ffnn" and (remedy := reference_class(framework).missing()):
        pytest.skip(remedy)
    config = make_config({**SMALL, **settings, "framework": framework})
    parts = with_framework(config, build(config))
    trainer = build_trainer(parts, ())
    trainer.rehearse()
    trainer.fit()
    return trainer, parts


def test_a_torch_run_leaves_what_an_ffnn_run_leaves(tmp_path: Path) -> None:
    ours, theirs = run(tmp_path), run(tmp_path, framework="torch")
    files = [{str(p.relative_to(r.path)) for p in r.path.rglob("*") if p.is_file()} for r in (ours, theirs)]
    assert files[0] == files[1]
    assert (ours.config["framework"], theirs.config["framework"]) == ("ffnn", "torch")
    assert [list(line) for line in ours.history] == [list(line) for line in theirs.history]
    assert ours.summary.keys() == theirs.summary.keys()
    assert ours.summary["config_digest"] != theirs.summary["config_digest"]
    _, parts = load_run(theirs.path)
    again = evaluate(parts.objective, parts.test.epoch(), parts.dataset.class_names)
    assert again.metrics["accuracy"] == pytest.approx(theirs.summary["test/accuracy"], abs=1e-12)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_a_run_comes_to_ffnns_figures_in_float64(settings: dict[str, Any], framework: str) -> None:
    ours, _ = trained("ffnn", dtype="float64", **settings)
    theirs, _ = trained(framework, dtype="float64", **settings)
    # Keras' Adam has another epsilon, its batch norm another variance; see `ffnn agree`.
    tolerance = 1e-8 if framework == "torch" else 1e-2
    for one, two in zip(ours.history, theirs.history, strict=True):
        skipped = {name for name in one if name.startswith(("time/", "grad_mean/", "dead_fraction/"))}
        if framework != "torch":
            skipped |= {name for name in one if not name.startswith(("train/", "learning_rate", "epoch"))}
        for name in one.keys() - skipped:
            assert two[name] == pytest.approx(one[name], rel=tolerance, abs=1e-9), name


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_its_own_answers_are_those_of_the_ffnn_network_after_the_copy(framework: str) -> None:
    trainer, parts = trained(framework, batch_norm=True, dropout=0.2, input_dropout=0.1)
    inputs = np.random.default_rng(0).random((50, 64)).astype(np.float32)
    theirs = parts.reference.predict(inputs)
    np.testing.assert_allclose(trainer.objective.network.predict(inputs), theirs, rtol=2e-5, atol=2e-5)
    assert np.ptp(theirs) > 0.1
    with np.errstate(all="ignore"):
        fresh = build(make_config({**SMALL, "batch_norm": True})).objective.network.predict(inputs)
    assert not np.allclose(fresh, theirs, atol=0.1)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_rehearsing_changes_nothing(framework: str) -> None:
    config = make_config({**SMALL, "framework": framework, "batch_norm": True, "dtype": "float64"})
    if remedy := reference_class(framework).missing():
        pytest.skip(remedy)
    parts = with_framework(config, build(config))
    reference = parts.reference
    assert reference
    before = reference.values()
    build_trainer(parts, ()).rehearse()
    after = reference.values()
    assert before.keys() == after.keys() == {n for n in parts.objective.network.state_dict() if "dropout" not in n}
    for name, values in before.items():
        np.testing.assert_array_equal(values, after[name], name)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_dropout_masks_are_drawn_and_repeat_with_the_seed(framework: str) -> None:
    one, two, none = (trained(framework, dropout=rate)[0].history[0] for rate in (0.5, 0.5, 0.0))
    assert one["train/loss"] == pytest.approx(two["train/loss"], rel=1e-6)
    assert one["train/loss"] > 1.05 * none["train/loss"]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_diverging_run_is_recorded_as_such(framework: str, tmp_path: Path) -> None:
    if remedy := reference_class(framework).missing():
        pytest.skip(remedy)
    settings = {"optimizer": "sgd", "learning_rate": 1e20, "activation": "identity"}
    record = run(tmp_path, framework=framework, loss="mean_squared_error", **settings)
    assert record.summary["status"] == "diverged"


def test_without_the_package_there_is_a_remedy_and_no_run_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TorchReference, "packages", {"torch_that_is_absent": "torch"})
    with pytest.raises(FFNNError, match=r"framework=torch needs packages that are not installed: pip install torch$"):
        run(tmp_path, framework="torch")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"framework": "torch", "optimizer": "momentum", "weight_decay": 0.1},
            "no decoupled weight_decay .*'momentum'",
        ),
        ({"framework": "torch", "ema": 0.9}, "ema: torch has no average"),
        ({"framework": "tourch"}, "did you mean 'torch'"),
        ({"output_softmax": True}, "takes logits and applies softmax itself.*double_softmax=true"),
        ({"double_softmax": True, "loss": "mean_squared_error"}, "double_softmax: expected a loss that applies"),
    ],
)
def test_what_cannot_be_is_refused_before_a_directory_is_made(
    settings: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(FFNNError, match=message):
        run(tmp_path, **settings)
    assert not list(tmp_path.iterdir())


def test_a_reference_run_cannot_be_resumed(tmp_path: Path) -> None:
    record = run(tmp_path, framework="torch")
    with pytest.raises(FFNNError, match="a run of torch cannot be resumed"):
        resume(record.path, epochs=3, notify=lambda line: None)


def test_a_double_softmax_weakens_gradients(tmp_path: Path) -> None:
    faulty, sound = (run(tmp_path, double_softmax=fault, epochs=1) for fault in (True, False))
    _, parts = load_run(faulty.path)
    outputs = parts.objective.network.predict(np.ones((3, 64), np.float32))
    np.testing.assert_allclose(outputs.sum(axis=1), 1, rtol=1e-5)
    assert faulty.history[0]["grad_norm/all"] < 0.3 * sound.history[0]["grad_norm/all"]


def test_an_epoch_in_float32_ends_within_0_3_points() -> None:
    settings = {"hidden_layers": [40, 24, 12], "epochs": 12, "engine": "auto"}
    check_float32(**settings)


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.skipif("FFNN_DATA_DIR" not in os.environ, reason="set FFNN_DATA_DIR to a folder with EMNIST")
def test_an_epoch_of_emnist_in_float32_ends_within_0_3_points() -> None:
    check_float32(
        dataset={"name": "emnist", "variant": "bymerge"},
        split="pooled",
        val_fraction=0.1,
        test_fraction=0.2,
        hidden_layers=[400, 240, 120],
        epochs=1,
        batch_size=512,
        engine="auto",
    )


def check_float32(**settings: Any) -> None:
    accuracies = []
    for framework in ("ffnn", "torch"):
        trainer, parts = trained(framework, **settings)
        accuracies.append([trainer.history[-1]["train/accuracy"], evaluate_accuracy(parts)])
    assert np.abs(np.subtract(*accuracies)).max() <= 0.003, accuracies
    assert accuracies[0][1] > 0.6


def evaluate_accuracy(parts: Any) -> float:
    names = parts.dataset.class_names
    return evaluate(parts.objective, parts.test.epoch(), names).metrics["accuracy"]
