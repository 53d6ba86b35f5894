"""Generated CUDA kernels, run by the emulator, against NumPy: every formula of the package, alone and in stacks."""

from typing import Any

import numpy as np
import pytest
from backend.emulated import EMULATOR, EmulatedEngine, Emulator, needs_compiler
from backend.kernel_cases import CASES, MANY_SETTINGS, SETTINGS, Case, Setting, assert_agree, run_case

from ffnn.backend import create_engine, cuda_launch
from ffnn.backend.engine import Engine
from ffnn.backend.formulas import value_itself
from ffnn.backend.vocabulary import row_argmax, row_map, row_max, uniform
from ffnn.nn import (
    GELU,
    Adam,
    BatchNorm,
    ClipNorm,
    Dropout,
    L2Penalty,
    Linear,
    Network,
    Objective,
    SoftmaxCrossEntropy,
    Tanh,
)  # fmt: skip

pytestmark = needs_compiler
both_types = pytest.mark.parametrize("dtype", ["float32", "float64"])


@pytest.fixture(scope="module")
def engines() -> dict[str, Engine]:
    """One engine of each type, whose kernels of all cases are compiled together."""
    made: dict[str, Engine] = {dtype: EmulatedEngine(dtype) for dtype in ("float32", "float64")}
    EMULATOR.rehearsing = True
    for engine in made.values():
        for case in CASES:
            for setting in SETTINGS:
                run_case(engine, case, setting)
        rehearse_the_rest(engine)
    EMULATOR.rehearsing = False
    return made


def rehearse_the_rest(engine: Engine) -> None:
    """Kernels of the other tests."""
    out, rows, total = engine.zeros((4, 9)), np.zeros(4, np.int64), np.zeros(1)
    for kind in (np.uint8, np.int32, np.int64, np.float32, np.float64):
        pool = np.zeros((4, 9), kind)
        engine.gather(value_itself)(out, pool, rows, ())
        engine.warp(pool, rows, (3, 3, 1), engine.zeros((4, 2, 3, 3)), out)
        if kind in (np.uint8, np.int32, np.int64):
            engine.one_hot(rows.astype(kind), 1.0, 0.0, out)
    for formula in (largest, place_of_largest):
        engine.rows(formula)((out, total), (out,), ())
    engine.square_sum(out, total)
    engine.argmax(out)


@both_types
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_kernel_equals_numpy(case: Case, dtype: str, engines: dict[str, Engine]) -> None:
    for setting in SETTINGS:
        expected = run_case(create_engine("numpy", dtype), case, setting)
        assert_agree(run_case(engines[dtype], case, setting), expected, dtype, setting)


@pytest.mark.slow
@both_types
@pytest.mark.parametrize("setting", MANY_SETTINGS, ids=str)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_kernel_of_many_values_equals_numpy(
    case: Case, setting: Setting, dtype: str, engines: dict[str, Engine]
) -> None:
    expected = run_case(create_engine("numpy", dtype), case, setting)
    assert_agree(run_case(engines[dtype], case, setting), expected, dtype, setting)


