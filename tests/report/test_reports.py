"""Reports from run directories: what an experiment, a run and a sweep must tell, and what they do when files lack."""

import csv
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner
from report.samples import write_run, write_sweep

from ffnn.commands.report import report
from ffnn.errors import FFNNError
from ffnn.experiment.comparison import compare
from ffnn.experiment.file import Compare, Experiment
from ffnn.experiment.tables import write_comparison, write_runs
from ffnn.lab.config import make_config
from ffnn.lab.run import train
from ffnn.report.advice import advice, seeds_to_show
from ffnn.report.document import Block, Cell, Details, Figure, Heading, Note, Paragraph, Row, Table, walk
from ffnn.report.experiment import experiment_blocks
from ffnn.report.make import make_document, make_report
from ffnn.report.markup import literal
from ffnn.report.pictures import Pictures
from ffnn.report.sources import ExperimentFolder, find_sources, read_experiment_folder
from ffnn.tracking import RunRecord, read_run

STRANGE = "b$&lt;[i]_$"
ACCURACY = {
    "a": (0.80, 0.81, 0.79, 0.80, 0.80),
    STRANGE: (0.85, 0.87, 0.86, 0.85, 0.86),
    "c": (0.83, 0.80, 0.80, 0.82, 0.79),
}


def figures_of(blocks: Sequence[Block]) -> Iterator[Figure]:
    """Every figure among the blocks, in order."""
    for block in walk(blocks):
        yield from block.figures if isinstance(block, Row) else [block] if isinstance(block, Figure) else []


class NotDrawn(Pictures):
    """Gives the figures and draws none of them, which takes most of a report's time."""

    def draw(self, name: str, draw: object, alt: str, caption: str = "", photo: bool = False) -> Figure:
        return Figure(self.folder / f"{self.prefix}{name}.png", alt, caption, None, photo)


