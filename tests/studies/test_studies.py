"""Studies: every file is sound, and a small one runs from its file to its page."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ffnn.analysis.components import principal_components
from ffnn.errors import FFNNError
from ffnn.experiment.file import plan_jobs
from ffnn.studies.burakowski import gradient_sizes
from ffnn.studies.file import read_study
from ffnn.studies.prayogi import fit_regression

FOLDER = Path(__file__).parents[2] / "experiments" / "studies"
FILES = sorted(FOLDER.glob("*.yaml"))

SMALL = """
title: "A small study"
did: "It compared two rates & found <0.5."
assumed: ["Nothing."]
experiment:
  question: Does a larger rate learn faster?
  expected: Yes.
  base: {dataset: digits, hidden_layers: [8], epochs: 2, wandb: disabled}
  conditions: {slow: {learning_rate: 0.0001}, fast: {learning_rate: 0.01}}
  seeds: 2
  compare: {against: slow}
published: [{what: "accuracy", condition: fast, measure: test/accuracy, value: 0.5}]
claims:
  - {said: "Fast is better", tests: ["fast > slow"]}
  - {said: "Slow is better", tests: ["slow > fast"]}
"""


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_study_is_sound(path: Path) -> None:
    study = read_study(path)
    jobs = plan_jobs(study.experiment, path.stem, {})
    assert len(jobs) == len(study.experiment.all_conditions()) * study.experiment.seeds
    assert {figure.condition for figure in study.published} <= {job.condition for job in jobs}


def test_the_five_are_there() -> None:
    assert [path.stem for path in FILES] == ["burakowski", "davies", "dtu", "prayogi", "tobio"]


@pytest.mark.slow
def test_a_study_runs_from_its_file_to_its_page(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    command = [sys.executable, "-m", "ffnn", "study", str(path), f"--runs_dir={tmp_path}/runs"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "runs" / "study-small"
    page = (folder / "report.html").read_text()
    assert "&amp; found &lt;0.5" in page
    assert "confirmed" in page
    assert "refuted" in page
    assert "4 runs, 2 seeds" in page
    assert (folder / "report.pdf").read_bytes().startswith(b"%PDF")
    assert "Published figures and ours" in (folder / "summary.md").read_text()
    (row,) = rows(folder / "figures.csv")
    runs = rows(folder / "runs.csv")
    ours = np.mean([float(run["test/accuracy"]) for run in runs if run["condition"] == "fast"])
    assert float(row["ours"]) == pytest.approx(ours)
    assert float(row["difference"]) == pytest.approx(ours - 0.5)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("condition: fast", "condition: fats", "did you mean 'fast'"),
        ("test/accuracy", "test/acuracy", "did you mean 'test/accuracy'"),
        ("claims:", "claim:", "did you mean 'claims'"),
        ("fast > slow", "fast > slwo", "did you mean 'slow'"),
        ("  conditions:", "  condition:", "did you mean 'conditions'"),
    ],
)
def test_a_mistake_in_a_file_is_named(old: str, new: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL.replace(old, new))
    with pytest.raises(FFNNError) as problem:
        read_study(path)
    assert said in str(problem.value)


def test_an_experiment_is_told_its_command() -> None:
    path = FOLDER.parent / "exp1-baseline.yaml"
    with pytest.raises(FFNNError) as problem:
        read_study(path)
    assert f"runs by: ffnn run {path}" in str(problem.value)


def test_another_data_set_is_refused() -> None:
    with pytest.raises(FFNNError, match="--dataset: expected none"):
        read_study(FILES[0], {"dataset": "digits"})


def test_softmax_twice_hides_a_sure_mistake() -> None:
    leads = [0.0, 2.0, 5.0, 10.0]
    once, twice = zip(*map(gradient_sizes, leads), strict=True)
    assert once[0] == pytest.approx(np.sqrt(0.9**2 + 9 * 0.1**2))  # p - y at equal logits
    assert list(once) == sorted(once)
    assert list(twice) == sorted(twice, reverse=True)
    assert twice[-1] < 1e-3 < once[-1]


def test_components_are_eigenvectors_of_the_covariance() -> None:
    rng = np.random.default_rng(0)
    images = rng.normal(size=(300, 5)) * [5, 3, 1, 0.5, 0.1]
    components = principal_components("images", images)
    points, shares = components.points, components.explained[:2]
    values = np.sort(np.linalg.eigvalsh(np.cov(images.T)))[::-1]
    np.testing.assert_allclose(np.cov(points.T), np.diag(values[:2]), atol=1e-9)
    np.testing.assert_allclose(shares, values[:2] / values.sum())


def test_the_regression_is_scikit_learns() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    x = rng.normal(size=(400, 2)) + y[:, None] * [1.0, 0.5]
    decide, accuracy = fit_regression(x[:200], y[:200], x[200:], y[200:])
    theirs = LogisticRegression(C=1e9).fit(x[:200], y[:200])
    np.testing.assert_allclose(decide(x), theirs.predict_proba(x), atol=1e-3)
    assert accuracy == theirs.score(x[200:], y[200:])
