"""Engines: where arrays live and how formulas run. The only room that imports numba or cupy."""

import importlib
from typing import Any

from ffnn.backend.engine import Array, Engine
from ffnn.errors import FFNNError, nearest

__all__ = ["ENGINES", "Array", "Engine", "create_engine", "engine_class", "resolve_engine"]

ENGINES = {
    "numpy": "ffnn.backend.numpy_engine:NumpyEngine",
    "numba": "ffnn.backend.numba_engine:NumbaEngine",
    "cupy": "ffnn.backend.cupy_engine:CupyEngine",
}
"""Engine classes by name; a module is imported when its engine is first asked for."""


def resolve_engine(name: str) -> tuple[str, str | None]:
    """The engine that `name` means here, and a line to tell the user if it is not the fastest.

    "auto" is numba where it can be imported, else numpy.
    """
    if name != "auto":
        if name not in ENGINES:
            names = ["auto", *ENGINES]
            raise FFNNError(f"unknown engine {name!r}: expected one of {', '.join(names)}{nearest(name, names)}")
        return name, None
    try:
        importlib.import_module("numba")
    except ImportError as problem:
        return "numpy", f"engine numpy: numba cannot be imported ({problem}), so formulas run unfused and slower"
    return "numba", None


def create_engine(name: str = "auto", dtype: str = "float32", **options: Any) -> Engine:
    """A new engine; options are those of its class.

    Examples
    --------
    >>> create_engine("numpy", "float64")
    NumpyEngine('float64')
    >>> create_engine("nunba")
    Traceback (most recent call last):
    ffnn.errors.FFNNError: unknown engine 'nunba': expected one of auto, numpy, numba, cupy; did you mean 'numba'?
    """
    engine: Engine = engine_class(name)(dtype, **options)
    return engine


def engine_class(name: str) -> type[Engine]:
    """The class behind a name; its `check` says whether it can be used here."""
    module, _, cls = ENGINES[resolve_engine(name)[0]].partition(":")
    try:
        engine: type[Engine] = getattr(importlib.import_module(module), cls)
    except ImportError as problem:
        raise FFNNError(f"engine {name!r} cannot be used: {problem}") from problem
    return engine
