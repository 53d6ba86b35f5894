"""Weight averaging: a smoothed copy of the parameters that often generalises a little better.

Training goes on with the raw weights; evaluation and checkpoints of the best may use the average.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ffnn.backend.engine import Array
from ffnn.backend.formulas import moved_towards
from ffnn.nn.parameters import ParameterStore
from ffnn.ranges import in_range


class WeightAverage:
    """average = d * average + (1 - d) * value after every step: an exponential moving average.

    Computed as average + (1 - d) (value - average), for float32 rounds a d near 1 by more than what it is short of 1.

    Unrolled with a constant d, the value of k steps ago has the weight (1 - d) d^k: weights that fall by the factor d
    a step and sum to 1, with a mean age of d / (1 - d), about 1 / (1 - d), steps.

    d = min(decay, (1 + t) / (10 + t)) after t earlier steps, so that the average soon forgets the
    random weights it starts from. Running statistics of batch norm, already averages, are not
    averaged again. Polyak & Juditsky, 1992; the ramp is that of TensorFlow's moving average.

    Parameters
    ----------
    parameters : ParameterStore
    decay : float in (0, 1)
        0.999 looks back about a thousand steps.
    """

    def __init__(self, parameters: ParameterStore, decay: float = 0.999) -> None:
        self.decay = in_range("ema", decay, 0, 1, open_low=True)
        self._parameters = parameters
        self._move = parameters.engine.update(moved_towards)
        self.values = copy_of(parameters.values, parameters)
        self.steps = 0

    def numbers(self, steps: int) -> tuple[float]:
        """What `move` takes after so many earlier steps: 1 - d."""
        return (1 - min(self.decay, (1 + steps) / (10 + steps)),)

    def move(self, numbers: Sequence[float | Array]) -> None:
        """Take the present parameters in, with the number, or a cell of an engine, that `numbers` gave."""
        self._move((self.values,), (self._parameters.values,), tuple(numbers))

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within the block the network computes with the average; afterwards with its own weights again."""
        weights = copy_of(self._parameters.values, self._parameters)
        self._parameters.values[...] = self.values
        try:
            yield
        finally:
            self._parameters.values[...] = weights


def copy_of(values: Array, parameters: ParameterStore) -> Array:
    """An array of its own with the values of all parameters."""
    copy = parameters.engine.empty((parameters.size,))
    copy[...] = values
    return copy
