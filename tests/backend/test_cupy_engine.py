"""The GPU engine: on a GPU where there is one (marker gpu), and on the stand-in for CuPy everywhere."""

from typing import Any

import numpy as np
import pytest
from backend.emulated import EMULATOR
from backend.gpu import without_gpu
from backend.kernel_cases import CASES, SETTINGS, Case, assert_agree, run_case
from backend.stand_in import Device, stand_in_device

from ffnn.backend import create_engine, cupy_engine
from ffnn.backend.engine import Engine
from ffnn.backend.formulas import product, value_itself
from ffnn.backend.host_pool import HostPool
from ffnn.backend.vocabulary import uniform
from ffnn.data.batches import normalized_pixel
from ffnn.errors import FFNNError
from ffnn.nn import (
    GELU,
    Adam,
    BatchNorm,
    ClipNorm,
    Dropout,
    FocalLoss,
    L2Penalty,
    Linear,
    Network,
    Objective,
    SoftmaxCrossEntropy,
    Tanh,
)

both_types = pytest.mark.parametrize("dtype", ["float32", "float64"])


@pytest.mark.gpu
@both_types
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_kernel_equals_numpy(case: Case, dtype: str) -> None:
    reason = without_gpu()
    if reason:
        pytest.skip(reason)
    for setting in SETTINGS:
        expected = run_case(create_engine("numpy", dtype), case, setting)
        assert_agree(run_case(create_engine("cupy", dtype), case, setting), expected, dtype, setting)


@both_types
def test_arrays_come_and_go(device: Device | None, dtype: str) -> None:
    engine = create_engine("cupy", dtype)
    host = np.arange(6.0).reshape(2, 3)
    array = engine.array(host)
    host[0, 0] = 50
    assert engine.host(array).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert engine.host(array).dtype == dtype
    assert engine.host(engine.zeros((2, 2))).tolist() == [[0, 0], [0, 0]]
    assert engine.host(host) is host  # a counter that lives on the host
    assert engine.read(engine.array([2.5], np.float64)) == 2.5
    assert engine.host(engine.share(np.array([[1, 255]], np.uint8))).tolist() == [[1, 255]]
    array[...] = 7
    assert (engine.host(array) == 7).all()


@both_types
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 5, 3), (7, 6, 1), (33, 17, 29)], ids=str)
def test_products(device: Device | None, dtype: str, shape: tuple[int, int, int]) -> None:
    engine = create_engine("cupy", dtype)
    m, k, n = shape
    rng = np.random.default_rng(5)
    for members in ((), (3,)):
        a, b = rng.standard_normal((*members, m, k)), rng.standard_normal((*members, k, n))
        lefts = [(engine.array(a), a), (engine.array(a.swapaxes(-1, -2).copy()).swapaxes(-1, -2), a)]
        lefts += [(engine.array(a[:1]), a[:1])] if members else []
        for left, left_values in lefts:
            for right in (engine.array(b), engine.array(b.swapaxes(-1, -2).copy()).swapaxes(-1, -2)):
                out = engine.zeros((*members, m + 2, n))
                rows = out[:, :m] if members else out[:m]
                engine.matmul(left, right, rows)
                np.testing.assert_allclose(
                    engine.host(rows), left_values @ b, atol=1e-4 if dtype == "float32" else 1e-12
                )


@both_types
def test_fixed_operations(device: Device | None, dtype: str) -> None:
    engine, reference = create_engine("cupy", dtype), create_engine("numpy", dtype)
    rng = np.random.default_rng(7)
    values = rng.standard_normal((3, 40, 11)).astype(dtype)
    np.testing.assert_array_equal(engine.host(engine.argmax(engine.array(values[0]))), values[0].argmax(1))
    np.testing.assert_array_equal(engine.host(engine.argmax(engine.array(values))), values.argmax(2))
    assert engine.norm(engine.array(values)) == pytest.approx(reference.norm(values), rel=1e-12)
    squares = engine.empty((3, 1), np.float64)
    engine.square_sum(engine.array(values.reshape(3, -1)), squares)
    np.testing.assert_allclose(engine.host(squares)[:, 0], np.square(values, dtype=np.float64).sum((1, 2)), rtol=1e-12)
    flat = values.reshape(-1)
    bounds = [(0, 7), (3, 1000), (1319, 1320)]
    np.testing.assert_allclose(engine.moments(engine.array(flat), bounds), reference.moments(flat, bounds), rtol=1e-6)
    out = engine.empty((2, 3, 4))
    engine.one_hot(engine.array([[3, 0, 9]], np.int64), 0.75, 0.25, out)
    expected = [[0.25, 0.25, 0.25, 0.75], [0.75, 0.25, 0.25, 0.25], [np.nan] * 4]
    np.testing.assert_array_equal(engine.host(out), [expected, expected])


