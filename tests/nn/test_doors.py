"""The doors of networks, losses, optimizers and batches: a wrong array is refused in words and changes nothing."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch
from backend.emulated import needs_compiler
from backend.stand_in import stand_in_device
from reference import both_engines

from ffnn.backend import create_engine
from ffnn.data.batches import Batches, Pool
from ffnn.errors import FFNNError
from ffnn.nn import Adam, BatchNorm, Dropout, Linear, MeanSquaredError, Network, Objective, ReLU, SoftmaxCrossEntropy
from ffnn.training.trainer import Plan, Trainer

X = np.random.default_rng(3).standard_normal((64, 5)).astype(np.float32)
Y = np.arange(64) % 3


def objective(engine_name: str, loss: Any = SoftmaxCrossEntropy) -> Objective:
    return Objective(Network([Linear(4), BatchNorm(), ReLU(), Linear(3)], 5, create_engine(engine_name)), loss())


def read_only(values: np.ndarray) -> np.ndarray:
    copy = values.copy()
    copy.flags.writeable = False
    return copy


BATCHES: dict[str, tuple[Any, Any, str]] = {
    "too few labels": (X, Y[:4], r"labels: expected whole numbers of shape \(64,\).*received int64 of shape \(4,\)"),
    "too many labels": (X[:4], Y, r"shape \(4,\).*received int64 of shape \(64,\)"),
    "many rows": (np.zeros((3_000_000, 5), np.float32), Y[:4], r"\(3000000,\).*received int64 of shape \(4,\)"),
    "width": (X[:, :4], Y, r"inputs: expected float32 of shape \(rows, 5\); received float32 of shape \(64, 4\)"),
    "one dimension": (X[0], Y, r"received float32 of shape \(5,\): a single row is array\[None\]"),
    "float64": (X.astype(float), Y, r"received float64 of shape \(64, 5\): engine.array\(values\) converts"),
    "byte order": (X.astype(">f4"), Y, "received >f4"),
    "integers": (X.astype(int), Y, "received int64"),
    "list": (X.tolist(), Y, r"inputs: .*received list: engine.array\(values\)"),
    "list of labels": (X, Y.tolist(), r"labels: .*received list: class numbers are engine.array"),
    "masked": (np.ma.masked_less(X, 0), Y, "as MaskedArray: take a plain array"),
    "byte order of labels": (X, Y.astype(">i8"), "received >i8"),
    "float labels": (X, Y.astype(float), r"received float64 of shape \(64,\): class numbers are"),
    "truth values": (X, Y == 1, "received bool"),
    "a column of labels": (X, Y[:, None], r"received int64 of shape \(64, 1\): labels\[:, 0\]"),
    "a column of float labels": (X, Y[:, None].astype(np.float32), r"float32 of shape \(64, 1\): labels\[:, 0\]"),
    "one-hot": (X, np.eye(3, dtype=int)[Y], r"received int64 of shape \(64, 3\): labels.argmax\(axis=1\)"),
    "no dimension": (X, np.array(1), r"received int64 of shape \(\)"),
    "empty": (X[:0], Y[:0], "received float32 of shape .0, 5.: leave an empty batch out"),
    "label 7": (X, np.where(Y == 2, 7, Y), "Label 7 found, but the network has 3 outputs: expected labels from 0 to 2"),
    "label -1": (X, Y - 1, "Label -1 found, but the network has 3 outputs"),
}


@both_engines
@pytest.mark.parametrize("case", BATCHES)
def test_a_wrong_batch_is_refused(case: str, engine_name: str) -> None:
    inputs, labels, message = BATCHES[case]
    whole = objective(engine_name)
    whole.gradients(X, Y)  # what a wrong batch would find in memory
    before = whole.network.state_dict()
    with pytest.raises(FFNNError, match=message):
        whole.gradients(inputs, labels)
    if not case.startswith("label "):  # seen where labels are used
        for name, values in whole.network.state_dict().items():
            np.testing.assert_array_equal(values, before[name])


@both_engines
@pytest.mark.parametrize("shape", [(64, 2), (64, 4), (3, 3), (64, 1)], ids=str)
def test_targets_have_the_outputs_shape(shape: tuple[int, int], engine_name: str) -> None:
    whole = objective(engine_name, MeanSquaredError)
    with pytest.raises(FFNNError, match=rf"targets of shape \(64, 3\); received float32 of shape \({shape[0]}, "):
        whole.gradients(X, np.zeros(shape, np.float32))


@both_engines
def test_whatever_memory_holds_the_same_values_gives_the_same_loss(engine_name: str, tmp_path: Any) -> None:
    stored = np.memmap(tmp_path / "x", np.float32, "w+", shape=X.shape)
    stored[...] = X
    expected = objective(engine_name).gradients(X, Y)
    for inputs in (read_only(X), np.asfortranarray(X), np.repeat(X, 2, axis=0)[::2], stored):
        np.testing.assert_allclose(objective(engine_name).gradients(inputs, Y), expected, rtol=1e-6)
    for labels in (read_only(Y), Y.astype(np.uint8), np.repeat(Y, 2)[::2]):
        np.testing.assert_allclose(objective(engine_name).gradients(X, labels), expected, rtol=1e-6)


CALLS: dict[str, tuple[Callable[[Objective], Any], str]] = {
    "network.forward": (lambda o: o.network.forward(X[0]), r"a single row is array\[None\]"),
    "network.backward first": (lambda o: o.network.backward(X[:, :3]), "call forward first"),
    "network.backward": (
        lambda o: (o.network.forward(X[:8]), o.network.backward(X[:4, :3])),
        r"grad_outputs: expected float32 of shape \(8, 3\); received float32 of shape \(4, 3\)",
    ),
    "objective.backward first": (lambda o: o.backward(64), "call forward first"),
    "objective.backward": (lambda o: (o.forward(X, Y), o.backward(4)), "batch_size: expected 64.*received 4"),
    "loss.forward": (lambda o: o.loss.forward(X, Y), r"outputs: expected float32 of shape \(rows, 3\)"),
    "loss unconnected": (lambda o: SoftmaxCrossEntropy().forward(X, Y), r"a loss needs its network: Objective\("),
    "step unconnected": (lambda o: Adam().step(), r"call optimizer.connect\(network.parameters\) first"),
    "predict one row": (lambda o: o.network.predict(X[0]), r"expected shape \(rows, 5\); received \(5,\): .*\[None\]"),
    "predict width": (lambda o: o.network.predict(X[:, :4]), r"received \(64, 4\)"),
    "predict text": (lambda o: o.network.predict(np.full((1, 5), "a")), "expected numbers; received <U1"),
    "predict 1e39": (
        lambda o: o.network.predict(np.full((2, 5), 1e39)),
        r"float32; received 1e\+39 in row 0",
    ),
    "predict nan": (lambda o: o.network.predict(np.full((2, 5), np.nan)), "finite values of float32; received nan"),
}


@both_engines
@pytest.mark.parametrize("call", CALLS)
def test_a_wrong_call_is_refused(call: str, engine_name: str) -> None:
    make, message = CALLS[call]
    with pytest.raises(FFNNError, match=message):
        make(objective(engine_name))


@both_engines
def test_predict_takes_lists_and_no_rows(engine_name: str) -> None:
    network = objective(engine_name).network
    np.testing.assert_array_equal(network.predict(X[:3].tolist()), network.predict(X[:3]))
    assert network.predict(X[:0]).shape == (0, 3)
    network.parameters.values[...] = 1e30
    with pytest.raises(FFNNError, match=r"the outputs for row \d+ are not finite"):
        network.predict(X)


class Table:
    """As a DataFrame: it has a shape and no one type."""

    def __init__(self, values: Any) -> None:
        self.values = np.array(values, object)
        self.shape = self.values.shape

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        text = any(isinstance(value, str) for value in self.values.flat)
        return self.values if text else self.values.astype(float)


def test_predict_takes_a_tensor_and_a_table() -> None:
    network = objective("numpy").network
    expected = network.predict(X[:3])
    np.testing.assert_array_equal(network.predict(torch.tensor(X[:3])), expected)
    np.testing.assert_array_equal(network.predict(Table(X[:3])), expected)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([[1.0], [1.0, 2.0]], "expected an array; received list"),
        (Table([[1.0, "text"]]), r"expected numbers; received object of shape \(1, 2\), from Table"),
        (torch.zeros((1, 5), requires_grad=True), r"received torch.float\d\d of shape \(1, 5\): Can't call numpy"),
        (torch.zeros((1, 5), dtype=torch.bfloat16), "received torch.bfloat16"),
        (scipy.sparse.csr_array(np.eye(5)), "expected numbers; received object of shape .*, from csr_array"),
        ("text", "expected numbers; received <U4"),
        (None, "expected numbers; received object"),
    ],
    ids=["ragged", "table with text", "tensor with a gradient", "bfloat16", "sparse", "text", "None"],
)
def test_predict_refuses_what_makes_no_numbers(inputs: Any, message: str) -> None:
    with pytest.raises(FFNNError, match=message) as caught:
        objective("numpy").network.predict(inputs)
    assert "\n" not in str(caught.value)


def test_a_network_is_shown_in_a_line() -> None:
    network = Network([Linear(4), ReLU(), Linear(3)], 5, create_engine("numpy"))
    layers = "Linear(units=4, bias=True), ReLU(), Linear(units=3, bias=True)"
    assert repr(network) == f"Network([{layers}], input_size=5): 39 parameters, NumpyEngine('float32')"


def trainer(labels: np.ndarray, features: int = 5, engine: Any = None) -> Trainer:
    whole = objective("numpy")
    engine = engine or whole.network.engine
    images = np.zeros((20, features), np.uint8)
    batches = Batches(Pool(engine, images, labels, np.ones(features), np.zeros(features)), np.arange(20), 8)
    return Trainer(whole, Adam(), batches, batches, Plan(1))


TRAINERS: dict[str, tuple[Callable[[], Any], str]] = {
    "label": (lambda: trainer(np.full(20, 7)), "Label 7 found, but the network has 3 outputs"),
    "features": (lambda: trainer(Y[:20], 6), "expected batches of 5 features in float32.*received 6"),
    "engine": (lambda: trainer(Y[:20], engine=create_engine("numpy", "float64")), "received 5 in float64"),
    "columns": (lambda: trainer(Y[:20, None]), r"whole numbers of shape \(rows,\).*int64 of shape \(20, 1\)"),
    "one-hot": (lambda: trainer(np.eye(3)[Y[:20]]), r"float64 of shape \(20, 3\)"),
    "length": (lambda: trainer(Y[:19]), r"uint8 of shape \(20, 5\) and int64 of shape \(19,\)"),
}


@pytest.mark.parametrize("case", TRAINERS)
def test_a_trainer_refuses_batches_that_do_not_fit_its_network(case: str) -> None:
    make, message = TRAINERS[case]
    with pytest.raises(FFNNError, match=message):
        make()


@pytest.mark.parametrize(
    ("rows", "size", "message"),
    [
        ([0, 20], 8, "expected 0 to 19.*received 20"),
        ([-1], 8, "received -1"),
        ([], 8, "at least one"),
        ([0.5], 8, "whole numbers; received float64"),
        ([0], 0, "batch_size must be a whole number"),
    ],
)
def test_batches_refuse_rows_that_the_pool_has_not(rows: list[int], size: int, message: str) -> None:
    pool = Pool(create_engine("numpy"), np.zeros((20, 5), np.uint8), Y[:20], np.ones(5), np.zeros(5))
    with pytest.raises(FFNNError, match=message):
        Batches(pool, np.array(rows, None if rows else int), size)


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("case", ["too few labels", "float labels", "a column of labels", "width", "label 7"])
def test_a_device_refuses_a_wrong_batch_too(case: str) -> None:
    inputs, labels, message = BATCHES[case]
    with stand_in_device():
        whole = objective("cupy")
        engine = whole.network.engine
        with pytest.raises(FFNNError, match=message):
            whole.gradients(engine.array(inputs), engine.array(labels, labels.dtype))


@pytest.mark.parametrize("batch_size", [0, -1, 1.5, True])
def test_predictions_are_made_in_batches_of_at_least_one_row(batch_size: Any) -> None:
    """With a step of -1 no batch is computed, and the memory that was asked for would be the answer."""
    with pytest.raises(FFNNError, match="batch_size must be a whole number of at least 1"):
        Network([Linear(3)], 5).predict(X, batch_size)


@both_engines
@pytest.mark.parametrize("kind", [object, complex, ">f4", ">i2", np.float16, np.longdouble, "U1"], ids=str)
def test_a_pool_refuses_values_that_compiled_code_cannot_read(kind: Any, engine_name: str) -> None:
    engine, ones = create_engine(engine_name), np.ones(5)
    with pytest.raises(FFNNError, match="the images of a pool: expected float32, float64 or whole numbers; received"):
        Pool(engine, np.zeros((64, 5)).astype(kind), Y, ones, ones)
    with pytest.raises(FFNNError, match="the shift of a pool: expected float32, float64 or whole numbers; received"):
        Pool(engine, np.zeros((64, 5)), Y, ones, ones.astype(kind))


@both_engines
@pytest.mark.parametrize("kind", [np.int64, bool, np.float64], ids=str)
def test_a_pool_takes_numbers(kind: Any, engine_name: str) -> None:
    engine = create_engine(engine_name)
    images = (np.arange(320).reshape(64, 5) % 7).astype(kind)
    inputs, _ = next(Batches(Pool(engine, images, Y, np.full(5, 2.0), np.ones(5)), np.arange(64), 64).epoch())
    np.testing.assert_array_equal(inputs, images * 2.0 + 1.0)


@pytest.mark.parametrize(
    ("drawn", "message"),
    [
        (np.arange(8) / 2, "received float64"),
        (np.arange(8) > 3, "received bool"),
        (np.arange(8) + 1, "received 1 to 8"),
        (np.arange(8) - 1, "received -1 to 6"),
        (np.arange(8).astype(str), "received <U"),
        (np.arange(7), r"expected 8 places, as many as rows; received int64 of shape \(7,\)"),
    ],
)
def test_a_sampler_draws_places(drawn: Any, message: str) -> None:
    pool = Pool(create_engine("numpy"), np.zeros((20, 5), np.uint8), Y[:20], np.ones(5), np.zeros(5))
    batches = Batches(pool, np.arange(8), 4, shuffle_seed=0, sampler=lambda labels, rng: drawn)
    with pytest.raises(FFNNError, match=f"a sampler: .*{message}"):
        batches.order(0)


def test_numbers_of_numpy_are_numbers() -> None:
    """They come from a search, a file or an array, and are kept as Python's own."""
    pool = Pool(create_engine("numpy"), np.zeros((20, 5), np.uint8), Y[:20], np.ones(5), np.zeros(5))
    kept = [
        Batches(pool, np.arange(20), np.int64(8)).batch_size,
        Linear(np.int32(3)).units,
        Dropout(np.float32(0.5)).rate,
        Adam(learning_rate=np.float64(0.1)).learning_rate,
        Network([Linear(3)], np.int64(5), "numpy").input_size,
    ]
    assert kept == [8, 3, 0.5, 0.1, 5]
    assert [type(number) for number in kept] == [int, int, float, float, int]
    assert Network([Linear(3)], 5, "numpy").predict(X, np.int64(10)).shape == (64, 3)


@pytest.mark.parametrize("value", [True, np.True_, "3", None, 1j, np.array([3]), np.float64(3)], ids=repr)
def test_what_is_no_whole_number_is_refused(value: Any) -> None:
    with pytest.raises(FFNNError, match="units must be a whole number of at least 1; received"):
        Linear(value)


@pytest.mark.parametrize("value", [True, np.True_, "0.5", None, 1j, np.array([0.5]), np.float32("nan")], ids=repr)
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(FFNNError, match=r"rate must be in \[0, 1\); received"):
        Dropout(value)


def test_a_pool_and_its_batches_take_no_lists() -> None:
    engine, ones = create_engine("numpy"), np.ones(5)
    with pytest.raises(FFNNError, match=r"a pool: expected images .*received list and int64"):
        Pool(engine, X.tolist(), Y, ones, ones)
    with pytest.raises(FFNNError, match=r"a pool: expected scale and shift of shape \(5,\); received list and float64"):
        Pool(engine, np.zeros((64, 5), np.uint8), Y, [1.0] * 5, ones)
    with pytest.raises(FFNNError, match="batches: expected row numbers, at least one; received list"):
        Batches(Pool(engine, np.zeros((64, 5), np.uint8), Y, ones, ones), [1, 2, 3], 2)
