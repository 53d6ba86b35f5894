"""Histograms of whatever training may produce: no array is too strange, no finite value is lost."""

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as np_st
from numpy.typing import NDArray

from ffnn.tracking import EvaluationReport, WrongImage
from ffnn.tracking.wandb_payloads import histogram

ARRAYS = st.one_of(
    np_st.arrays(np.float32, np_st.array_shapes(max_dims=2), elements=st.floats(width=32)),
    np_st.arrays(np.float64, np_st.array_shapes(max_dims=2), elements=st.floats(-1e300, 1e300)),
)


@given(ARRAYS)
@example(np.array([1.0, np.nextafter(1.0, 2.0)]))
@example(np.full(3, 1e300))
@example(np.array([-1e300, 1e300]))
@example(np.array([5e-324, 0.0]))
@example(np.full(3, np.float32(3.4e38)))
@example(np.zeros(0))
def test_every_finite_value_is_counted_once(values: NDArray[Any]) -> None:
    finite = values[np.isfinite(values)]
    result = histogram(values)
    if not finite.size:
        assert result is None
        return
    assert result
    counts, edges = result
    assert counts.sum() == finite.size
    assert counts.size <= 64
    assert np.isfinite(edges).all()
    assert (np.diff(edges) > 0).all()
    assert edges[0] <= finite.min()
    assert finite.max() <= edges[-1]


def test_agrees_with_numpy_on_ordinary_values() -> None:
    values = np.random.default_rng(0).normal(size=(50, 20)).astype(np.float32)
    expected = np.histogram(values.astype(np.float64), bins=64)
    result = histogram(values)
    assert result
    for ours, theirs in zip(result, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_report_refuses_sizes_that_disagree() -> None:
    with pytest.raises(ValueError, match=r"confusion: expected shape \(2, 2\)"):
        EvaluationReport(np.zeros((3, 3), int), ["a", "b"])
    image = WrongImage(0, np.zeros((8, 8), np.uint8), 0, 1, 0.9)
    with pytest.raises(ValueError, match="at most 64 images; received 65"):
        EvaluationReport(np.zeros((2, 2), int), ["a", "b"], wrong=[image] * 65)
