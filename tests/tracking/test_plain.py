"""Plain values: nothing but JSON's own kinds comes out, and nothing that is not finite."""

import enum
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as np_st

from ffnn.tracking import finite, finite_numbers, plain

NUMBERS = st.one_of(
    st.integers(),
    st.floats(),
    st.booleans(),
    st.floats(width=32).map(np.float32),
    st.integers(-100, 100).map(np.int64),
    st.booleans().map(np.bool_),
)
ARRAYS = np_st.arrays(st.sampled_from([np.float32, np.float64]), np_st.array_shapes(max_dims=2, max_side=3))
VALUES = st.recursive(
    st.one_of(NUMBERS, ARRAYS, st.none(), st.text(), st.text().map(Path)),
    lambda inner: st.one_of(st.lists(inner), st.tuples(inner, inner), st.dictionaries(st.text(), inner)),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), VALUES))
def test_finite_values_are_json_and_survive_it(values: dict[str, Any]) -> None:
    result = finite(values)
    assert json.loads(json.dumps(result, allow_nan=False)) == result


@given(st.dictionaries(st.text(), NUMBERS))
def test_finite_numbers_keep_exactly_the_finite_ones_in_order(record: dict[str, Any]) -> None:
    result = finite_numbers(record)
    assert list(result) == [name for name in record if math.isfinite(record[name])]
    assert all(type(value) in (int, float, bool) and value == record[name] for name, value in result.items())


class Color(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [(Color.RED, "red"), (Level.LOW, 1), ({3, 1, 2}, [1, 2, 3]), (np.arange(3), [0, 1, 2]), ({1: (2,)}, {"1": [2]})],
)
def test_plain_forms(value: Any, expected: Any) -> None:
    result = plain(value)
    assert result == expected
    assert type(result) is type(expected)


def test_plain_keeps_infinities() -> None:
    assert plain({"min_delta": -math.inf}) == {"min_delta": -math.inf}


@pytest.mark.parametrize("value", [object(), {"model": object()}, [print]])
def test_what_has_no_plain_form_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="expected numbers"):
        plain(value)


@pytest.mark.parametrize("value", ["0.5", None, [0.5]])
def test_a_record_holds_numbers_only(value: Any) -> None:
    with pytest.raises(TypeError, match="val/loss: expected a number"):
        finite_numbers({"val/loss": value})