def numbered(index: Any, key: Any) -> Any:
    return uniform(index, key)


def test_uniform_is_that_of_numpy_bit_by_bit(device: Device | None) -> None:
    engine = create_engine("cupy")
    index = np.arange(2**32 - 3000, 2**32).astype(np.uint32)[None]
    for key in (0, 123456789, 2**32 - 1):
        out = engine.empty(index.shape)
        engine.elementwise(numbered)((out,), (engine.array(index, np.uint32),), (np.uint32(key),))
        np.testing.assert_array_equal(engine.host(out).view(np.uint32), uniform(index, key).view(np.uint32))


# -- networks ---------------------------------------------------------------------------------------


class Training:
    """A network with everything that draws, sums and clips, one batch, and its steps."""

    def __init__(self, engine: Engine, loss: Any = None) -> None:
        rng = np.random.default_rng(6)
        layers = [Linear(33, bias=False), BatchNorm(), GELU(), Dropout(0.2), Linear(8), Tanh(), Linear(5)]
        self.engine, self.network = engine, Network(layers, 9, engine, seed=2)
        self.objective = Objective(self.network, loss or SoftmaxCrossEntropy(label_smoothing=0.1), L2Penalty(1e-3))
        self.adam, self.clip = Adam(0.01), ClipNorm(1.0)
        self.adam.connect(self.network.parameters)
        self.batch = engine.array(rng.standard_normal((70, 9))), engine.array(rng.integers(0, 5, 70), np.int64)

    def step(self) -> float:
        loss = self.objective.gradients(*self.batch)
        self.clip.apply(self.network.parameters)
        self.adam.step()
        return loss

    def values(self) -> np.ndarray:
        return np.array(self.engine.host(self.network.parameters.values))


@pytest.fixture
def rehearsed(device: Device | None) -> Device | None:
    """The device, with the kernels of `Training` waiting to be compiled together."""
    if device is not None:
        EMULATOR.rehearsing = True
        with np.errstate(all="ignore"):
            for dtype in ("float32", "float64"):
                Training(create_engine("cupy", dtype)).step()
        EMULATOR.rehearsing = False
    return device


@both_types
def test_a_network_trains_as_on_numpy(rehearsed: Device | None, dtype: str) -> None:
    trained = [Training(create_engine(name, dtype)) for name in ("numpy", "cupy", "cupy")]
    losses = [[each.step() for _ in range(10)] for each in trained]
    tolerance = 1e-9 if dtype == "float64" else 1e-3
    np.testing.assert_allclose(losses[1], losses[0], rtol=tolerance)
    np.testing.assert_allclose(trained[1].values(), trained[0].values(), atol=tolerance)
    assert losses[1] == losses[2]
    np.testing.assert_array_equal(trained[1].values(), trained[2].values())


def test_states_go_from_engine_to_engine(rehearsed: Device | None) -> None:
    """What one engine has trained, the other goes on with, dropout's count of steps included."""
    there, here = Training(create_engine("cupy", "float64")), Training(create_engine("numpy", "float64"))
    for _ in range(3):
        there.step()
    for one, other in ((there, here), (here, there)):
        other.network.load_state_dict(one.network.state_dict())
        other.adam.load_state_dict(one.adam.state_dict())
        np.testing.assert_array_equal(one.values(), other.values())
        assert one.step() == pytest.approx(other.step(), rel=1e-10)
        np.testing.assert_allclose(one.values(), other.values(), atol=1e-10)


