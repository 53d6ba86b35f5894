"""Threads that share the steps of a program: the bits of one thread, each piece done once, and nothing left behind."""

import threading
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits
from training.problem import clouds
from training.test_program import parts, timeless

from ffnn.backend import blas, numba_team
from ffnn.backend.formulas import value_itself
from ffnn.backend.numba_engine import NumbaEngine
from ffnn.backend.numba_team import Team, cut_kernel, cut_product
from ffnn.backend.threads import TEAMS, sharing
from ffnn.data.batches import Batches, Pool
from ffnn.errors import FFNNError
from ffnn.training.recorded import RecordedTrainer

pytestmark = pytest.mark.skipif(
    not TEAMS or blas.product("float32") is None, reason="steps are not shared on this machine"
)


def increased(value: Any, amount: Any) -> Any:
    return value + amount


CASES: dict[str, dict[str, Any]] = {
    "adam": {"hidden": [300, 70]},
    "nesterov in float64, gelu": {
        "hidden": [200], "optimizer": "nesterov", "dtype": "float64", "layers": {"activation": "gelu"},
    },
    "dropout and batch norm": {"hidden": [256], "layers": {"batch_norm": True, "dropout": 0.3}},
    "clips, penalty, average": {"hidden": [256], "clips": True, "penalty": 1e-2, "ema": 0.9, "optimizer": "lion"},
}  # fmt: skip


def trained(case: dict[str, Any], threads: int) -> RecordedTrainer:
    engine = NumbaEngine(case.get("dtype", "float32"))
    images, labels = clouds(1000)
    pool = Pool(engine, np.tile(images, 64), labels, np.full(256, 1 / 255), np.zeros(256))
    train, val = Batches(pool, np.arange(1000), 96, shuffle_seed=3), Batches(pool, np.arange(50), 50)
    objective, optimizer, plan = parts(engine, inputs=256, **case)
    trainer = RecordedTrainer(
        lambda other: parts(other, inputs=256, **case), objective, optimizer, train, val, plan, []
    )
    with sharing(engine, threads, recorded=True):
        trainer.fit()
    return trainer


@pytest.mark.parametrize("case", CASES)
def test_any_number_of_threads_trains_to_the_same_bits(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba_team, "MANY", 1000)
    one = trained(CASES[case], 1)
    for threads in (2, 3):
        other = trained(CASES[case], threads)
        assert list(map(timeless, one.history)) == list(map(timeless, other.history))
        assert np.array_equal(one.objective.network.parameters.values, other.objective.network.parameters.values)
        assert all(map(np.array_equal, one.optimizer.slots_now, other.optimizer.slots_now))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("threads", [2, 3, 7])
@pytest.mark.parametrize("sizes", [(32, 784, 400), (128, 300, 200), (784, 64, 128), (65, 500, 67), (1000, 90, 24)])
@pytest.mark.parametrize("turned", [(False, False), (True, False), (False, True)])
def test_pieces_of_a_product_have_the_bits_of_the_whole(
    sizes: tuple[int, int, int], turned: tuple[bool, bool], threads: int, dtype: str
) -> None:
    rows, inner, columns = sizes
    rng = np.random.default_rng(1)
    shapes = zip(((rows, inner), (inner, columns)), turned, strict=True)
    a, b = (rng.normal(size=s[::-1]).astype(dtype).T if t else rng.normal(size=s).astype(dtype) for s, t in shapes)
    whole, out = np.empty((rows, columns), dtype), np.full((rows, columns), np.nan, dtype)
    with threadpool_limits(1, user_api="blas"):
        np.matmul(a, b, whole)
        for piece in cut_product(a, b, out, threads):
            np.matmul(*piece)
    assert np.array_equal(out, whole)


def test_products_and_outputs_worth_it_are_cut_for_all_threads() -> None:
    a, b, out = np.ones((768, 512), np.float32), np.ones((512, 256), np.float32), np.ones((768, 256), np.float32)
    with threadpool_limits(1, user_api="blas"):
        assert len(cut_product(a, b, out, 4)) == 4
        assert len(cut_product(a[:4], b, out[:4], 4)) == 1
    vector = np.ones(100_000, np.float32)
    pieces = cut_kernel(((vector, vector), (vector,), (2.0,)), 4)
    assert [len(targets[0]) for targets, _, _ in pieces] == [25_024, 24_960, 25_024, 24_992]
    assert len(cut_kernel(((vector[:100],), (), ()), 4)) == 1


def test_what_is_not_in_row_order_or_does_not_fit_is_left_whole() -> None:
    """A piece in column order would be read with the strides of the whole, and a misfit might fit a piece."""
    matrix, vector = np.ones((200, 200)), np.ones(32768)
    assert len(cut_kernel(((matrix.T,), (matrix.T,), ()), 2)) == 1
    assert len(cut_kernel(((matrix,), (matrix.T,), ()), 2)) == 1
    assert len(cut_kernel(((vector,), (vector[:16384],), ()), 2)) == 1


def test_no_thread_is_left_behind_where_one_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    team, begun = Team(3), []

    def start(thread: threading.Thread) -> None:
        if begun:
            raise KeyboardInterrupt
        begun.append(thread)
        real(thread)

    real = threading.Thread.start
    team.offer([team.offer([])])
    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(KeyboardInterrupt), team.at_work():
        pytest.fail("nobody works with half a team")
    assert not begun[0].is_alive()


def test_a_vector_beside_a_matrix_goes_with_every_piece() -> None:
    matrix, row = np.ones((200, 200), np.float32), np.ones(200, np.float32)
    for (out,), (same, bias), _ in cut_kernel(((matrix,), (matrix, row), ()), 2):
        assert out.shape == same.shape == (100, 200)
        assert bias is row


def test_every_piece_is_done_once_however_threads_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs of a few nanoseconds, by more threads than there are cores: one lost or done twice would be counted."""
    monkeypatch.setattr(numba_team, "MANY", 1)
    engine = NumbaEngine()
    cells = [engine.zeros((64 * count,), np.float64) for count in (2, 5, 3)]

    def step() -> None:
        for array in cells:
            engine.update(increased)((array,), (), (1.0,))

    engine.threads = 4
    take = engine.capture(step)
    for _ in range(5):
        take(20_000)
    assert [set(array) for array in cells] == [{100_000.0}] * 3


def test_threads_end_with_a_program_that_complains() -> None:
    engine = NumbaEngine()
    engine.threads = 2
    before = threading.active_count()
    out, pool = engine.zeros((256, 256)), engine.zeros((300, 256))
    rows = np.arange(256)

    def step() -> None:
        engine.update(increased)((out,), (), (1.0,))
        engine.gather(value_itself)(out, pool, rows, ())

    take = engine.capture(step)
    take(3)
    rows[200] = 300
    with pytest.raises(FFNNError, match="expected arrays that fit"):
        take(3)
    assert threading.active_count() == before


def test_where_threads_cannot_make_room_one_takes_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ffnn.backend.numba_program.TEAMS", False)
    monkeypatch.setattr("ffnn.backend.numba_team.Thread", lambda **_: pytest.fail("a thread is started"))
    trained(CASES["adam"], 2)
