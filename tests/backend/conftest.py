"""A GPU for tests: a real one where there is one, under the marker gpu, and the stand-in everywhere."""

from collections.abc import Iterator

import pytest
from backend.emulated import COMPILER
from backend.gpu import without_gpu
from backend.stand_in import Device, stand_in_device


@pytest.fixture(params=["stand-in", pytest.param("gpu", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> Iterator[Device | None]:
    """The stand-in, or None for a GPU."""
    if request.param == "gpu":
        reason = without_gpu()
        if reason:
            pytest.skip(reason)
        yield None
    elif COMPILER is None:
        pytest.skip("no C++ compiler: kernels cannot be emulated")
    else:
        with stand_in_device() as made:
            yield made
