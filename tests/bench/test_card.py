"""What a card can do and what a step must: by numbers worked out by hand, and measured on the CPU as on a GPU."""

from types import SimpleNamespace

import pytest

from ffnn.backend import create_engine
from ffnn.bench import card as cards
from ffnn.bench.arithmetic import ASSUMED, bounds, parameter_count, step_bytes, step_flops, step_launches
from ffnn.bench.card import Card, Sizes, best_seconds, measure, measure_card
from ffnn.bench.limits import floor_lines, floor_record, floor_table
from ffnn.bench.results import CellResult
from ffnn.bench.work import NETWORKS, Cell
from ffnn.errors import FFNNError

CARD = Card(bandwidth=2e12, rate=5e13, launch_seconds=1.5e-6, waiting_launch_seconds=4e-6)
M1G = Cell("784-400-240-120-47", 512)


def test_what_a_step_of_m1g_must_do() -> None:
    assert parameter_count(M1G.description) == 444_847
    # 512 images of 784 bytes and 16 more; weights, biases and two slots of each, in and out as 4 bytes.
    assert step_bytes(M1G) == 512 * 800 + 444_847 * 3 * 8
    # Weights: 784 * 400 = 313600 without input gradients; 96000 + 28800 + 5640 = 130440 with them.
    assert step_flops(M1G) == 2 * 512 * (2 * 313_600 + 3 * 130_440)
    # 4 forward, 4 of weights, 3 of inputs; gathering, loss, update.
    assert step_launches(M1G) == 14


def test_parameters_are_those_of_the_network() -> None:
    for description in NETWORKS.values():
        state = {k: v for k, v in description.initial_state(0).items() if not k.split(".")[1].startswith("running")}
        assert parameter_count(description) == sum(value.size for value in state.values())


def test_bounds_are_quotients_and_the_largest_counts() -> None:
    found = bounds(M1G, CARD)
    # 11,085,928 bytes / 2e12; 1,042,964,480 / 5e13; 14 * 1.5.
    assert found.by == pytest.approx({"bytes": 5.542964, "FLOPs": 20.8592896, "launches": 21.0})
    assert found.tightest == "launches"
    result = CellResult(M1G, 5120, {"ffnn-cupy": [420e-6]})  # 10 steps
    table = floor_table([result, CellResult(M1G, 5120, {})], ["ffnn-cupy", "pytorch-gpu"], CARD)
    assert list(table.headings) == ["network", "batch", "ffnn-cupy µs", "bytes", "FLOPs", "launches", "/ largest"]
    assert table.rows[0] == ["784-400-240-120-47", "512", "42.0", "5.5", "20.9", "21.0", "2.00 (launches)"]
    assert table.rows[1] == ["784-400-240-120-47", "512", "-", "5.5", "20.9", "21.0", "-"]
    assert floor_record([result], CARD)[0]["microseconds"]["launches"] == pytest.approx(21.0)


def test_every_bound_says_what_it_assumes() -> None:
    lines = floor_lines(CARD)
    assert "2000 GB/s" in lines[0]
    assert "50.0 TFLOP/s" in lines[0]
    assert "1.50 µs an empty kernel in a recording, 4.00 µs" in lines[0]
    assert [line.partition(":")[0] for line in lines[1:]] == list(ASSUMED) == list(bounds(M1G, CARD).by)


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_a_card_is_measured_through_the_engine(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = Sizes(values=1000, side=20, kernels=7)
    done: list[str] = []

    def timed(work, wait, tries=1) -> float:
        work()
        wait()
        done.append("")
        return [0.5, 0.25, 0.7, 1.4][len(done) - 1]

    monkeypatch.setattr(cards, "best_seconds", timed)
    found = measure(create_engine(engine, "float32"), sizes)
    # 2 * 4000 bytes in 0.5 s; 2 * 8000 operations in 0.25 s; 7 kernels in 0.7 s and 1.4 s.
    assert found == Card(16_000, 64_000, pytest.approx(0.1), pytest.approx(0.2))


def test_real_measurements_are_of_a_sane_size() -> None:
    found = measure(create_engine("numpy", "float32"), Sizes(values=2**18, side=128, kernels=10))
    assert 1e8 < found.bandwidth < 1e13
    assert 1e7 < found.rate < 1e14
    assert 1e-9 < found.launch_seconds < 1e-2


def test_the_best_of_several_tries_counts_without_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = iter([0.1, 9.0, 2.0, 3.0])
    now = {"time": 0.0, "unseen": 0.0}

    def work() -> None:
        now["unseen"] = next(lengths)

    def wait() -> None:
        now["time"] += now.pop("unseen", 0.0)

    monkeypatch.setattr(cards, "time", SimpleNamespace(perf_counter=lambda: now["time"]))
    assert best_seconds(work, wait, tries=3) == 2.0


def test_a_card_that_cannot_be_measured_is_one_line() -> None:
    with pytest.raises(FFNNError, match=r"^the card could not be measured: .*unknown engine 'cpy'[^\n]*$"):
        measure_card("cpy", 60)
    with pytest.raises(FFNNError, match=r"not measured within 0\.01 s"):
        measure_card("numpy", 0.01)
