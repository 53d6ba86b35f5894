"""A run finds its data again: from another folder, in another environment; and who only reads fetches nothing."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from tiny_set import PLAIN, Tiny, write

from ffnn.cli import commands
from ffnn.data import DataError
from ffnn.lab.config import make_config
from ffnn.lab.resume import resume
from ffnn.lab.run import load_run, train
from ffnn.report.make import make_document
from ffnn.report.pictures import Pictures
from ffnn.report.provenance import data_remarks
from ffnn.report.sources import find_sources
from ffnn.tracking import RunDirectory, load_yaml, read_run
from ffnn.training.callbacks import Callback

SMALL = {"epochs": 1, "hidden_layers": [4], "engine": "numpy", "wandb": "disabled", "runs_dir": "runs"}


def silent(line):
    """Takes lines for the user."""


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Goes to another folder when called."""
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return lambda: monkeypatch.chdir(tmp_path / "there")


@pytest.fixture
def no_download(monkeypatch):
    """Nothing may be fetched."""
    monkeypatch.setattr(Tiny, "fetch", lambda self, root: pytest.fail("a download"))


@pytest.mark.parametrize("kind", ["npz", "csv", "folder"])
def test_a_run_on_files_of_ones_own_is_read_and_resumed_from_another_folder(kind, elsewhere, tmp_path):
    images, labels = np.random.default_rng(0).integers(0, 256, (60, 9), np.uint8), np.arange(60) % 2
    if kind == "npz":
        np.savez("images", images=images, labels=labels)
    elif kind == "csv":
        np.savetxt("images.csv", np.column_stack([labels, images]), "%d", ",")
    else:
        from PIL import Image

        for row, (label, pixels) in enumerate(zip(labels, images, strict=True)):
            (tmp_path / "here" / "images.folder" / str(label)).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.reshape(3, 3)).save(f"images.folder/{label}/{row}.png")
    dataset = {"name": kind, "path": f"images.{kind}"}
    run = train(make_config({**SMALL, "dataset": dataset}), silent, Callback()).path.absolute()
    elsewhere()
    heard = []
    record, _ = load_run(run, notify=heard.append)
    assert heard == []
    assert load_yaml(run / "config.yaml")["dataset"] == {
        "name": kind,
        "path": str(tmp_path / "here" / f"images.{kind}"),
    }
    result = CliRunner().invoke(commands, ["evaluate", str(run)], catch_exceptions=False)
    assert f"{record.summary['test/accuracy']:.4f}" in result.output
    assert resume(run, 2, silent, Callback()).summary["epochs"] == 2


@pytest.mark.parametrize("by", ["setting", "environment"])
def test_a_run_remembers_the_folder_of_data_sets(by, tiny, elsewhere, no_download, tmp_path, monkeypatch):
    write("sets", PLAIN)
    if by == "environment":
        monkeypatch.setenv("FFNN_DATA_DIR", "sets")
    settings = {**SMALL, "dataset": "tiny", **({"data_dir": "sets"} if by == "setting" else {})}
    run = train(make_config(settings), silent, Callback()).path.absolute()
    monkeypatch.delenv("FFNN_DATA_DIR", raising=False)
    elsewhere()
    heard = []
    load_run(run, notify=heard.append)
    assert heard == []
    assert json.loads((run / "environment.json").read_text())["data"]["data_dir"] == str(tmp_path / "here" / "sets")
    assert data_remarks(read_run(run)) == []
    # A folder of today's that has the data is taken, and a remembered one that has not is not asked for.
    write(tmp_path / "today", PLAIN)
    (tmp_path / "here" / "sets").rename(tmp_path / "here" / "moved")
    monkeypatch.setenv("FFNN_DATA_DIR", str(tmp_path / "today"))
    if by == "environment":
        load_run(run, notify=heard.append)
        assert heard == []


def test_a_report_and_an_analysis_fetch_nothing_and_say_how_to(tiny, elsewhere, no_download, tmp_path):
    write("sets", PLAIN)
    run = train(make_config({**SMALL, "dataset": "tiny", "data_dir": "sets"}), silent, Callback()).path.absolute()
    (tmp_path / "here" / "sets").rename(tmp_path / "here" / "moved")
    RunDirectory(run).write_config({**load_yaml(run / "config.yaml"), "data_dir": None})
    with pytest.raises(DataError, match="`ffnn data fetch tiny` downloads"):
        load_run(run)
    document = make_document(find_sources([run]), Pictures(tmp_path / "figures"))
    assert any("ffnn data fetch tiny" in getattr(block, "text", "") for block in document.blocks)
    for command in (["analyze", "pca"], ["analyze", "noise"], ["doctor"], ["compare"]):
        CliRunner().invoke(commands, [*command, str(run)])
