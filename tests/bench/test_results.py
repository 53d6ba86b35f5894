"""Ratios, tables, summaries and the choice of work, from samples made up by hand."""

import numpy as np
import pytest
from click.testing import CliRunner

from ffnn.bench.chart import draw_race
from ffnn.bench.present import markdown, network_tables, summary_lines
from ffnn.bench.race import Rules
from ffnn.bench.results import CellResult, busy, champion, greedy, record, summarize
from ffnn.bench.work import NETWORKS, Cell, fitting_cells, made_up_images
from ffnn.commands.bench import bench
from ffnn.data import load
from ffnn.errors import FFNNError
from ffnn.files import StorageError

NAMES = ["ffnn-numba", "ffnn-numpy", "pytorch", "keras", "floor"]

# 10 steps an epoch. Medians: 2 ms, 5 ms, 1 ms an epoch; then 4 ms, 6 ms, 3.2 ms.
FIRST = CellResult(
    Cell("784-64-10", 32),
    320,
    {"ffnn-numba": [0.002, 0.001, 0.009], "pytorch": [0.005, 0.004, 0.006], "floor": [0.001, 0.001, 0.5]},
)
SECOND = CellResult(
    Cell("784-64-10", 64),
    640,
    {"ffnn-numba": [0.004, 0.004], "pytorch": [0.0055, 0.0065], "floor": [0.003, 0.0034], "keras": [0.04, 0.04]},
)
RESULTS = [FIRST, SECOND]


def test_the_table_holds_ratios_of_medians() -> None:
    (table,) = network_tables(RESULTS, NAMES)
    assert table.title == "784-64-10, sgd"
    assert list(table.headings) == ["batch", "ffnn-numba µs", "pytorch", "keras", "/ floor"]
    assert table.rows == [["32", "200", "2.50", "-", "2.00"], ["64", "400", "1.50", "10.00", "1.25"]]


def test_markdown_and_terminal_say_the_same() -> None:
    (table,) = network_tables(RESULTS, NAMES)
    text = markdown([table], ["a fact"])
    assert "| 32 | 200 | 2.50 | - | 2.00 |" in text
    assert "- a fact" in text
    assert [list(column.cells) for column in table.rich().columns] == [
        list(cells) for cells in zip(*table.rows, strict=True)
    ]


def test_the_summary_is_least_most_and_median_over_cells() -> None:
    lines = summary_lines(RESULTS, NAMES)
    assert "pytorch: 1.50 to 2.50 times (median 2.00, 2 cells) the time of ffnn-numba" in lines
    assert "keras: 10.00 to 10.00 times (median 10.00, 1 cell) the time of ffnn-numba" in lines
    assert "ffnn-numba: 1.25 to 2.00 times (median 1.62, 2 cells) the time of the bare matrix products" in lines
    assert summarize(RESULTS, "ffnn-numpy", "ffnn-numba") is None


def test_others_are_compared_with_the_first_that_took_part() -> None:
    without_ffnn = [CellResult(SECOND.cell, 640, {"pytorch": [0.1], "keras": [0.3]})]
    assert champion(without_ffnn, NAMES) == "pytorch"
    (table,) = network_tables(without_ffnn, NAMES)
    assert table.rows == [["64", "10000", "3.00", "-"]]


def test_processor_time_tells_who_used_more_threads_and_whether_the_machine_was_busy() -> None:
    seconds = {"a": [1.0, 1.0], "b": [1.0, 1.0], "c": [2.0, 2.0]}
    result = CellResult(FIRST.cell, 320, seconds, {"a": [1.0, 1.0], "b": [1.9, 1.9], "c": [1.0, 1.0]})
    assert greedy([result], 1) == ["b"]
    assert greedy([result], 2) == []
    assert busy([result], 1) == 1.0
    assert busy([FIRST], 1) is None


def test_the_record_holds_every_sample() -> None:
    left_out = {"jax-scan": "jax not installed"}
    kept = record(RESULTS, Rules(repeats=3), {"floor": {"blas": []}}, left_out, {"cpu": "one"})
    assert kept["left_out"] == left_out
    assert kept["cells"][0]["seconds"]["pytorch"] == [0.005, 0.004, 0.006]
    assert kept["cells"][0]["step_microseconds"]["ffnn-numba"] == pytest.approx(200)
    assert (kept["cells"][1]["batch_size"], kept["cells"][1]["hidden"]) == (64, (64,))


def test_a_chart_that_cannot_be_written_is_one_line(tmp_path) -> None:
    with pytest.raises(StorageError, match=r"race\.png: cannot be written: No such file"):
        draw_race(RESULTS, NAMES, tmp_path / "gone" / "race.png")


def test_a_chart_of_no_known_kind_is_refused_before_the_race(tmp_path) -> None:
    result = CliRunner().invoke(bench, ["--quick", f"--chart={tmp_path / 'race.xyz'}"])
    assert str(result.exception) == "--chart: expected a name that ends in .png, .svg, .pdf; received 'race.xyz'"


def test_the_chart_is_a_picture_with_bars_where_something_was_measured(tmp_path) -> None:
    from PIL import Image

    draw_race(RESULTS, NAMES, tmp_path / "race.png")
    pixels = np.asarray(Image.open(tmp_path / "race.png").convert("RGB")).reshape(-1, 3)
    for colour in ((0, 114, 178), (213, 94, 0), (153, 153, 153)):  # keras or pytorch each, and the floor
        assert (pixels == colour).all(axis=1).sum() > 500, colour


def test_epochs_are_whole_batches_within_memory() -> None:
    for network, description in NETWORKS.items():
        for batch_size in (32, 512):
            count = Cell(network, batch_size).images(1e-6, 10.0)
            assert count % batch_size == 0
            assert 40_000_000 < count * description.inputs <= 50_000_000
    assert Cell("784-64-10", 64).images(0.01, 0.1, available=200) == 192


def test_made_up_images_can_be_learnt_but_not_wholly() -> None:
    images, labels = made_up_images(6000, 784, 10)
    assert images.dtype == np.uint8
    assert 0.7 < (images == 0).mean() < 0.9
    centres = np.stack([images[labels == k].mean(axis=0) for k in range(10)])
    nearest = (images @ centres.T * 2 - (centres**2).sum(axis=1)).argmax(axis=1)
    assert 0.75 < (nearest == labels).mean() < 0.9


def test_cells_that_a_data_set_does_not_fit_are_left_out() -> None:
    with pytest.raises(FFNNError, match="digits has 64 pixels an image, not 784"):
        fitting_cells([Cell("784-64-10", 32)], load("digits"))
    cells = [Cell("784-64-10", 32), Cell("784-64-10", 64)]
    assert fitting_cells(cells, None) == cells