def test_weighted_and_focal_losses_stay_on_the_device(device: Device | None) -> None:
    weights = [0.5, 1.0, 2.0, 1.0, 0.0]
    losses = [
        Training(create_engine(name, "float64"), FocalLoss(class_weights=weights)).step() for name in ("numpy", "cupy")
    ]
    assert losses[1] == pytest.approx(losses[0], rel=1e-10)


@pytest.mark.gpu
def test_a_stack_computes_what_its_networks_would_alone() -> None:
    """Up to rounding: cuBLAS may multiply a stack of matrices in another order than a single one."""
    reason = without_gpu()
    if reason:
        pytest.skip(reason)
    from training.test_stack import CASES as STACKS
    from training.test_stack import fit_together, members

    make = STACKS["all at once"]
    alone, together = (members(create_engine("cupy", "float64"), 4, make) for _ in range(2))
    for trainer in alone:
        trainer.fit()
    fit_together(together, make)
    for one, other in zip(alone, together, strict=True):
        for name, values in one.objective.network.state_dict().items():
            np.testing.assert_allclose(other.objective.network.state_dict()[name], values, rtol=1e-8, atol=1e-8)


# -- images that stay on the host -----------------------------------------------------------------


@pytest.mark.parametrize("on_host", [False, True])
@pytest.mark.parametrize("rows_on_host", [False, True])
def test_batches_of_a_pool_wherever_it_lies(device: Device | None, on_host: bool, rows_on_host: bool) -> None:
    images = np.random.default_rng(9).integers(0, 256, (300, 12)).astype(np.uint8)
    engine = create_engine("cupy", "float64", memory_limit=0 if on_host else 10**6)
    pool = engine.share(images)
    assert isinstance(pool, HostPool) == on_host
    assert engine.shared == [  # type: ignore[attr-defined]
        "0.0 MB of uint8 values on the host, batches copied ahead: the device may hold 0.0 MB"
        if on_host
        else "0.0 MB of uint8 values on the device"
    ]
    if rows_on_host and not on_host:
        return  # rows must be where the pool is
    scale, shift = engine.array(np.arange(12.0)), engine.array(np.ones(12))
    batches = [engine.empty((size, 12)) for size in (5, 70, 70, 3, 70, 1)]
    chosen = [np.random.default_rng(n).integers(0, 300, len(batch)) for n, batch in enumerate(batches)]
    reads = device.reads if device else 0
    for rows, batch in zip(chosen, batches, strict=True):
        engine.gather(normalized_pixel)(
            batch, pool, rows if rows_on_host else engine.array(rows, np.int64), (scale, shift)
        )
    if device and rows_on_host:
        assert device.reads == reads, "the host waited for the device"
    for rows, batch in zip(chosen, batches, strict=True):
        np.testing.assert_array_equal(engine.host(batch), images[rows] * np.arange(12.0) + 1)
    # A stack, whose members share the pool and choose rows of their own.
    rows, out = np.array([[0, 299], [7, 7], [1, 2]]), engine.empty((3, 2, 12))
    given = rows if rows_on_host else engine.array(rows, np.int64)
    engine.stacked_kernel("gather", value_itself)(out, pool[None], given, ())
    np.testing.assert_array_equal(engine.host(out), images[rows])
    # Moved images.
    places = engine.array(np.random.default_rng(1).uniform(-1, 4, (2, 2, 3, 4)))
    moved, expected = engine.empty((2, 12)), np.empty((2, 12))
    given = rows[0] if rows_on_host else engine.array(rows[0], np.int64)
    engine.warp(pool, given, (3, 4, 1), places, moved)
    create_engine("numpy", "float64").warp(images, rows[0], (3, 4, 1), engine.host(places), expected)
    np.testing.assert_allclose(engine.host(moved), expected, atol=1e-9)


# -- recording --------------------------------------------------------------------------------------


def decayed(value: Any, grad: Any, rate: Any) -> Any:
    return value - rate * grad