@pytest.mark.parametrize("case", [case for case in CASES if case.kind in ("rows", "columns")], ids=str)
def test_the_order_of_threads_and_blocks_changes_no_bit(case: Case, engines: dict[str, Engine]) -> None:
    """Else a barrier is missing, or a sum depends on who comes first."""
    for setting in (Setting((131, 37), cells=True), Setting((70, 33), 3)):
        forwards = run_case(engines["float32"], case, setting)
        EMULATOR.backwards = True
        try:
            backwards = run_case(engines["float32"], case, setting)
        finally:
            EMULATOR.backwards = False
        for one, other in zip(forwards, backwards, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_member_equals_the_network_alone_to_the_bit(case: Case, engines: dict[str, Engine]) -> None:
    """Whatever the number of members, a sum is split into the same parts."""
    setting = Setting((131, 37))
    alone = run_case(engines["float32"], case, setting)
    stacked = run_case(engines["float32"], case, Setting((131, 37), 1))
    for one, other in zip(alone, stacked, strict=True):
        np.testing.assert_array_equal(one, other.reshape(one.shape))


@pytest.mark.parametrize("key", [0, 2**31, 2**32 - 1])
@pytest.mark.parametrize("as_cell", [False, True])
def test_uniform_is_that_of_numpy_bit_by_bit(key: int, as_cell: bool, engines: dict[str, Engine]) -> None:
    engine = engines["float32"]
    index = np.concatenate([np.arange(5000), np.arange(2**32 - 500, 2**32)]).astype(np.uint32)[None]
    out = engine.empty(index.shape)
    given: Any = engine.array([key], np.uint32) if as_cell else np.uint32(key)
    engine.elementwise(numbered)((out,), (engine.array(index, np.uint32),), (given,))
    np.testing.assert_array_equal(out.view(np.uint32), uniform(index, key).view(np.uint32))


def numbered(index: Any, key: Any) -> Any:
    return uniform(index, key)


def largest(values: Any, out: Any) -> Any:
    row_map(value_itself, out, values)
    return row_max(out)


def place_of_largest(values: Any, out: Any) -> Any:
    row_map(value_itself, out, values)
    return row_argmax(out)


def test_ties_and_nan_in_rows(engines: dict[str, Engine]) -> None:
    engine = engines["float64"]
    rng = np.random.default_rng(1)
    lines = [rng.integers(0, 5, 70).astype(float) for _ in range(6)]
    for place in (0, 3, 31, 32, 69):
        lines.append(np.where(np.arange(70) == place, np.nan, 1.0))
    lines += [np.full(70, -np.inf), np.full(70, np.nan), np.ones(1), np.arange(40.0), -np.arange(40.0)]
    for line in lines:
        for formula, reference in ((largest, np.max), (place_of_largest, np.argmax)):
            out, number = engine.empty((1, len(line))), engine.empty((1,), np.float64)
            for EMULATOR.backwards in (True, False):  # the first value is written by one lane and read by all
                out[...] = 9
                engine.rows(formula)((out, number), (engine.array(line[None]),), ())
                np.testing.assert_array_equal(number, [reference(line)])
        np.testing.assert_array_equal(engine.argmax(engine.array(line[None])), [np.argmax(line)])


@both_types
@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64, np.int64])
def test_gathering(kind: type, dtype: str, engines: dict[str, Engine]) -> None:
    rng = np.random.default_rng(2)
    pool = rng.integers(0, 256, (20, 45)).astype(kind)
    indices = np.array([19, 3, 3, 0, 7])
    engine = engines[dtype]
    out = engine.empty((5, 45))
    engine.gather(value_itself)(out, pool, indices, ())
    np.testing.assert_array_equal(out, pool[indices])
    pools, each = rng.integers(0, 256, (3, 20, 45)).astype(kind), rng.integers(0, 20, (3, 5))
    for some_pool in (pools, pools[:1]):
        for some_indices in (each, each[:1]):
            stack = engine.empty((3, 5, 45))
            engine.stacked_kernel("gather", value_itself)(stack, some_pool, some_indices, ())
            for n in range(3):
                one = some_pool[n % len(some_pool)][some_indices[n % len(some_indices)]]
                np.testing.assert_array_equal(stack[n], one)


def test_gathering_whole_numbers_loses_none(engines: dict[str, Engine]) -> None:
    """Rows of an epoch are int64: beyond 2**24 a float32 would round them."""
    pool = (2**40 + np.arange(30, dtype=np.int64)).reshape(30, 1)
    out = np.empty((4, 1), np.int64)
    engines["float32"].gather(value_itself)(out, pool, np.array([29, 0, 3, 3]), ())
    np.testing.assert_array_equal(out[:, 0], 2**40 + np.array([29, 0, 3, 3]))


@both_types
@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.int64])
def test_one_hot_writes_nan_over_a_row_without_a_class(kind: Any, dtype: str, engines: dict[str, Engine]) -> None:
    out = engines[dtype].empty((3, 4))
    labels = np.array([3, 200 if kind is np.uint8 else -1, 0], kind)
    engines[dtype].one_hot(labels, 0.75, 0.25, out)
    np.testing.assert_array_equal(
        out, [[0.25, 0.25, 0.25, 0.75], [np.nan, np.nan, np.nan, np.nan], [0.75, 0.25, 0.25, 0.25]]
    )


