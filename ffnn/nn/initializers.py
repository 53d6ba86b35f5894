"""Initializers: how a weight matrix is filled before training.

They draw on the host in float64 and are rounded when copied to the engine, so every engine and
number type starts from the same network.
"""

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ffnn.errors import FFNNError
from ffnn.ranges import in_range
from ffnn.registry import Registry


class Initializer(ABC):
    """Fills an array. A weight of shape (in, out) has fan_in = in and fan_out = out; a bias has its length as both."""

    @abstractmethod
    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        """New float64 values of this shape, drawn from `rng`."""


INITIALIZERS: Registry[Initializer] = Registry("initializer")


@INITIALIZERS.register("zeros")
class Zeros(Initializer):
    """All values 0. For weights this never breaks the symmetry between units: they all learn the same.

    Examples
    --------
    >>> Zeros()((2,), np.random.default_rng(0))
    array([0., 0.])
    """

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        return np.zeros(shape)


@INITIALIZERS.register("normal")
class Normal(Initializer):
    """Gaussian, N(mean, std^2).

    Parameters
    ----------
    std : float in [0, inf), default 0.01
    mean : float, default 0
    """

    def __init__(self, std: float = 0.01, mean: float = 0.0) -> None:
        self.std = in_range("std", std, 0)
        self.mean = in_range("mean", mean, -math.inf)

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        return rng.normal(self.mean, self.std, shape)


@INITIALIZERS.register("uniform")
class Uniform(Initializer):
    """Uniform on [low, high).

    Parameters
    ----------
    low, high : float, low <= high, default -0.05 and 0.05
        Burakowski's study draws weights and biases from Uniform(-0.5, 0.5).
    """

    def __init__(self, low: float = -0.05, high: float = 0.05) -> None:
        self.low = in_range("low", low, -math.inf)
        self.high = in_range("high", high, -math.inf)
        if not self.low <= self.high:
            raise FFNNError(f"uniform needs low <= high; received low={low!r}, high={high!r}")

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        return rng.uniform(self.low, self.high, shape)


class VarianceScaling(Initializer):
    """Zero mean, variance = gain / fan, so that signals keep their size from layer to layer.

    A unit's sum z = sum of n products w x, with weights of mean 0 that are independent of each other and of x, has
    mean 0 and variance n Var(w) E[x^2]: each product's variance is E[w^2] E[x^2], and mixed terms have mean 0. For
    z to be as large as the z of the layer before, n Var(w) E[x^2] / Var(z before) must be 1:

    - no activation, or tanh near 0: E[x^2] = Var(z before), so Var(w) = 1/n with n = fan_in (LeCun);
    - backward, dL/dx = sum over fan_out units of w dL/dz, which by the same argument asks for 1/fan_out; one over the
      average of both is the compromise (Glorot, "Xavier");
    - ReLU: z is as often below 0 as above, and loses half of its mean square, so E[x^2] = Var(z before) / 2 and
      Var(w) = 2/fan_in (He).

    `ffnn analyze signals` measures it. A uniform draw on [-b, b) has variance b^2 / 3, the mean of t^2 over it, hence
    b = sqrt(3 * gain / fan).
    """

    gain: ClassVar[float]
    fan: ClassVar[str]
    uniform: ClassVar[bool]

    def variance(self, shape: tuple[int, ...]) -> float:
        """The variance that values for this shape are drawn with."""
        fan_in, fan_out = shape[0], shape[-1]
        fans = {"in": float(fan_in), "average": (fan_in + fan_out) / 2}
        return self.gain / fans[self.fan]

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        variance = self.variance(shape)
        if self.uniform:
            bound = math.sqrt(3 * variance)
            return rng.uniform(-bound, bound, shape)
        return rng.normal(0.0, math.sqrt(variance), shape)


@INITIALIZERS.register("xavier_uniform")
class XavierUniform(VarianceScaling):
    """Uniform with variance 2 / (fan_in + fan_out), for tanh and sigmoid. Glorot & Bengio, AISTATS 2010, eq. 16."""

    gain, fan, uniform = 1.0, "average", True


@INITIALIZERS.register("xavier_normal")
class XavierNormal(VarianceScaling):
    """Gaussian with variance 2 / (fan_in + fan_out). Glorot & Bengio, AISTATS 2010, eq. 12."""

    gain, fan, uniform = 1.0, "average", False


@INITIALIZERS.register("he_uniform")
class HeUniform(VarianceScaling):
    """Uniform with variance 2 / fan_in, for ReLU and its relatives. He et al., ICCV 2015, eq. 10."""

    gain, fan, uniform = 2.0, "in", True


@INITIALIZERS.register("he_normal")
class HeNormal(VarianceScaling):
    """Gaussian with variance 2 / fan_in; not truncated. He et al., ICCV 2015, eq. 10."""

    gain, fan, uniform = 2.0, "in", False


@INITIALIZERS.register("lecun_uniform")
class LeCunUniform(VarianceScaling):
    """Uniform with variance 1 / fan_in. LeCun et al., "Efficient BackProp", 1998, eq. 16."""

    gain, fan, uniform = 1.0, "in", True


@INITIALIZERS.register("lecun_normal")
class LeCunNormal(VarianceScaling):
    """Gaussian with variance 1 / fan_in; not truncated. LeCun et al., "Efficient BackProp", 1998, eq. 16."""

    gain, fan, uniform = 1.0, "in", False


@INITIALIZERS.register("pytorch_uniform")
class PyTorchUniform(VarianceScaling):
    """Uniform on ±1/sqrt(fan_in), variance 1 / (3 fan_in): what `torch.nn.Linear` draws its weights with."""

    gain, fan, uniform = 1 / 3, "in", True


@INITIALIZERS.register("orthogonal")
class Orthogonal(Initializer):
    """gain times a random matrix with orthonormal rows or columns, whichever are fewer. Saxe et al., ICLR 2014.

    x Q has the length of x where Q has orthonormal rows, so that a deep linear network neither shrinks nor stretches
    a signal or a gradient; entries have mean 0 and variance gain^2 / max(fan_in, fan_out). Q of the QR decomposition of
    a Gaussian matrix, each column turned by the sign of R's diagonal, is uniform over all such matrices (Mezzadri,
    2007). Values of one dimension are taken as one column.

    Parameters
    ----------
    gain : float in (0, inf), default 1
        sqrt(2) before ReLU, which halves the mean square of its inputs.
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = in_range("gain", gain, 0, open_low=True)

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        rows, columns = shape[0], math.prod(shape[1:])
        q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
        q = self.gain * q * np.sign(np.diagonal(r))
        return np.ascontiguousarray(q if rows >= columns else q.T).reshape(shape)