def test_a_recording_reads_its_cells_anew(device: Device | None) -> None:
    engine = create_engine("cupy", "float64")
    value, grad, rate = engine.array([[1.0, 2.0]]), engine.array([[1.0, 10.0]]), engine.array([0.5], np.float64)
    weight, out, sums = engine.array([[1.0, 0.0], [0.0, 1.0]]), engine.zeros((1, 2)), engine.zeros((2,))

    def step() -> None:
        engine.update(decayed)((value,), (grad,), (rate,))
        engine.matmul(value, weight.T, out)
        engine.columns(value_itself)((sums,), (out,), ())

    step()
    assert engine.host(value).tolist() == [[0.5, -3.0]]
    replay = engine.capture(step)
    assert engine.host(value).tolist() == [[0.5, -3.0]], "recording runs nothing"
    replay(1)
    assert engine.host(value).tolist() == [[0.0, -8.0]]
    rate[...] = engine.array([1.0], np.float64)
    weight[...] = engine.array([[2.0, 0.0], [0.0, 1.0]])
    replay(1)
    assert engine.host(value).tolist() == [[-1.0, -18.0]]
    assert engine.host(sums).tolist() == [-2.0, -18.0]


def test_a_recording_that_fails_leaves_the_engine_usable(device: Device | None) -> None:
    engine = create_engine("cupy")
    values = engine.zeros((3,))

    def fails() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.capture(fails)
    engine.update(product)((values,), (), (1.0,))
    assert engine.host(values).tolist() == [0, 0, 0]


def test_a_step_neither_allocates_nor_reads(rehearsed: Device | None) -> None:
    """So all of it can be recorded: forward, loss, backward, clipping and the optimizer."""
    engine = create_engine("cupy", "float64")
    one, other = Training(engine), Training(engine)

    def compute(training: Training) -> None:
        network, loss = training.network, training.objective.loss
        loss.compute(network.forward(training.batch[0], training=False), training.batch[1])
        network.backward(loss.backward())
        training.clip.apply(network.parameters)
        training.adam.move((1.0, 0.01, 0.9, 0.999, 1.0, 1e-8))

    compute(one)
    compute(other)
    allocations, reads = (rehearsed.allocations, rehearsed.reads) if rehearsed else (0, 0)
    replay = engine.capture(lambda: compute(one))
    for _ in range(3):
        replay(1)
        compute(other)
    if rehearsed:
        assert (rehearsed.allocations, rehearsed.reads) == (allocations, reads)
    np.testing.assert_array_equal(one.values(), other.values())


# -- what is told to users --------------------------------------------------------------------------


def test_without_cupy_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cupy_engine, "cupy", None)
    monkeypatch.setattr(cupy_engine, "MISSING", "No module named 'cupy'", raising=False)
    with pytest.raises(
        FFNNError, match=r"needs the package cupy; received: No module.*install 'cupy-cuda12x\[ctk\]'"
    ) as told:
        create_engine("cupy")
    assert "\n" not in str(told.value)


def test_without_a_gpu_there_is_one_line() -> None:
    with stand_in_device():

        def fails() -> int:
            raise cupy_engine.cupy.cuda.runtime.CUDARuntimeError("cudaErrorNoDevice: no CUDA-capable device")

        cupy_engine.cupy.cuda.runtime.getDeviceCount = fails
        with pytest.raises(FFNNError, match=r"needs an NVIDIA GPU.*cudaErrorNoDevice.*--engine=auto"):
            create_engine("cupy")


def test_a_full_device_is_one_line_with_a_remedy() -> None:
    with stand_in_device() as device:
        engine = create_engine("cupy")
        device.free = 1000
        for ask in (lambda: engine.empty((1000,)), lambda: engine.array(np.zeros(1000))):
            with pytest.raises(FFNNError, match=r"memory is full.*smaller batch_size") as told:
                ask()
            assert "\n" not in str(told.value)


def test_an_unknown_precision_is_refused() -> None:
    with stand_in_device(), pytest.raises(FFNNError, match="float32, tf32, bf16; received 'fp8'"):
        cupy_engine.CupyEngine(precision="fp8")