@both_types
@pytest.mark.parametrize("shape", [(1,), (1023,), (7, 5), (3000, 31)], ids=str)
def test_square_sums_are_taken_in_float64(shape: tuple[int, ...], dtype: str, engines: dict[str, Engine]) -> None:
    engine = engines[dtype]
    values = engine.array(np.random.default_rng(3).standard_normal(shape) * 1e20 + 1)
    assert engine.norm(values) == pytest.approx(np.linalg.norm(values.astype(np.float64).ravel()), rel=1e-12)
    values.flat[0] = np.nan
    assert np.isnan(engine.norm(values))


@both_types
@pytest.mark.parametrize("shape", [(9, 7, 1), (5, 6, 3)], ids=str)
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_warping(shape: tuple[int, int, int], kind: type, dtype: str, engines: dict[str, Engine]) -> None:
    height, width, channels = shape
    rng = np.random.default_rng(4)
    pool = rng.integers(0, 256, (11, height * width * channels)).astype(kind)
    rows = np.array([10, 0, 4, 4])
    engine, reference = engines[dtype], create_engine("numpy", dtype)
    places = engine.array(rng.uniform(-3, max(shape) + 2, (4, 2, height, width)))
    places[0] = np.floor(places[0])
    found, expected = engine.empty((4, pool.shape[1])), engine.empty((4, pool.shape[1]))
    engine.warp(pool, rows, shape, places, found)
    reference.warp(pool, rows, shape, places, expected)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-3 if dtype == "float32" else 1e-10)


# -- launching --------------------------------------------------------------------------------------


def plus(x: Any, y: Any) -> Any:
    return x + y


def test_a_second_launch_allocates_and_compiles_nothing() -> None:
    emulator = Emulator()
    emulator.rehearsing = True
    engine = EmulatedEngine("float32", emulator)
    compiled: list[str] = []
    real = emulator.compile
    emulator.compile = lambda source: compiled.append(source.name) or real(source)  # type: ignore[method-assign, func-returns-value]
    for round_ in range(3):
        for case in CASES:
            run_case(engine, case, Setting((131, 37)))
        if round_ == 0:
            allocated, sources, launches = emulator.allocated, len(compiled), len(emulator.launches)
    assert allocated
    assert (emulator.allocated, len(compiled)) == (allocated, sources)
    assert len(emulator.launches) == 3 * launches
    # Another shape needs scratch of its own, and no other source.
    run_case(engine, next(case for case in CASES if case.kind == "columns"), Setting((300, 37)))
    assert emulator.allocated > allocated
    assert len(set(compiled)) == len(set(compiled[:sources]))


def test_grids_stay_within_what_a_device_takes() -> None:
    emulator = Emulator()
    emulator.rehearsing = True
    engine = EmulatedEngine("float32", emulator)
    tall = np.lib.stride_tricks.as_strided(np.zeros(1, np.float32), (2**24, 3), (12, 4), writeable=False)
    members = np.lib.stride_tricks.as_strided(np.zeros(1, np.float32), (70_000, 4, 3), (48, 12, 4), writeable=False)
    total = np.zeros((70_000, 1))
    engine.elementwise(value_itself)((tall,), (tall,), ())
    engine.elementwise(plus)((tall,), (tall, np.zeros(3, np.float32)), ())
    engine.columns(value_itself)((np.zeros(3, np.float32),), (tall,), ())
    for kind in ("elementwise", "update"):
        inputs = (members,) if kind == "elementwise" else ()
        engine.stacked_kernel(kind, value_itself)((members,), inputs, ())
    engine.stacked_kernel("columns", value_itself)((np.zeros((70_000, 3), np.float32),), (members,), ())
    engine.stacked_kernel("rows", largest)((members, total), (members,), ())
    assert len(emulator.launches) == 7  # the emulator looks at every grid


def test_more_members_than_a_grid_has_places(engines: dict[str, Engine]) -> None:
    members = 66_000
    values = np.arange(members * 2, dtype=np.float32).reshape(members, 2)
    engines["float32"].stacked_kernel("update", value_plus_one)((values,), (), ())
    np.testing.assert_array_equal(values, np.arange(members * 2).reshape(members, 2) + 1)


