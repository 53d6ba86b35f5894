"""The fused engine: each formula compiled by Numba into one loop over preallocated arrays.

Matrix products stay with NumPy's BLAS; everything between them is one pass over memory.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from ffnn.backend import fit, numba_loops
from ffnn.backend.engine import Array, Kernel
from ffnn.backend.formula import Formula, bind, complete, fingerprint
from ffnn.backend.numba_cache import kept
from ffnn.backend.numba_math import WORDS, word
from ffnn.backend.numba_rows import ROW_WORDS, Helper
from ffnn.backend.numpy_engine import NumpyEngine, member

_square_sum = kept(numba_loops.square_sum)
_square_sums = kept(complete(numba_loops.square_sums, "square_sums", kernel=_square_sum))
_moments = kept(numba_loops.moments)
_one_hot = kept(numba_loops.one_hot)
_one_hots = kept(complete(numba_loops.one_hots, "one_hots", kernel=_one_hot))
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

    def square_sum(self, array: Array, out: Array) -> None:
        try:
            (_square_sum if array.ndim == 1 else _square_sums)(array, out)
        except Exception:
            fit.check_square_sum(array, out)
            raise

    def moments(self, array: Array, bounds: Sequence[tuple[int, int]]) -> np.ndarray[Any, Any]:
        out, parts = np.empty((len(bounds), 3)), np.array(bounds)
        fit.check_parts(array, parts)
        _moments(array, parts, out)
        return out

    def one_hot(self, labels: Array, on: float, off: float, out: Array) -> None:
        try:
            (_one_hot if out.ndim == 2 else _one_hots)(labels, on, off, out)
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
        single = kind.removeprefix("stacked_")
        if kind != single:
            return self._stacked(kind, single, formula)
        loop = getattr(numba_loops, kind)
        number = self.dtype.type
        bound = word(bind(formula, {**WORDS[self.dtype.name], **ROW_WORDS}, number, Helper))
        name = f"{kind}_{formula.__name__}_{self.dtype.name}_{fingerprint(formula)}"
        return _explained(kept(complete(loop, name, formula=bound)), partial(_why_not, kind))

    def _stacked(self, kind: str, single: str, formula: Formula) -> Kernel:
        kernel: Any = self._kernel(single, formula)
        loop = numba_loops.stacked_gather if single == "gather" else numba_loops.stacked
        compiled = kept(complete(loop, f"{kind}_{kernel.__name__}", kernel=kernel.compiled))
        return _explained(compiled, partial(_why_no_stack, single))


def _explained(compiled: Any, why_not: Callable[..., None]) -> Kernel:
    """A compiled kernel whose failure `why_not` puts into words, where the arrays are to blame."""

    def explained(*arguments: Any) -> None:
        try:
            compiled(*arguments)
        except Exception:
            why_not(*arguments)
            raise

    explained.__name__, explained.compiled = compiled.__name__, compiled  # type: ignore[attr-defined]
    return explained


def _why_not(kind: str, outputs: Any, inputs: Any, last: Any, vectors: Any = ()) -> None:
    if kind == "gather":  # out, pool, indices, vectors
        fit.check_gather(outputs, inputs, last, vectors)
        fit.check_rows(last, inputs)
        outputs, inputs = (outputs,), (inputs, *vectors)
    else:
        fit.check_kernel(kind, outputs, inputs, last)
    fit.check_types(kind, outputs, inputs)


def _why_no_stack(kind: str, *arguments: Any) -> None:
    fit.check_members(arguments)
    outputs = arguments[0]
    for number in range(len(outputs[0] if isinstance(outputs, tuple) else outputs)):
        _why_not(kind, *(member(argument, number) for argument in arguments))
