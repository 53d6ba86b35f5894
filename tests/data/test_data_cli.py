"""The commands of `ffnn data` print what is so, and download only when told to."""

import re

import numpy as np
import pytest
from click.testing import CliRunner
from tiny_set import PLAIN, Tiny, write

from ffnn.data import DATASETS, DataError, load, pixel_statistics
from ffnn.data.cli import data
from ffnn.errors import FFNNError


@pytest.fixture
def run(monkeypatch):
    """Runs `ffnn data` with arguments on a wide page; returns what it printed as lines of cells."""
    monkeypatch.setenv("COLUMNS", "200")

    def invoke(*arguments):
        result = CliRunner().invoke(data, [str(argument) for argument in arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return [re.split(r"\s*│\s*|\s{2,}", line.strip("│ ")) for line in result.output.splitlines()]

    return invoke


def test_list_says_what_is_here(run, tmp_path, tiny):
    folder = write(tmp_path, PLAIN)
    rows = {row[0]: row for row in run("list", "--data_dir", tmp_path) if row[0] in DATASETS}
    assert list(rows) == list(DATASETS)
    assert rows["tiny"] == ["tiny", "Tiny", "42", "12", "3", "4 x 5", str(folder)]
    assert rows["digits"][-1] == "bundled with scikit-learn"
    assert rows["mnist"][-1] == "absent: ffnn data fetch mnist"


def test_info_counts_every_image_once(run, tmp_path, tiny):
    folder = write(tmp_path, PLAIN)
    lines = run("info", "tiny", "--data_dir", tmp_path)
    facts = {line[0]: line[1] for line in lines if len(line) == 2}
    loaded = load("tiny", tmp_path)
    mean, std = pixel_statistics(loaded, np.arange(Tiny.train_size))
    assert facts["images"] == "42, of which official test 12"
    assert facts["digest"] == loaded.digest
    assert facts["source"] == str(folder)
    assert facts["imbalance"].startswith("1.00 : 1")
    assert facts["mean, std"].startswith(f"{mean[0]:.4f}, {std[0]:.4f}")
    counts = {line[0]: [int(n) for n in line[1:]] for line in lines if line[0] in {"a", "b", "c", "all"}}
    assert counts == {"a": [9, 1, 4, 14], "b": [9, 1, 4, 14], "c": [9, 1, 4, 14], "all": [27, 3, 12, 42]}


def test_info_of_digits_needs_nothing(run):
    facts = {line[0]: line[1] for line in run("info", "digits") if len(line) == 2}
    assert facts["images"] == "1,797, of which official test 0"
    assert facts["imbalance"].startswith("1.05 : 1")  # 183 threes, 174 eights
    assert facts["licence"] == "CC BY 4.0"


def test_a_path_in_brackets_is_printed_as_it_is(run, tmp_path, tiny):
    folder = write(tmp_path / "[red]", PLAIN)
    assert ["source", str(folder)] in run("info", "tiny", "--data_dir", tmp_path / "[red]")
    assert str(folder) in [line[-1] for line in run("list", "--data_dir", tmp_path / "[red]")]


def test_info_does_not_download(tmp_path, tiny):
    with pytest.raises(DataError, match="`ffnn data fetch tiny` downloads"):
        CliRunner().invoke(data, ["info", "tiny", "--data_dir", str(tmp_path)], catch_exceptions=False)


def test_fetch_checks_what_is_here(run, tmp_path, tiny):
    folder = write(tmp_path, PLAIN)
    assert run("fetch", "tiny", "--data_dir", tmp_path) == [[f"tiny: 42 images, {folder}"]]
    (folder / "t10k-labels-idx1-ubyte").write_bytes(b"")
    with pytest.raises(DataError, match="found an empty file"):
        run("fetch", "tiny", "--data_dir", tmp_path)


@pytest.mark.parametrize("command", ["fetch", "info"])
def test_a_misspelt_name_gets_a_hint(command):
    with pytest.raises(FFNNError, match="did you mean 'digits'"):
        CliRunner().invoke(data, [command, "digit"], catch_exceptions=False)
