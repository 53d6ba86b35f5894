"""Every kernel that the package runs, as data, and one way to run it on any engine.

What is registered is found by itself; a new activation, loss or rule is a case the moment it is registered.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ffnn.backend.engine import Engine
from ffnn.backend.formula import Formula
from ffnn.backend.formulas import moved_towards, product, value_itself
from ffnn.data.augmented import added, mixed
from ffnn.data.batches import normalized_pixel
from ffnn.nn import ACTIVATIONS, LOSSES, OPTIMIZERS, batch_norm, clipping, cross_entropy, penalties
from ffnn.nn.elementwise import Elementwise, backward_formula
from ffnn.nn.fusion import _formulas
from ffnn.nn.layers import plus_bias, thinned
from ffnn.nn.optimizer import shrunk
from ffnn.nn.softmax import softmax, softmax_backward
from ffnn.sklearn.batches import weighted_target
from ffnn.training.diagnostics import difference
from ffnn.training.metrics import hit
from ffnn.training.stack import one_more, summed


@dataclass(frozen=True)
class Case:
    """A kernel with what it takes.

    Attributes
    ----------
    outputs, inputs : str
        A letter for each array: m matrix, p matrix of positive values, c one value a column, r one value a row,
        l labels, i counters, k a whole number, n and q numbers of a cell of float64 (the latter positive).
    """

    name: str
    kind: str
    formula: Formula
    outputs: str
    inputs: str = ""
    constants: tuple[Any, ...] = ()

    def __str__(self) -> str:
        return self.name


def _cases() -> Iterator[Case]:
    for name in ACTIVATIONS:
        cls: Any = ACTIVATIONS[name]
        if issubclass(cls, Elementwise):
            constants = cls().constants
            arrays = "m" if cls.from_output else "mm"
            forward, backward = _formulas(cls)
            yield Case(name, "elementwise", cls.function, "m", "m", constants)
            yield Case(f"{name}-back", "elementwise", backward_formula(cls.derivative), "m", "mmm", constants)
            yield Case(f"{name}-fused", "update", forward, arrays, "c", constants)
            yield Case(f"{name}-fused-back", "columns", backward, "mc", f"m{arrays}", constants)
    for name in OPTIMIZERS:
        optimizer: Any = OPTIMIZERS.create(name)
        slots = "d" * len(optimizer.slots)
        yield Case(name, "update", type(optimizer).rule, f"c{slots}", "c", optimizer.constants(3, 0.1))
    for name in LOSSES:
        loss: Any = LOSSES.create(name)
        yield Case(name, "rows", type(loss).formula, "mn", "mp", (0.125, *loss.constants))
    yield Case("softmax", "rows", softmax, "mn", "m")
    yield Case("softmax-back", "rows", softmax_backward, "mn", "mp")
    yield Case("smoothed-targets", "rows", cross_entropy.smoothed_targets, "mn", "p", (0.75, 0.125))
    yield Case("total-weight", "rows", cross_entropy.total_weight, "n", "p")
    yield Case("weight-and-scale", "update", cross_entropy.weight_and_scale, "qn")
    yield Case("hit", "rows", hit, "n", "ml")
    yield Case("weighted-target", "rows", weighted_target, "mn", "pr")
    yield Case("thinned", "elementwise", thinned, "m", "mi", (0.25, 4 / 3, np.uint32(123456789)))
    yield Case("plus-bias", "update", plus_bias, "m", "c")
    yield Case("column-sums", "columns", value_itself, "c", "m")
    yield Case("squared-deviation", "columns", batch_norm.squared_deviation, "c", "mc", (7.0,))
    yield Case("scale-and-shift", "columns", batch_norm.scale_and_shift_gradients, "cc", "mm")
    yield Case("inverse-deviation", "elementwise", batch_norm.inverse_deviation, "c", "d", (1e-5,))
    yield Case("normalized", "elementwise", batch_norm.normalized, "mm", "mcccc")
    yield Case("statistics", "update", batch_norm.statistics, "cdcd", "", (7.0, 0.1, 1e-5))
    yield Case("input-gradient", "elementwise", batch_norm.input_gradient, "m", "mmccc", (7.0,))
    yield Case("running-gradient", "elementwise", batch_norm.running_gradient, "m", "mc")
    yield Case("product-of-vectors", "elementwise", product, "c", "cc")
    yield Case("decay", "update", shrunk, "c", "", (0.01,))
    yield Case("clamped", "update", clipping.clamped, "c", "", (0.5,))
    yield Case("root", "update", clipping.root, "q")
    yield Case("shortened", "update", clipping.shortened, "c", "", (0.5, 7.0))
    yield Case("average", "update", moved_towards, "c", "c", (0.1,))
    yield Case("penalty", "update", penalties.with_penalty, "c", "c", (0.01,))
    yield Case("difference", "update", difference, "c", "c")
    yield Case("normalize", "update", normalized_pixel, "m", "cc")
    yield Case("add", "update", added, "m", "m")
    yield Case("one-more", "update", one_more, "k", "", (1,))
    yield Case("summed", "update", summed, "nnq", "nn", (2.0,))
    yield Case("mix", "update", mixed, "m", "m", (0.3,))


CASES = list(_cases())


def _draw(letter: str, rows: int, columns: int, rng: np.random.Generator, bad: bool) -> tuple[np.ndarray, Any]:
    """Values of one array, and the type it must have where that is not the engine's."""
    if letter == "l":
        return rng.integers(0, columns, rows), np.int64
    if letter == "k":
        return rng.integers(2**40, 2**41, 1), np.int64
    if letter == "i":
        return np.arange(rows * columns).reshape(rows, columns) + 2**32 - rows * columns, np.uint32
    shape = {"c": (columns,), "d": (columns,), "r": (rows,), "n": (1,), "q": (1,)}.get(letter, (rows, columns))
    values = rng.standard_normal(shape) * 2
    if letter in "pdq":
        values = np.abs(values) + 0.1
    elif bad and letter in "mc":
        places = rng.random(shape)
        values[places < 0.06] = np.nan
        values[(places > 0.06) & (places < 0.1)] = np.inf
        values[(places > 0.1) & (places < 0.14)] = -np.inf
    return values, np.float64 if letter in "nq" else None


