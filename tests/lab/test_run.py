"""A whole run on the bundled digits: what it leaves, that it repeats itself, and what happens when it fails."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffnn.errors import FFNNError
from ffnn.lab.config import make_config
from ffnn.lab.run import load_run, train
from ffnn.tracking import load_yaml
from ffnn.training.callbacks import Best
from ffnn.training.checkpoints import Checkpoint
from ffnn.training.metrics import evaluate
from ffnn.training.trainer import Callback, Record, Trainer

QUIET = Callback()
SMALL = {"epochs": 2, "hidden_layers": [16], "wandb": "disabled"}


def run(tmp_path: Path, **settings: Any) -> Any:
    config = make_config({**SMALL, "runs_dir": str(tmp_path / "runs"), **settings})
    return train(config, lambda line: None, QUIET)


def test_a_run_leaves_everything_one_needs(tmp_path: Path) -> None:
    record = run(tmp_path, epochs=3)
    files = {str(path.relative_to(record.path)) for path in record.path.rglob("*") if path.is_file()}
    assert files == {
        "config.yaml", "history.jsonl", "summary.json", "environment.json",
        "checkpoints/best.npz", "checkpoints/last.npz",
    }  # fmt: skip
    assert [line["epoch"] for line in record.history] == [1, 2, 3]
    assert record.summary["status"] == "finished"
    assert record.summary["best/val/accuracy"] == max(line["val/accuracy"] for line in record.history)
    assert record.summary["parameters"] == 64 * 16 + 16 + 16 * 10 + 10
    assert 0.3 < record.summary["test/accuracy"] <= 1
    assert np.sum(record.summary["test/confusion"]) == record.environment["data"]["counts"]["test"]
    assert record.environment["versions"]["numpy"] == np.__version__
    assert len(record.environment["data"]["digest"]) == 64
    assert record.config["engine"] == "numba"
    assert record.config["split"] == "pooled"


def test_a_run_draws_nothing(tmp_path: Path, repository: Path) -> None:
    """Drawing is left to `ffnn report`: one picture took longer than a short run trains."""
    program = (
        "import sys; from ffnn.lab.config import make_config; from ffnn.lab.run import train\n"
        "record = train(make_config(dict(epochs=1, hidden_layers=[16], wandb='offline')), print)\n"
        "drawn = [path for path in record.path.rglob('*') if path.suffix in ('.png', '.svg')]\n"
        "pictures = [path for path in drawn if 'wandb' not in path.parts]  # W&B gets the images answered wrong\n"
        "assert not pictures, pictures\n"
        "assert 'test/confusion' in record.summary\n"
        "assert not {'matplotlib', 'PIL.ImageDraw'} & set(sys.modules)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize(
    "settings",
    [{}, {"dropout": 0.3, "batch_norm": True, "ema": 0.9, "schedule": "one_cycle", "clip_norm": 1.0, "l2": 1e-3}],
)
def test_its_config_run_again_gives_the_same_bits(tmp_path: Path, engine: str, settings: dict[str, Any]) -> None:
    first = run(tmp_path, engine=engine, **settings)
    again = train(make_config(load_yaml(first.path / "config.yaml")), lambda line: None, QUIET)
    assert again.path != first.path
    for name in ("best.npz", "last.npz"):
        one, two = (Checkpoint.load(record.path / "checkpoints" / name) for record in (first, again))
        assert {key: a.tobytes() for key, a in one.network.items()} == {k: a.tobytes() for k, a in two.network.items()}
    timeless = [{k: v for k, v in line.items() if not k.startswith("time/")} for line in first.history]
    assert timeless == [{k: v for k, v in line.items() if not k.startswith("time/")} for line in again.history]


def test_without_a_rate_plain_sgd_learns_and_its_rate_is_told_and_kept(tmp_path: Path) -> None:
    """At Adam's 0.001 it ends at 23 %."""
    lines: list[str] = []
    settings = {"optimizer": "sgd", "wandb": "disabled", "runs_dir": str(tmp_path)}
    record = train(make_config(settings), lines.append, QUIET)
    assert record.summary["test/accuracy"] > 0.8
    assert load_yaml(record.path / "config.yaml")["learning_rate"] == 0.01
    assert "sgd with learning rate 0.01" in lines[0]


def test_seeds_share_the_split_and_differ_in_everything_else(tmp_path: Path) -> None:
    one, two = run(tmp_path, seed=1), run(tmp_path, seed=2)
    assert one.environment["data"] == two.environment["data"]
    assert one.history[0]["train/loss"] != two.history[0]["train/loss"]


def test_the_best_checkpoint_measured_again_gives_the_summary(tmp_path: Path) -> None:
    record = run(tmp_path, epochs=3, batch_norm=True, ema=0.8)
    _, parts = load_run(record.path)
    again = evaluate(parts.objective, parts.test.epoch(), parts.dataset.class_names)
    for name, value in again.metrics.items():
        assert record.summary[f"test/{name}"] == pytest.approx(value, abs=1e-12)
    assert again.confusion.tolist() == record.summary["test/confusion"]


