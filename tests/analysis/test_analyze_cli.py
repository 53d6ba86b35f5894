"""`ffnn analyze` on real runs: what it prints, what it draws, what it refuses."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from ffnn.analysis.cli import analyze
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


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
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
    words = [str(runs["normed"]) if word == "NORMED" else word for word in arguments]
    monkeypatch.setattr("sys.argv", ["ffnn", "analyze", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert said in errors[0]
