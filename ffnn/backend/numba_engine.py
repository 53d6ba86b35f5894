"""The fused engine: each formula compiled by Numba into one loop over preallocated arrays.

Matrix products stay with NumPy's BLAS; everything between them is one pass over memory.
"""

import functools
from collections.abc import Callable, Sequence
from threading import get_ident
from typing import Any

import numpy as np

from ffnn.backend import blas, fit, numba_loops
from ffnn.backend.engine import Array, Kernel
from ffnn.backend.formula import Formula, bind, complete, fingerprint
from ffnn.backend.numba_cache import kept
from ffnn.backend.numba_math import WORDS, word
from ffnn.backend.numba_program import Tape
from ffnn.backend.numba_rows import ROW_WORDS, Helper
from ffnn.backend.numpy_engine import NumpyEngine, member

_square_sum = kept(numba_loops.square_sum)
_moments = kept(numba_loops.moments)
_one_hot = kept(numba_loops.one_hot)
# Without the interpreter's lock: batches are prepared in a thread of their own.
_warp = kept(numba_loops.warp, nogil=True)


class NumbaEngine(NumpyEngine):
    """NumPy arrays and compiled loops: the default on a CPU. Parameters: see `Engine`.

    Notes
    -----
    A kernel is compiled when it first runs and kept on disk beside the package (or where
    `NUMBA_CACHE_DIR` points, see `numba_cache`), under a hash of the formula, the loop and the vocabulary.

    Examples
    --------
    >>> engine = NumbaEngine("float64")
    >>> def scaled_sum(a, b, factor):
    ...     return factor * (a + b)
    >>> out = engine.empty((3,))
    >>> engine.elementwise(scaled_sum)((out,), (engine.array([1, 2, 3]), engine.array([1, 1, 1])), (10.0,))
    >>> out
    array([20., 30., 40.])
    """

    name = "numba"

    def __init__(self, dtype: str = "float32") -> None:
        super().__init__(dtype)
        self.records = blas.product(self.dtype.name) is not None
        self._tapes: dict[int, Tape] = {}
        # Of threads whose step is being written down; another thread may prepare batches meanwhile.

    def capture(self, step: Callable[[], None]) -> Callable[[int], None]:
        """`step` as a program of compiled code."""
        if not self.records:
            return super().capture(step)
        self._tapes[get_ident()] = tape = Tape(self.threads)
        try:
            step()
        finally:
            del self._tapes[get_ident()]
        return tape.program()

    def matmul(self, a: Array, b: Array, out: Array) -> None:
        tape = self._tapes.get(get_ident()) if self._tapes else None
        if tape is None:
            super().matmul(a, b, out)
        else:
            tape.multiply(a, b, out)

    def square_sum(self, array: Array, out: Array) -> None:
        if array.ndim == 2:
            fit.check_square_sum(array, out)
            for values, cell in zip(array, out, strict=True):
                self.square_sum(values, cell)
            return
        try:
            self._do(_square_sum, array, out)
        except Exception:
            fit.check_square_sum(array, out)
            raise

    def moments(self, array: Array, bounds: Sequence[tuple[int, int]]) -> np.ndarray[Any, Any]:
        out, parts = np.empty((len(bounds), 3)), np.array(bounds)
        fit.check_parts(array, parts)
        _moments(array, parts, out)
        return out

    def one_hot(self, labels: Array, on: float, off: float, out: Array) -> None:
        if out.ndim == 3:
            fit.check_members((out, labels))
            for number in range(len(out)):
                self.one_hot(member(labels, number), on, off, out[number])
            return
        try:
            self._do(_one_hot, labels, on, off, out)
        except Exception:
            fit.check_labels(labels, out)
            raise

    def warp(self, pool: Array, rows: Array, shape: tuple[int, int, int], source: Array, out: Array) -> None:
        fit.check_warp(pool, rows, shape, source, out)
        try:
            _warp(pool, rows, shape[2], source, out)
        except Exception:
            fit.check_rows(rows, pool)
            raise

    def _build(self, kind: str, formula: Formula) -> Kernel:
        if kind.startswith("stacked_"):
            return super()._build(kind, formula)
        compiled = _kernel(kind, formula, self.dtype, fingerprint(formula))

        def explained(*arguments: Any) -> None:
            try:
                self._do(compiled, *arguments, by_place=kind in ("elementwise", "update"))
            except Exception:
                _why_not(kind, *arguments)
                raise

        explained.__name__, explained.compiled = compiled.__name__, compiled  # type: ignore[attr-defined]
        return explained

    def _do(self, compiled: Any, *arguments: Any, by_place: bool = False) -> None:
        """Run a kernel, or write down that it is to run."""
        tape = self._tapes.get(get_ident()) if self._tapes else None
        if tape is None:
            compiled(*arguments)
        else:
            tape.add(compiled, arguments, by_place)


@functools.cache
def _kernel(kind: str, formula: Formula, dtype: np.dtype[Any], fingerprint: str) -> Any:
    """One for all engines of this process: reading it from disk takes longer than many a run's steps."""
    bound = word(bind(formula, {**WORDS[dtype.name], **ROW_WORDS}, dtype.type, Helper))
    name = f"{kind}_{formula.__name__}_{dtype.name}_{fingerprint}"
    return kept(complete(getattr(numba_loops, kind), name, formula=bound))


def _why_not(kind: str, outputs: Any, inputs: Any, last: Any, vectors: Any = ()) -> None:
    if kind == "gather":  # out, pool, indices, vectors
        fit.check_gather(outputs, inputs, last, vectors)
        fit.check_rows(last, inputs)
        outputs, inputs = (outputs,), (inputs, *vectors)
    else:
        fit.check_kernel(kind, outputs, inputs, last)
    fit.check_types(kind, outputs, inputs)