@dataclass(frozen=True)
class Setting:
    """How a case is run.

    Attributes
    ----------
    members : int
        0 without a stack, else N; some arrays are then shared by all members.
    cells : bool
        Whether constants are cells.
    bad : bool
        Whether values hold NaN and Inf.
    """

    shape: tuple[int, int]
    members: int = 0
    cells: bool = False
    bad: bool = False

    def __str__(self) -> str:
        words = ["x".join(map(str, self.shape)), f"{self.members} members" if self.members else "alone"]
        return "-".join([*words, *["cells"] * self.cells, *["nan"] * self.bad])


def run_case(engine: Engine, case: Case, setting: Setting) -> list[np.ndarray]:
    """What the kernel leaves in its outputs; the same values are drawn whatever the engine."""
    rng = np.random.default_rng([len(case.name), *map(ord, case.name), *setting.shape])
    rows, columns = setting.shape

    def arrays(letters: str, shared: bool) -> tuple[Any, ...]:
        made = []
        for place, letter in enumerate(letters):
            count = 1 if shared and place % 2 else max(1, setting.members)
            drawn = [_draw(letter, rows, columns, rng, setting.bad) for _ in range(count)]
            values = np.stack([values for values, _ in drawn]) if setting.members else drawn[0][0]
            made.append(engine.array(values, drawn[0][1]))
        return tuple(made)

    outputs, inputs = arrays(case.outputs, False), arrays(case.inputs, True)
    constants: list[Any] = list(case.constants)
    if setting.cells:
        for place, constant in enumerate(constants):
            kind = np.uint32 if isinstance(constant, np.uint32) else np.float64
            # Members differ; where a cell is shared, all have the first value.
            count = 1 if place % 2 else max(1, setting.members)
            values = [[constant + n if kind is np.uint32 else constant * (1 - 0.03 * n)] for n in range(count)]
            constants[place] = engine.array(values if setting.members else values[0], kind)
    make = engine.stacked_kernel if setting.members else engine._kernel
    make(case.kind, case.formula)(outputs, inputs, tuple(constants))
    return [np.array(engine.host(output)) for output in outputs]


SETTINGS = [
    Setting((1, 1)),
    Setting((5, 3), 3, cells=True),
    Setting((131, 37), cells=True),
    Setting((70, 33), 3),
    Setting((67, 40), bad=True),
]
"""131 and 70 rows make several parts of a column sum, 33 and 37 columns a second step of a warp."""

MANY_SETTINGS = [Setting((4100, 10)), Setting((600, 1030), 2, cells=True), Setting((1, 5000)), Setting((5000, 1), 5)]
"""Several thousand rows, where a block takes more than one; rows of several blocks; single columns."""


def assert_agree(found: list[np.ndarray], expected: list[np.ndarray], dtype: str, setting: Setting) -> None:
    """Equal within what the type allows a sum of so many terms; NaN and Inf at the same places."""
    rounding = 1e-12 if dtype == "float64" else 2e-5
    terms = max(1, 1e-3 * max(setting.shape))
    for mine, other in zip(found, expected, strict=True):
        finite = np.abs(other[np.isfinite(other)])
        scale = float(finite.max()) if finite.size else 1.0
        assert mine.dtype == other.dtype
        np.testing.assert_allclose(mine, other, rtol=rounding, atol=rounding * terms * scale, err_msg=str(setting))