@pytest.mark.parametrize("case", [case for case in CASES if case.kind in ("rows", "columns")], ids=str)
def test_blocks_that_take_several_members_keep_them_apart(
    case: Case, engines: dict[str, Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuda_launch, "MOST_ALONG_Y", 2)
    for setting in (Setting((70, 33), 5), Setting((40, 33), 5)):  # column sums of two parts, and of one
        expected = run_case(create_engine("numpy", "float64"), case, setting)
        for EMULATOR.backwards in (True, False):
            assert_agree(run_case(EmulatedEngine("float64"), case, setting), expected, "float64", setting)


def value_plus_one(x: Any) -> Any:
    return x + 1.0


def test_empty_arrays(engines: dict[str, Engine]) -> None:
    engine = engines["float32"]
    nothing, out = engine.empty((0, 3)), engine.array([7.0, 7.0, 7.0])
    launches = len(EMULATOR.launches)
    engine.elementwise(plus)((nothing,), (nothing, out), ())
    engine.gather(value_itself)(nothing, engine.empty((5, 3)), np.empty(0, np.int64), ())
    assert len(EMULATOR.launches) == launches
    engine.columns(value_itself)((out,), (nothing,), ())
    np.testing.assert_array_equal(out, [0, 0, 0])
    total = np.full(1, 7.0)
    engine.rows(largest)((nothing, total), (nothing,), ())
    assert total[0] == 0


def test_arrays_that_do_not_fit_are_refused(engines: dict[str, Engine]) -> None:
    engine = engines["float32"]
    matrix, other = engine.zeros((4, 3)), engine.zeros((4, 5))
    with pytest.raises(ValueError, match=r"needs arrays \(4, 3\).*received \(4, 5\)"):
        engine.elementwise(plus)((matrix,), (matrix, other), ())
    with pytest.raises(ValueError, match="values of a row side by side"):
        engine.elementwise(plus)((matrix,), (matrix, np.zeros((3, 4), np.float32).T), ())
    with pytest.raises(ValueError, match="one value for each of 4 rows"):
        engine.rows(largest_weighed)((matrix, np.zeros(1)), (matrix, np.zeros(5, np.float32)), ())
    with pytest.raises(ValueError, match="every output needs all members"):
        engine.stacked_kernel("update", plus)((matrix[None],), (np.zeros((3, 4, 3), np.float32),), ())
    with pytest.raises(TypeError, match=r"use where\(condition, yes, no\)"):
        engine.elementwise(branches)((matrix,), (matrix,), ())


def largest_weighed(values: Any, weight: Any, out: Any) -> Any:
    row_map(value_itself, out, values)
    return weight * row_max(values)


def branches(x: Any) -> Any:
    return x if x > 0.0 else -x


# -- a whole network --------------------------------------------------------------------------------


def train(engine: Engine, steps: int) -> tuple[list[float], np.ndarray]:
    """Losses and final parameters of a network with everything that draws, sums and clips."""
    rng = np.random.default_rng(6)
    layers = [Linear(33, bias=False), BatchNorm(), GELU(), Dropout(0.2), Linear(8), Tanh(), Linear(5)]
    network = Network(layers, 9, engine, seed=2)
    objective = Objective(network, SoftmaxCrossEntropy(label_smoothing=0.1), L2Penalty(1e-3))
    adam, clip = Adam(0.01), ClipNorm(1.0)
    adam.connect(network.parameters)
    inputs, labels = engine.array(rng.standard_normal((70, 9))), engine.array(rng.integers(0, 5, 70), np.int64)
    losses = []
    for _ in range(steps):
        losses.append(objective.gradients(inputs, labels))
        clip.apply(network.parameters)
        adam.step()
    return losses, np.array(engine.host(network.parameters.values))


@both_types
def test_a_network_trains_as_on_numpy(dtype: str) -> None:
    EMULATOR.rehearsing = True
    with EmulatedEngine(dtype).quiet():
        train(EmulatedEngine(dtype), 1)
    EMULATOR.rehearsing = False
    losses, weights = train(EmulatedEngine(dtype), 20)
    expected_losses, expected_weights = train(create_engine("numpy", dtype), 20)
    assert losses[-1] < 0.75 * losses[0]
    tolerance = 1e-9 if dtype == "float64" else 1e-3
    np.testing.assert_allclose(losses, expected_losses, rtol=tolerance)
    np.testing.assert_allclose(weights, expected_weights, atol=tolerance)
