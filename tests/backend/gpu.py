"""Whether there is a GPU for the tests that want one."""

import importlib.util

from ffnn.backend import create_engine
from ffnn.errors import FFNNError


def without_gpu() -> str | None:
    """Why nothing can run on a GPU here; None where something can."""
    if importlib.util.find_spec("cupy") is None:
        return "CuPy is not installed"
    try:
        create_engine("cupy")
    except FFNNError as problem:
        return str(problem)
    return None