def write_experiment(folder: Path) -> Path:
    """An experiment's folder with three conditions of five seeds."""
    records: dict[str, list[RunRecord]] = {name: [] for name in ACCURACY}
    for number, (name, values) in enumerate(ACCURACY.items()):
        for seed, value in enumerate(values):
            reached = {"test/accuracy": value, "best/val/accuracy": value}
            path = write_run(folder / f"run-{number}-s{seed}", **reached)
            text = (path / "config.yaml").read_text().replace("seed: 0", f"seed: {seed}")
            (path / "config.yaml").write_text(text)
            records[name].append(read_run(path))
    experiment = Experiment(
        question="Which of <b>them</b>?", expected="The second.", base={}, sweep="sweeps/s.yaml",
        conditions={name: {} for name in ACCURACY}, compare=Compare(against="a", claims=[f"{STRANGE} > a", "c > a"]),
    )  # fmt: skip
    write_runs(records, folder / "runs.csv")
    write_comparison(compare(experiment, records), folder, "ffnn run experiments/e.yaml --dataset=digits")
    return folder


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_experiment(tmp_path_factory.mktemp("runs") / "e-digits")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was really trained, on the digits."""
    folder = tmp_path_factory.mktemp("trained")
    settings = {"epochs": 3, "wandb": "disabled", "engine": "numpy", "hidden_layers": [16]}
    return train(make_config({**settings, "runs_dir": str(folder)}), lambda line: None).path


def headings(blocks: list[Block] | tuple[Block, ...]) -> list[str]:
    return [block.text for block in blocks if isinstance(block, Heading)]


def test_an_experiment_tells_all_that_was_asked(experiment: Path, tmp_path: Path) -> None:
    folder = read_experiment_folder(experiment)
    pictures = Pictures(tmp_path)
    blocks = experiment_blocks(folder, pictures)
    pictures.finish()
    assert headings(blocks) == [
        "Expected and found", "Results", "Learning", "Gradients and updates", "Confusion of classes",
        "What to try next", "How to repeat it",
    ]  # fmt: skip
    results, claims = [block for block in blocks if isinstance(block, Table)]
    row = {cells[0].text: [cell.text for cell in cells] for cells in results.cells}
    assert row[STRANGE][1:3] == ["85.80 ± 1.04", "85.80 ± 1.04"]
    assert row[STRANGE][-1] == "better"
    assert row["a"][-1] == "reference"
    assert [cells[-1].mood for cells in claims.cells] == ["good", "unsure"]
    drawn = {figure.png.stem for figure in figures_of(blocks)}
    assert drawn == {
        "comparison", "time", "curves-train-loss", "curves-val-loss", "curves-train-accuracy", "curves-val-accuracy",
        "gradients", "updates", "confusion-0", "confusion-1", "confusion-difference",
    }  # fmt: skip
    for figure in figures_of(blocks):
        assert figure.png.read_bytes().startswith(b"\x89PNG")
        assert figure.svg
        assert "<svg" in figure.svg.read_text()[:500]
    captions = " ".join(figure.caption for figure in figures_of(blocks))
    assert f"{literal(STRANGE)}, best on validation" in captions
    assert "a, the baseline" in captions


def test_the_files_of_an_experiment_are_there_and_hold_its_words(experiment: Path, tmp_path: Path) -> None:
    from pypdf import PdfReader

    page = make_report([experiment], tmp_path / "out")
    assert page == tmp_path / "out" / "report.html"
    text = page.read_text()
    for expected in (
        "e-digits",
        "Which of &lt;b&gt;them",
        "The second.",
        "b$&amp;lt;[i]_$",
        "ffnn run experiments/e.yaml",
    ):
        assert expected in text
    pdf = "".join(p.extract_text() for p in PdfReader(tmp_path / "out" / "report.pdf").pages)
    assert "Which of <b>them</b>?" in pdf
    assert STRANGE in pdf.replace("\u200b", "")
    with (tmp_path / "out" / "runs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["condition"] for row in rows].count("c") == 5
    assert (tmp_path / "out" / rows[0]["run"] / "config.yaml").is_file()


def test_a_report_is_made_from_the_folder_alone(experiment: Path, tmp_path: Path) -> None:
    """Moved elsewhere, with one run gone, it says so and tells the rest."""
    moved = tmp_path / "elsewhere"
    shutil.copytree(experiment, moved)
    shutil.rmtree(moved / "run-2-s4")
    folder = read_experiment_folder(moved)
    assert folder.missing == ["run-2-s4"]
    assert len(folder.records["c"]) == 4
    notes = [block.text for block in experiment_blocks(folder, NotDrawn(tmp_path)) if isinstance(block, Note)]
    assert any("1 runs of the table are not there" in note for note in notes)


def test_runs_that_diverged_at_once_cost_their_curves_only(tmp_path: Path) -> None:
    folder = tmp_path / "e"
    write_experiment(folder)
    for path in folder.glob("run-2-*"):
        shutil.rmtree(path)
        write_run(path, [], **{"test/accuracy": None, "test/confusion": None, "best/epoch": None, "diverged": True})
    read = read_experiment_folder(folder)
    drawn = {figure.png.stem for figure in figures_of(experiment_blocks(read, Pictures(tmp_path / "figures")))}
    assert "curves-val-loss" in drawn
    for path in folder.glob("run-*"):
        shutil.rmtree(path)
    empty = experiment_blocks(read_experiment_folder(folder), Pictures(tmp_path / "none"))
    assert {figure.png.stem for figure in figures_of(empty)} == {"comparison", "time"}


def told(experiment: Path, **changes: object) -> str:
    folder = read_experiment_folder(experiment)
    return " ".join(advice(ExperimentFolder(folder.path, {**folder.comparison, **changes}, folder.records, [])))


def test_advice_follows_from_the_numbers(experiment: Path) -> None:
    said = told(experiment)
    # c is 0.8 points above a, which is half a point above the margin, and scatters by 1.8 points.
    assert "**Not more seeds**" in said
    near = {"verdict": "undecided", "difference": 0.013, "from the edge": 0.01, "difference ± 95 %": 0.02, "pairs": 3}
    assert "**More seeds**: at the scatter seen here, 5 seeds" in told(experiment, claims=[near])
    assert "Train longer" in said
    assert "`--epochs=8`" in said
    assert "ffnn sweep sweeps/s.yaml" in said
    assert "Keep runs from diverging" not in said
    row = {"condition": "x", "verdict": "equal", "diverged": 2, "time/train_seconds mean": 1.0}
    reference = {"condition": "a", "verdict": "reference", "time/train_seconds mean": 3.0}
    said = told(experiment, conditions=[reference, row], claims=[])
    assert "Keep runs from diverging**: x" in said
    assert "x is equal to a and trains 3.0 times as fast" in said
    assert "seeds" not in said


@pytest.mark.parametrize(("difference", "pairs"), [(0.01, 3), (0.004, 5), (-0.02, 2)])
def test_the_seeds_advised_are_the_fewest_that_suffice(difference: float, pairs: int) -> None:
    """With that many the interval of the same scatter leaves 0 out, with one fewer it does not."""
    from scipy.stats import t

    scatter = 0.01
    half = t.ppf(0.975, pairs - 1) / pairs**0.5 * scatter
    seeds = seeds_to_show({"difference": difference, "difference ± 95 %": half, "pairs": pairs})
    assert seeds
    assert t.ppf(0.975, seeds - 1) / seeds**0.5 * scatter < abs(difference)
    assert seeds == pairs + 1 or t.ppf(0.975, seeds - 2) / (seeds - 1) ** 0.5 * scatter >= abs(difference)


def test_a_run_tells_all_that_was_asked(trained: Path, tmp_path: Path) -> None:
    pictures = Pictures(tmp_path)
    document = make_document([read_run(trained)], pictures)
    assert len(pictures.finish()) == 16
    assert headings(document.blocks) == [  # type: ignore[arg-type]
        "Outcome", "What the doctor says", "Learning", "Inside the network", "Classes", "Calibration",
        "Most confident mistakes", "Robustness", "First-layer weights", "How to repeat it",
    ]  # fmt: skip
    drawn = {figure.png.stem for figure in figures_of(document.blocks)}
    assert drawn == {
        "loss", "accuracy", "learning-rate", "gradients", "gradient-spread", "updates", "weights", "activation-spread",
        "dead", "weight-quantiles", "activation-quantiles", "confusion", "reliability", "mistakes", "robustness",
        "first-layer",
    }  # fmt: skip
    accuracy = 100 * read_run(trained).summary["test/accuracy"]
    tables = [block for block in document.blocks if isinstance(block, Table)]
    assert f"{accuracy:.2f}" in [cells[1].text for cells in tables[0].cells]
    assert f"{accuracy:.2f}" == tables[-1].cells[0][1].text, "without noise robustness is the test accuracy"
    assert [block.title for block in document.blocks if isinstance(block, Details)] == [
        "Settings that are not the default", "Environment", "Data",
    ]  # fmt: skip


def test_what_cannot_be_made_is_left_out_with_its_reason(tmp_path: Path, trained: Path) -> None:
    bare = write_run(tmp_path / "g" / "bare")
    notes = [b.text for b in make_document([read_run(bare)], NotDrawn(tmp_path / "a")).blocks if isinstance(b, Note)]
    assert any("Left out: calibration" in note and "no weights" in note for note in notes)
    lost = tmp_path / "g" / "lost"
    shutil.copytree(trained, lost)
    text = re.sub(r"dataset: .*", "dataset: fashion_mnist", (lost / "config.yaml").read_text())
    (lost / "config.yaml").write_text(re.sub(r"data_dir: .*", f"data_dir: {tmp_path / 'nothing'}", text))
    notes = [b.text for b in make_document([read_run(lost)], NotDrawn(tmp_path / "b")).blocks if isinstance(b, Note)]
    assert any("Left out: calibration" in note for note in notes)


def test_a_run_whose_tables_lack_figures_is_reported_without_them(tmp_path: Path) -> None:
    rows = [{"class": "a", "precision": 0.5}, {"recall": 0.25, "support": 0}]
    bare = write_run(tmp_path / "bare", **{"test/per_class": rows, "test/confusion": [[3]]})  # type: ignore[arg-type]
    blocks = make_document([read_run(bare)], NotDrawn(tmp_path)).blocks
    (table,) = [one for one in blocks if isinstance(one, Table) and "test images" in one.columns]
    none = Cell(None).text
    assert [cell.text for cell in table.cells[0]] == ["a", "50.0", none, none, none]
    assert [cell.text for cell in table.cells[1]] == ["?", none, "25.0", none, "0"]
    assert "No image of class ? in test" in table.caption


def test_a_sweep_tells_all_that_was_asked(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path / "s")
    result = CliRunner().invoke(report, [str(folder), "--no-pdf"])
    assert result.exit_code == 0, result.output
    assert not (folder / "report" / "report.pdf").exists()
    names = {path.stem for path in (folder / "report" / "figures").glob("*.svg")}
    assert names == {"best-so-far", "importances", "parallel", "slices"}
    text = (folder / "report" / "report.html").read_text()
    assert "t5 is best" in text
    assert text.count("<tr><td") == 2 + 6
    (folder / "sweep" / "sweep.json").unlink()
    again = CliRunner().invoke(report, [str(folder), "--no-pdf"])
    assert again.exit_code == 0
    assert "Left out: importances" in (folder / "report" / "report.html").read_text()


def test_a_search_that_ended_at_an_edge_and_a_guess_are_said(experiment: Path, tmp_path: Path) -> None:
    sentence = "best learning_rate 0.1 lies at the upper end of its range (1e-5 to 0.1): widen it"
    folder = write_sweep(tmp_path / "s")
    about = folder / "sweep" / "sweep.json"
    about.write_text(json.dumps({**json.loads(about.read_text()), "edges": [sentence], "caveat": "a guess from 5"}))
    result = CliRunner().invoke(report, [str(folder), "--no-pdf"])
    assert result.exit_code == 0, result.output
    text = (folder / "report" / "report.html").read_text()
    assert sentence in text
    assert "a guess from 5" in text
    searched = shutil.copytree(experiment, tmp_path / "e-digits")
    (searched / "trials").mkdir()
    shutil.copytree(folder, searched / "trials" / "sgd-s0")
    told = f"**Widen the search**: {literal(sentence)} ({literal('sgd-s0')})."
    assert told in advice(read_experiment_folder(searched))


def test_two_processes_do_not_draw_into_one_report_at_once(
    experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        "import sys, pathlib; from ffnn.locks import exclusive\nwith exclusive(pathlib.Path(sys.argv[1]), sys.exit): 0"
    )
    other = [sys.executable, "-c", script, str(tmp_path / ".writing.lock")]
    codes: list[int] = []

    def draw(self: Pictures, name: str, draw: object, alt: str, caption: str = "", photo: bool = False) -> Figure:
        if not codes:
            codes.append(subprocess.run(other, check=False, capture_output=True).returncode)
        path = self.folder / f"{name}.png"
        self.folder.mkdir(exist_ok=True)
        path.touch()
        return Figure(path, alt, caption, None, photo)

    monkeypatch.setattr(Pictures, "draw", draw)
    make_report([experiment], tmp_path, pdf=False)
    codes.append(subprocess.run(other, check=False).returncode)
    assert codes == [1, 0]


def test_several_paths_become_chapters(experiment: Path, tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path / "s")
    runs = [write_run(tmp_path / "g" / f"run-{n}", **{"test/accuracy": 0.5 + 0.1 * n}) for n in range(3)]
    text = (runs[0] / "config.yaml").read_text()
    (runs[0] / "config.yaml").write_text(text.replace("adam", "sgd"))
    document = make_document(find_sources([experiment, sweep, tmp_path / "g"]), NotDrawn(tmp_path))
    assert [b.text for b in document.blocks if isinstance(b, Heading) and b.level == 2] == ["e-digits", "s", "g"]
    assert "They differ in `optimizer`." in [b.text for b in document.blocks if isinstance(b, Paragraph)]
    names = [figure.png.name for figure in figures_of(document.blocks)]
    assert len(set(names)) == len(names)
    assert sum(name.startswith("1-e-digits-") for name in names) == 11
    pair = make_document(find_sources([experiment, experiment]), NotDrawn(tmp_path))
    assert isinstance(pair.blocks[1], Table)
    assert [row[0].text for row in pair.blocks[1].cells] == ["e-digits", "e-digits"]


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda folder: folder / "none", "there is no such folder"),
        (lambda folder: folder, "it holds no run"),
    ],
)
def test_a_path_without_runs_is_one_line(make: object, expected: str, tmp_path: Path) -> None:
    with pytest.raises(FFNNError, match=expected):
        make_report([make(tmp_path)])  # type: ignore[operator]
    assert list(tmp_path.iterdir()) == []
