"""The floor by arithmetic: what a step must move, multiply and launch, over what the card was measured to do.

Every bound stands on assumptions, which are printed beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from ffnn.bench.card import Card
from ffnn.bench.work import Cell
from ffnn.reference import Description

MICROSECONDS = 1e6

FLOAT_BYTES = 4
ROW_BYTES = 16
"""Of an image: its place in the pool and its label, as int64."""

SLOTS: Mapping[str, int] = {"sgd": 0, "adam": 2}
"""Values that an optimizer keeps for each parameter."""

ASSUMED: Mapping[str, str] = {
    "bytes": "pixels, rows and labels are read once, parameters and the optimizer's slots read and written once; "
    "activations and gradients never leave the chip, and no cache holds anything from step to step",
    "FLOPs": "the products of forward, weight gradients and input gradients (but the first layer's), at the rate of a "
    "large product in float32",
    "launches": "one for each product, and one each for gathering, loss and update; all else is fused into them, "
    "and each starts when the one before has ended",
}


def parameter_count(description: Description) -> int:
    """Weights and biases, and with batch norm scale and shift of every hidden unit.

    Examples
    --------
    >>> parameter_count(Description(784, (128, 64), 47))
    111791
    """
    linear = sum((inputs + 1) * outputs for inputs, outputs in pairwise(description.sizes))
    return linear + 2 * sum(description.hidden) * description.batch_norm


def step_bytes(cell: Cell) -> int:
    """Bytes that pass the device's memory in a step, at least.

    Examples
    --------
    32 images of 784 + 16 bytes; 50,890 parameters read and written:

    >>> step_bytes(Cell("784-64-10", 32)) == 32 * 800 + 2 * 4 * 50890
    True
    """
    described = cell.description
    values = parameter_count(described) * (1 + SLOTS[described.optimizer])
    return cell.batch_size * (described.inputs + ROW_BYTES) + 2 * FLOAT_BYTES * values


def step_flops(cell: Cell) -> int:
    """Multiplications and additions of a step's products.

    Examples
    --------
    >>> step_flops(Cell("784-64-10", 32)) == 2 * 32 * (2 * 784 * 64 + 3 * 64 * 10)
    True
    """
    first, *others = (inputs * outputs for inputs, outputs in pairwise(cell.description.sizes))
    return 2 * cell.batch_size * (2 * first + 3 * sum(others))


def step_launches(cell: Cell) -> int:
    """Kernels of a step, at least.

    Examples
    --------
    >>> step_launches(Cell("784-64-10", 32))  # 2 forward, 3 backward; gathering, loss, update
    8
    """
    return 3 * (len(cell.description.sizes) - 1) - 1 + 3


@dataclass(frozen=True)
class Bounds:
    """Microseconds that a step must take: `by` bytes, FLOPs and launches. All hold at once, so the largest counts."""

    by: Mapping[str, float]

    @property
    def tightest(self) -> str:
        """What bounds a step most."""
        return max(self.by, key=self.by.__getitem__)


def bounds(cell: Cell, card: Card) -> Bounds:
    """What a step takes on a card that does nothing but what it must.

    Examples
    --------
    >>> card = Card(bandwidth=1e12, rate=1e13, launch_seconds=1e-6, waiting_launch_seconds=4e-6)
    >>> {name: round(value, 3) for name, value in bounds(Cell("784-64-10", 32), card).by.items()}
    {'bytes': 0.433, 'FLOPs': 0.655, 'launches': 8.0}
    """
    seconds = {
        "bytes": step_bytes(cell) / card.bandwidth,
        "FLOPs": step_flops(cell) / card.rate,
        "launches": step_launches(cell) * card.launch_seconds,
    }
    return Bounds({name: MICROSECONDS * value for name, value in seconds.items()})