def test_a_diverged_run_is_recorded_as_such_with_finite_numbers_only(tmp_path: Path) -> None:
    record = run(tmp_path, optimizer="sgd", learning_rate=1e20)
    assert record.summary["status"] == "diverged"
    assert record.summary["diverged_step"] >= 1
    assert "linear" in record.summary["reason"]
    for line in (record.path / "history.jsonl").read_text().splitlines() if record.history else []:
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} in the history"))


def test_a_schedule_that_comes_to_nothing_is_told_before_the_start(tmp_path: Path) -> None:
    lines: list[str] = []
    settings = {**SMALL, "runs_dir": str(tmp_path), "schedule": {"name": "linear", "slope": 0.001}, "warmup_epochs": 5}
    train(make_config(settings), lines.append, QUIET)
    assert [line for line in lines if line.startswith("schedule")] == [
        "schedule: the learning rate is 0 from epoch 2 of 2 on, and nothing is learnt there",
        "schedule: the warm-up lasts 5 epochs and the run 2: the learning rate never gets to 0.001",
    ]


def test_a_run_that_breaks_says_so_in_its_summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Best, trainer: Trainer, record: Record) -> None:
        raise RuntimeError("disk on fire")

    monkeypatch.setattr(Best, "on_epoch", broken)
    with pytest.raises(RuntimeError, match="disk on fire"):
        run(tmp_path)
    (path,) = (tmp_path / "runs").rglob("summary.json")
    summary = json.loads(path.read_text())
    assert (summary["status"], summary["reason"]) == ("failed", "disk on fire")


@pytest.mark.parametrize(
    "settings",
    [
        {"class_weights": [1.0, 2.0]},
        {"batch_norm": True, "batch_size": 1},
        {"dataset": "mnist", "data_dir": "nothing"},
        {"val_fraction": 0.999},
    ],
)
def test_what_cannot_be_built_leaves_no_run_directory(
    tmp_path: Path, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ffnn.data import download

    def no_network(*_: object, **__: object) -> None:
        raise FFNNError("no network")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(download, "download", no_network, raising=False)
    with pytest.raises(FFNNError):
        run(tmp_path, **settings)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "settings",
    [
        {"hidden_layers": []},
        {"split": "pooled", "val_fraction": 0.1, "test_fraction": 0.2},
        {"augment": [{"name": "shift", "pixels": 1}, {"name": "mixup", "alpha": 0.2}], "label_smoothing": 0.1},
        {"batch_size": "full", "optimizer": "sgd", "learning_rate": 0.5},
        {"activation": "softmax"},
        {"loss": "mean_squared_error", "output_softmax": True},
        {"class_weights": "balanced", "label_smoothing": 0.1},
        {"normalize": "standardize", "input_dropout": 0.1, "weight_decay": 0.01},
        {"l2": 0.1, "l2_per_example": True, "clip_value": 0.5, "warmup_epochs": 1},
        {"initializer": {"name": "uniform", "low": -0.5, "high": 0.5}, "bias_initializer": "normal"},
        {"dtype": "float64", "engine": "numpy", "patience": 1},
    ],
)
def test_every_kind_of_setting_trains(tmp_path: Path, settings: dict[str, Any]) -> None:
    record = run(tmp_path, epochs=2, **settings)
    assert record.summary["status"] == "finished"
    assert record.history[-1]["train/loss"] <= record.history[0]["train/loss"]


def test_a_class_without_an_image_is_told_in_a_line_and_lowers_no_score(tmp_path: Path) -> None:
    """Labels 1 to 4: class 0 exists, for labels count from 0, and nobody has seen it. Class 4 has one image."""
    labels = np.append(np.arange(120) % 3 + 1, 4)
    images = np.zeros((len(labels), 16), np.uint8)
    images[np.arange(len(labels)), 3 * labels] = 255
    np.savez(tmp_path / "four.npz", images=images.reshape(-1, 4, 4), labels=labels)
    settings = {"dataset": {"name": "npz", "path": str(tmp_path / "four.npz")}, "engine": "numpy", "batch_size": 8}
    told: list[str] = []
    config = make_config({**SMALL, **settings, "epochs": 20, "learning_rate": 0.02, "runs_dir": str(tmp_path / "runs")})
    summary = train(config, told.append, QUIET).summary
    assert [line for line in told if "no image" in line] == [
        "no image of class 0 in train: nothing is learned of it",
        "no image of class 4 in test: balanced accuracy leaves it out; macro figures do, unless it is predicted",
    ]
    assert summary["test/accuracy"] == 1
    names = ("balanced_accuracy", "macro_precision", "macro_recall", "macro_f1")
    assert [summary[f"test/{name}"] for name in names] == [1, 1, 1, 1]
