"""The written report says what the runs say, names what it cannot show, and its models can be measured again."""

import json
from pathlib import Path

import numpy as np
import pytest
from experiment.reading import read_experiment

from ffnn.errors import FFNNError
from ffnn.experiment.comparison import compare
from ffnn.experiment.file import plan_jobs
from ffnn.experiment.runs import run_experiment
from ffnn.experiment.tables import write_comparison, write_runs
from ffnn.files import StorageError
from ffnn.lab.config import make_config
from ffnn.lab.run import load_run, train
from ffnn.report.make import make_written_report
from ffnn.report.models import keep_model
from ffnn.tracking import load_yaml
from ffnn.training.checkpoints import Checkpoint
from ffnn.training.metrics import evaluate

EXPERIMENT = """
question: Does width help?
expected: It does.
base: {dataset: digits, epochs: 3, optimizer: adam, wandb: disabled, tags: [t]}
conditions:
  narrow: {hidden_layers: [2]}
  wide: {hidden_layers: [64]}
seeds: 3
metric: test/accuracy
compare: {against: narrow, claims: [wide > narrow, wide < 0.3]}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("written")
    (root / "width.yaml").write_text(EXPERIMENT)
    experiment = read_experiment(root / "width.yaml")
    jobs = plan_jobs(experiment, "width", {"runs_dir": str(root / "runs")})
    group = root / "runs" / jobs[0].config.group
    records = run_experiment(jobs, 1, lambda line: None)
    write_comparison(compare(experiment, records), group, "ffnn run width.yaml")
    write_runs(records, group / "runs.csv")
    return group


@pytest.fixture(scope="module")
def report(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("out") / "REPORT.md"
    written = make_written_report([folder], path)
    assert [one.name for one in written] == ["REPORT.md", "REPORT.pdf", "digits"]
    return path


def test_it_says_what_the_runs_say(folder: Path, report: Path) -> None:
    text = report.read_text()
    accuracies = [json.loads(path.read_text())["test/accuracy"] for path in folder.glob("*wide*/summary.json")]
    assert len(accuracies) == 3
    assert f"{100 * np.mean(accuracies):.2f} ±" in text
    assert "6 tracked runs" in text
    assert "2 tested claims: 1 confirmed, 0 undecided, 1 contradicted" in text
    assert "`wide < 0.3` is **contradicted**" in text
    assert "ffnn run width.yaml" in text
    assert f"ffnn report {folder} --written {report}" in text


def test_every_figure_is_there_and_not_large(report: Path) -> None:
    figures = [line.split('"')[1] for line in report.read_text().splitlines() if line.startswith("<img")]
    assert figures
    for figure in figures:
        assert 0 < (report.parent / figure).stat().st_size < 200_000


def test_the_kept_model_gives_its_figures_again(folder: Path, report: Path) -> None:
    heard: list[str] = []
    model = report.parent / "models" / "digits"
    record, parts = load_run(model, notify=heard.append)
    assert heard == []
    measured = evaluate(parts.objective, parts.test.epoch(), parts.dataset.class_names)
    assert measured.metrics["accuracy"] == pytest.approx(record.summary["test/accuracy"], abs=1e-12)
    best = max(json.loads(path.read_text())["best/val/accuracy"] for path in folder.glob("*/summary.json"))
    assert record.summary["best/val/accuracy"] == best


def test_the_kept_model_names_no_machine_and_no_path(folder: Path, report: Path) -> None:
    model = report.parent / "models" / "digits"
    environment = json.loads((model / "environment.json").read_text())
    assert set(environment) == {"time", "versions", "data"}
    assert not {"source", "data_dir"} & set(environment["data"])
    assert load_yaml(model / "config.yaml")["data_dir"] is None
    originals = [path.stat().st_size for path in folder.glob("*wide*/checkpoints/best.npz")]
    kept = (model / "checkpoints" / "best.npz").stat().st_size
    assert kept < 0.6 * min(originals)  # without Adam's two moments


def test_a_kept_model_of_ones_own_images_says_nothing_of_its_maker(tmp_path: Path) -> None:
    home = tmp_path / "eve" / "secret"
    home.mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = (f"{n % 2}," + ",".join(map(str, rng.integers(0, 256, 4))) for n in range(40))
    (home / "a.csv").write_text("\n".join(rows))
    settings = {
        "dataset": {"name": "csv", "path": str(home / "a.csv")}, "epochs": 1, "hidden_layers": [2], "engine": "numpy",
        "runs_dir": str(home / "runs"), "tags": ["secret"], "notes": "secret", "wandb": "disabled",
    }  # fmt: skip
    model = keep_model(train(make_config(settings), lambda line: None), tmp_path / "model")
    config = load_yaml(model / "config.yaml")
    assert config["dataset"] == {"name": "csv", "path": "a.csv"}
    assert Checkpoint.load(model / "checkpoints" / "best.npz").meta["config"] == config
    files = [path.read_bytes() for path in model.rglob("*") if path.is_file()]
    assert len(files) == 4
    assert not any(b"secret" in content or str(tmp_path).encode() in content for content in files)


@pytest.mark.parametrize("name", ["figures", "models"])
def test_where_something_is_in_the_way_it_says_so(name: str, folder: Path, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    with pytest.raises(StorageError, match=f"{name}.*: cannot be written: "):
        make_written_report([folder], tmp_path / "REPORT.md")


def test_where_there_is_no_experiment_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    with pytest.raises(FFNNError, match="holds no run"):
        make_written_report([tmp_path / "runs"], tmp_path / "REPORT.md")
    assert not (tmp_path / "REPORT.md").exists()
