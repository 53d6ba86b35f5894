"""Arrays that do not fit a kernel: refused in words on both engines, before a value is read or written outside them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from reference import both_engines

from ffnn.backend import create_engine
from ffnn.backend.engine import Engine
from ffnn.backend.stacked import StackedEngine
from ffnn.backend.vocabulary import row_map, row_max, row_sum
from ffnn.errors import FFNNError


def plus(a: Any, b: Any) -> Any:
    return a + b


def one_more(value: Any) -> Any:
    return value + 1.0


def copied(values: Any, weight: Any, out: Any) -> Any:
    row_map(one_more, out, values)
    return row_sum(one_more, values) + weight


def first(values: Any) -> Any:
    return row_max(values)


def floats(*shape: int, kind: Any = np.float32) -> Any:
    return np.random.default_rng(1).standard_normal(shape).astype(kind)


def doubled(value: Any) -> Any:
    return value, value + value


KERNELS: dict[str, tuple[str, Callable[..., Any], Any, str]] = {
    "too few rows": ("elementwise", plus, ([(4, 3)], [(2, 3), (3,)]), r"\(4, 3\); float32 of shape \(2, 3\)"),
    "one row": ("elementwise", plus, ([(4, 3)], [(1, 3), (3,)]), r"\(1, 3\)"),
    "one column": ("elementwise", plus, ([(4, 3)], [(4, 1), (3,)]), r"\(4, 1\)"),
    "too short a vector": ("elementwise", plus, ([(4, 3)], [(4, 3), (2,)]), r"one value for each column.*\(2,\)"),
    "a value a row": ("elementwise", plus, ([(4, 3)], [(4, 3), (4,)]), r"one value for each column.*\(4,\)"),
    "three dimensions": ("elementwise", plus, ([(4, 3, 2)], [(4, 3, 2), (2,)]), r"\(4, 3, 2\)"),
    "a target without its value": ("update", plus, ([(4, 3)], [(2, 3)]), r"\(2, 3\)"),
    "outputs of two shapes": ("elementwise", doubled, ([(3, 2), (2,)], [(3, 2)]), r"\(3, 2\), float32 of shape \(2,\)"),
    "a row beside a vector": ("elementwise", one_more, ([(3,)], [(1, 3)]), r"\(1, 3\)"),
    "targets of two shapes": ("update", plus, ([(3, 2), (2,)], []), r"\(3, 2\), float32 of shape \(2,\)"),
    "a vector to sum": ("columns", one_more, ([(3,)], [(3,)]), r"\(3,\); float32 of shape \(3,\)"),
    "no place for a sum": ("rows", first, ([(0,)], [(4, 3)]), r"last output of shape \(1,\).*\(0,\)"),
    "a place for two sums": ("rows", first, ([(2,)], [(4, 3)]), r"last output of shape \(1,\).*\(2,\)"),
    "rows without columns": ("rows", first, ([(1,)], [(3, 0)]), r"that have columns.*\(3, 0\)"),
    "matrices to sum": ("columns", plus, ([(3,)], [(4, 3), (5, 3)]), r"\(5, 3\)"),
    "too few sums": ("columns", plus, ([(2,)], [(4, 3), (4, 3)]), r"\(2,\)"),
    "rows to write": ("rows", copied, ([(3, 3), (1,)], [(4, 3), (4,)]), r"\(3, 3\)"),
    "narrow rows": ("rows", copied, ([(4, 2), (1,)], [(4, 3), (4,)]), r"\(4, 2\)"),
    "too few weights of rows": ("rows", copied, ([(4, 3), (1,)], [(4, 3), (3,)]), r"each row.*\(3,\)"),
}


@both_engines
@pytest.mark.parametrize("case", KERNELS)
def test_a_kernel_refuses_arrays_that_do_not_fit(case: str, engine_name: str) -> None:
    kind, formula, (outputs, inputs), message = KERNELS[case]
    engine = create_engine(engine_name)
    kernel = getattr(engine, kind)(formula)
    written = tuple(np.zeros(shape, np.float32) for shape in outputs)
    with pytest.raises(FFNNError, match=rf"kernel {kind}: .*{message}"):
        kernel(written, tuple(floats(*shape) for shape in inputs), ())
    assert not any(array.any() for array in written)


def times(x: Any, c: Any) -> Any:
    return x * c


def of_a_row(values: Any, c: Any) -> Any:
    return row_max(values) * c


@both_engines
@pytest.mark.parametrize("shape", [(0,), (2,), (1, 1), ()], ids=str)
@pytest.mark.parametrize("kind", ["elementwise", "update", "columns", "rows"])
def test_a_constant_is_a_number_or_a_cell(kind: str, shape: tuple[int, ...], engine_name: str) -> None:
    kernel = getattr(create_engine(engine_name), kind)(of_a_row if kind == "rows" else times)
    out = np.zeros({"columns": (3,), "rows": (1,)}.get(kind, (2, 3)), np.float32)
    inputs = () if kind == "update" else (floats(2, 3),)
    with pytest.raises(FFNNError, match=rf"kernel {kind}: .*cells of shape \(1,\); received float64 of shape"):
        kernel((out,), inputs, (np.zeros(shape),))
    assert not out.any()


@both_engines
@pytest.mark.parametrize("number", [-1, 3, np.int64(-1), np.float64(-1.5), True])
@pytest.mark.parametrize("as_cell", [False, True])
def test_a_constant_is_what_it_is_whatever_its_type(number: Any, as_cell: bool, engine_name: str) -> None:
    """A negative whole number is no key of 2**32 - 1."""
    out, values = np.zeros(5, np.float32), floats(5)
    create_engine(engine_name).elementwise(times)((out,), (values,), (np.array([number]) if as_cell else number,))
    np.testing.assert_array_equal(out, values * np.float32(number))


@both_engines
@pytest.mark.parametrize(
    ("values", "out"),
    [((4,), (0,)), ((4,), (2,)), ((2, 4), (2, 0)), ((2, 4), (3, 1)), ((2, 3, 4), (2, 1)), ((4,), (4, 1))],
)
def test_a_sum_of_squares_goes_to_a_cell(values: Any, out: Any, engine_name: str) -> None:
    with pytest.raises(FFNNError, match=r"square_sum: expected values \(n,\) and a cell \(1,\)"):
        create_engine(engine_name).square_sum(floats(*values), np.zeros(out))


@both_engines
@pytest.mark.parametrize("case", ["too few rows", "too few sums", "narrow rows"])
def test_a_stacks_kernel_refuses_them_too(case: str, engine_name: str) -> None:
    kind, formula, (outputs, inputs), message = KERNELS[case]
    kernel = create_engine(engine_name).stacked_kernel(kind, formula)
    with pytest.raises(FFNNError, match=message):
        kernel(tuple(np.zeros((2, *s), np.float32) for s in outputs), tuple(floats(2, *s) for s in inputs), ())


@both_engines
def test_a_stack_has_as_many_members_everywhere(engine_name: str) -> None:
    kernel = create_engine(engine_name).stacked_kernel("elementwise", plus)
    with pytest.raises(FFNNError, match=r"expected 5 members, or one for all; .*\(3, 4, 3\)"):
        kernel((np.zeros((5, 4, 3), np.float32),), (floats(3, 4, 3), floats(1, 3)), ())


@both_engines
@pytest.mark.parametrize(
    ("out", "pool", "rows", "message"),
    [
        ((2, 3), (4, 3), [1, 77], "expected 0 to 3.*received 77"),
        ((9, 3), (4, 3), [1, 2], r"received float32 of shape \(9, 3\)"),
        ((2, 5), (4, 3), [1, 2], r"received float32 of shape \(2, 5\)"),
    ],
)
def test_gathering_refuses_rows_that_the_pool_has_not(
    out: Any, pool: Any, rows: list[int], message: str, engine_name: str
) -> None:
    engine = create_engine(engine_name)
    with pytest.raises(FFNNError, match=message):
        engine.gather(one_more)(np.zeros(out, np.float32), floats(*pool), np.array(rows), ())


@both_engines
@pytest.mark.parametrize(
    ("rows", "source", "message"),
    [([0, 9], (2, 2, 4, 4), "expected 0 to 2.*received 9"), ([0, 1], (1, 2, 4, 4), r"places \(n, 2, 4, 4\)")],
)
def test_warping_refuses_images_and_places_that_are_not_there(
    rows: list[int], source: Any, message: str, engine_name: str
) -> None:
    engine = create_engine(engine_name)
    with pytest.raises(FFNNError, match=message):
        engine.warp(floats(3, 16), np.array(rows), (4, 4, 1), np.zeros(source, np.float32), engine.zeros((2, 16)))


@pytest.mark.parametrize(
    ("output", "given", "message"),
    [
        (np.float32, [[0.0, 1.0]], "received .*list"),
        (np.float32, np.zeros((1, 2), np.complex64), "expected float32.*complex64"),
        (np.float32, np.zeros((1, 2), ">f4"), "expected float32.*>f4"),
    ],
)
def test_what_numba_has_no_type_for_is_refused_in_words(output: Any, given: Any, message: str) -> None:
    kernel = create_engine("numba").elementwise(one_more)
    with pytest.raises(FFNNError, match=message):
        kernel((np.zeros((1, 2), output),), (given,), ())


@both_engines
def test_an_output_that_is_read_only_is_refused(engine_name: str) -> None:
    out = np.zeros((2, 3), np.float32)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        create_engine(engine_name).elementwise(one_more)((out,), (floats(2, 3),), ())


@both_engines
def test_slices_transposed_and_read_only_inputs_give_their_values(engine_name: str) -> None:
    engine: Engine = create_engine(engine_name)
    source = floats(9, 6)
    source.flags.writeable = False
    for part in (source[::2, ::3], source.T[1:3, :5], source[:4]):
        out = engine.empty(part.shape)
        engine.elementwise(one_more)((out,), (part,), ())
        np.testing.assert_array_equal(out, part + np.float32(1))


@both_engines
@pytest.mark.parametrize("size", [1, 3])
def test_labels_of_a_stack_are_looked_at(size: int, engine_name: str) -> None:
    engine = StackedEngine(create_engine(engine_name), size)
    out = engine.zeros((2, 3))
    with pytest.raises(FFNNError, match="Label 3 found, but the network has 3 outputs: expected labels from 0 to 2"):
        engine.one_hot(engine.each(np.array([[0, 3]] * size), np.int64), 1.0, 0.0, out)


@both_engines
@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ([(0, 3), (3, 6)], r"stop <= 5, .*received \(3, 6\)"),
        ([(3, 2)], r"received \(3, 2\)"),
        ([(-1, 2)], r"received \(-1, 2\)"),
        ([(0,)], r"pairs \(start, stop\).*\[\[0\]\]"),
        ([(0, 1, 2)], r"pairs \(start, stop\)"),
        ([(0.5, 2.5)], r"pairs \(start, stop\) of whole numbers"),
    ],
)
def test_moments_are_of_parts_of_the_array(bounds: Any, message: str, engine_name: str) -> None:
    with pytest.raises(FFNNError, match=f"moments: .*{message}"):
        create_engine(engine_name).moments(floats(5), bounds)


@both_engines
def test_moments_of_a_part_without_values_are_zero(engine_name: str) -> None:
    assert create_engine(engine_name).moments(floats(5), [(2, 2)]).tolist() == [[0.0, 0.0, 0.0]]
