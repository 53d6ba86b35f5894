"""`ffnn analyze` on real runs: what it prints, what it draws, what it refuses."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from ffnn.commands.analyze import analyze
from ffnn.lab.build import build
from ffnn.lab.config import make_config
from ffnn.lab.run import train
from ffnn.training.trainer import Callback


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run on points in the plane, one on images, one with batch normalization."""
    folder = tmp_path_factory.mktemp("runs")
    settings = {
        "moons": {"dataset": "moons", "hidden_layers": [16], "learning_rate": 0.05, "epochs": 15},
        "digits": {"hidden_layers": [16], "epochs": 1},
        "normed": {"hidden_layers": [16], "epochs": 1, "batch_norm": True},
    }
    common = {"wandb": "disabled", "engine": "numpy", "runs_dir": str(folder)}
    return {
        name: train(make_config({**common, **own}), lambda line: None, Callback()).path
        for name, own in settings.items()
    }


def run(*arguments: object) -> str:
    result = CliRunner().invoke(analyze, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def test_pca_draws_every_layer(runs, tmp_path):
    shown = run("pca", runs["digits"], "--out", tmp_path)
    assert [name for name in ("inputs", "relu1", "linear2") if name in shown] == ["inputs", "relu1"]
    assert size_of(tmp_path / "pca.png")[0] > 700
    assert (tmp_path / "pca.svg").read_text().count("second component") == 2
    assert (tmp_path / "pca-explained.png").exists()


@pytest.mark.slow
def test_regions_say_when_they_are_a_cut(runs, tmp_path):
    assert "a cut through 64 inputs" in run("regions", runs["digits"], "--out", tmp_path / "digits")
    assert "cut" not in run("regions", runs["moons"], "--out", tmp_path / "moons")
    assert size_of(tmp_path / "moons/regions.png") == size_of(tmp_path / "digits/regions.png")


def test_noise_is_told_at_three_stages_and_stands_in_the_run(runs):
    shown = run("noise", runs["moons"], "--examples", 200)
    assert "over 200 training examples" in shown
    assert all(stage in shown for stage in ("initial", "best", "last"))
    assert (runs["moons"] / "analysis/gradient-norms.png").exists()


def test_signals_takes_names(tmp_path):
    arguments = ["--initializers=he_normal,zeros", "--activations=relu", "--depth=3", "--width=8"]
    assert "zeros" in run("signals", *arguments, "--out", tmp_path)
    assert (tmp_path / "signals.svg").read_text().count("variance of") == 2


@pytest.mark.slow
def test_animate_makes_a_moving_picture(tmp_path):
    shown = run(
        "animate", "--dataset=circles", "--hidden_layers=[8]", "--epochs=2", "--engine=numpy", "--frames=4",
        "--out", tmp_path,
    )  # fmt: skip
    assert "of the validation part" in shown
    with Image.open(tmp_path / "circles.gif") as film:
        assert film.n_frames == 4
        durations = []
        for frame in range(film.n_frames):
            film.seek(frame)
            durations.append(film.info["duration"])
    assert durations[-1] == 2000


@pytest.mark.parametrize("settings", [["--frames=2"], ["--frames=5", "--patience=1", "--min_delta=9"]])
def test_the_last_frame_is_of_the_last_weights(settings, tmp_path):
    """Also where training stops early: then it has one epoch more than the first, which is always an improvement."""
    shown = run(
        "animate", "--dataset=circles", "--hidden_layers=[8]", "--epochs=6", "--engine=numpy", *settings,
        "--out", tmp_path,
    )  # fmt: skip
    steps_of_epoch = len(build(make_config({"dataset": "circles"})).train)
    assert f"after {steps_of_epoch * (2 if '--patience=1' in settings else 6)} steps" in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["pca", "DIGITS", "--out=FILE"], "expected a folder for figures"),
        (["regions", "DIGITS", "--out=FILE/below"], "expected a folder for figures"),
        (["noise", "DIGITS", "--out=FILE"], "expected a folder for figures"),
        (["signals", "--out=FILE"], "expected a folder for figures"),
        (["animate", "--out=FILE"], "expected a folder for figures"),
        (["pcaa", "x"], "did you mean 'pca'?"),
        (["pca", "nowhere"], "nowhere"),
        (["signals", "--activations=rellu"], "did you mean 'relu'?"),
        (["animate", "--epohcs=3"], "--epochs"),
        (["animate", "--framework=torch"], "expected framework=ffnn"),
        (["noise", "NORMED"], "batch_norm"),
    ],
)
def test_mistakes_are_one_line(arguments, said, runs, tmp_path, monkeypatch, capsys):
    from ffnn.cli import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("kept")
    places = {"NORMED": runs["normed"], "DIGITS": runs["digits"], "FILE": tmp_path / "file"}
    words = [re.sub("NORMED|DIGITS|FILE", lambda found: str(places[found[0]]), word) for word in arguments]
    monkeypatch.setattr("sys.argv", ["ffnn", "analyze", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert said in errors[0]
    assert (tmp_path / "file").read_text() == "kept"
