"""Activations: the functions between the linear layers, each with its derivative by hand.

A derivative is written in terms of the input x, the output y, or whichever makes it shortest; `ffnn.nn.elementwise`
has the rest of such a layer. Softmax, whose outputs depend on a whole row, is in `ffnn.nn.softmax`.
"""

from ffnn.backend.formulas import logistic
from ffnn.backend.vocabulary import absolute, erf, exp, expm1, log1p, maximum, minimum, tanh, where
from ffnn.nn.elementwise import Elementwise
from ffnn.nn.layer import Layer
from ffnn.ranges import in_range
from ffnn.registry import Registry

ACTIVATIONS: Registry[Layer] = Registry("activation")


def softplus(x):
    """log(1 + e^x) as max(x, 0) + log(1 + e^-|x|), in which nothing overflows (see `Softplus`)."""
    return maximum(x, 0.0) + log1p(exp(-absolute(x)))


def normal_cdf(x):
    """Phi(x), the distribution function of the standard normal: (1 + erf(x / sqrt 2)) / 2.

    erf integrates 2/sqrt(pi) e^(-s^2) from 0; with s = t / sqrt 2 that is twice the integral of the density
    phi(t) = e^(-t^2 / 2) / sqrt(2 pi) from 0 to x, and the half below 0 is 1/2. So Phi'(x) = phi(x).
    """
    return 0.5 * (1.0 + erf(0.7071067811865476 * x))


@ACTIVATIONS.register("identity")
class Identity(Elementwise):
    """y = x, dy/dx = 1: no activation at all; a network of such layers stays linear."""

    kind = "identity"
    from_output = True

    @staticmethod
    def function(x):
        return x

    @staticmethod
    def derivative(x, y):
        return 1.0


@ACTIVATIONS.register("relu")
class ReLU(Elementwise):
    """y = max(x, 0); dy/dx = 1 where x > 0, else 0 (0 at x = 0, as in PyTorch). Nair & Hinton, ICML 2010.

    It is x itself on the right, of slope 1, and constant on the left. y > 0 exactly where x > 0, so y tells the
    slope. At 0 the curve has a kink, where any slope from 0 to 1 is a subgradient.

    Examples
    --------
    >>> import numpy as np
    >>> ReLU.function(np.array([-2.0, 3.0]))
    array([0., 3.])
    """

    kind = "relu"
    from_output = True

    @staticmethod
    def function(x):
        return maximum(x, 0.0)

    @staticmethod
    def derivative(x, y):
        return where(y > 0.0, 1.0, 0.0)


@ACTIVATIONS.register("leaky_relu")
class LeakyReLU(Elementwise):
    """y = x where x > 0, else negative_slope * x; the slope is taken at x = 0, as in PyTorch.

    dy/dx is the factor of x on either side. As the slope is not negative, y > 0 exactly where x > 0. With a slope
    above 0 some gradient passes for every x, so no unit stays silent for good, as one behind ReLU can.

    Parameters
    ----------
    negative_slope : float in [0, 1), default 0.01
        0 gives ReLU. Maas, Hannun & Ng, ICML 2013.

    Examples
    --------
    >>> import numpy as np
    >>> LeakyReLU.function(np.array([-2.0, 3.0]), 0.1)
    array([-0.2,  3. ])
    """

    kind = "leaky_relu"
    from_output = True

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = in_range("negative_slope", negative_slope, 0, 1)
        self.constants = (self.negative_slope,)

    @staticmethod
    def function(x, negative_slope):
        return where(x > 0.0, x, negative_slope * x)

    @staticmethod
    def derivative(x, y, negative_slope):
        return where(y > 0.0, 1.0, negative_slope)


@ACTIVATIONS.register("sigmoid")
class Sigmoid(Elementwise):
    """y = 1 / (1 + e^-x), in (0, 1); dy/dx = y (1 - y), at most 1/4.

    With u = 1 + e^-x, y = 1/u and dy/dx = -1/u^2 du/dx = e^-x / u^2. Since e^-x = u - 1, that is
    (1/u) (u - 1)/u = y (1 - y). A product of two numbers that sum to 1 is largest where both are 1/2, at x = 0:
    each sigmoid layer leaves at most a quarter of the gradient.
    """

    kind = "sigmoid"
    from_output = True

    @staticmethod
    def function(x):
        return logistic(x)

    @staticmethod
    def derivative(x, y):
        return y * (1.0 - y)


@ACTIVATIONS.register("tanh")
class Tanh(Elementwise):
    """y = tanh(x), in (-1, 1); dy/dx = 1 - y^2.

    y = s/c with s = (e^x - e^-x)/2 and c = (e^x + e^-x)/2, where s' = c and c' = s. By the quotient rule
    dy/dx = (s' c - s c')/c^2 = (c^2 - s^2)/c^2 = 1 - y^2.
    """

    kind = "tanh"
    from_output = True

    @staticmethod
    def function(x):
        return tanh(x)

    @staticmethod
    def derivative(x, y):
        return 1.0 - y * y


@ACTIVATIONS.register("elu")
class ELU(Elementwise):
    """y = x where x > 0, else alpha (e^x - 1); dy/dx = 1, else alpha e^x. Clevert et al., ICLR 2016.

    The paper has alpha e^x = y + alpha, but y tends to -alpha, and what rounding leaves of that sum is no slope. With
    alpha = 1 both sides meet at 0 with slope 1.

    Parameters
    ----------
    alpha : float in (0, inf), default 1
        The value -alpha is approached for very negative x.
    """

    kind = "elu"

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = in_range("alpha", alpha, 0, open_low=True)
        self.constants = (self.alpha,)

    @staticmethod
    def function(x, alpha):
        return where(x > 0.0, x, alpha * expm1(minimum(x, 0.0)))

    @staticmethod
    def derivative(x, y, alpha):
        return where(x > 0.0, 1.0, alpha * exp(minimum(x, 0.0)))


@ACTIVATIONS.register("gelu")
class GELU(Elementwise):
    """y = x Phi(x); dy/dx = Phi(x) + x phi(x), the standard normal's Phi and phi. Hendrycks & Gimpel, 2016; exact.

    By the product rule, as Phi' = phi (see `normal_cdf`). It is what x becomes on average if it is kept with
    probability Phi(x) and else dropped: E[x m] = x Phi(x) for a mask m of 0 or 1.
    """

    kind = "gelu"

    @staticmethod
    def function(x):
        return x * normal_cdf(x)

    @staticmethod
    def derivative(x, y):
        density = 0.3989422804014327 * exp(-0.5 * x * x)
        return normal_cdf(x) + x * density


@ACTIVATIONS.register("gelu_tanh")
class GELUTanh(Elementwise):
    """y = x/2 (1 + tanh u), u = sqrt(2/pi) (x + 0.044715 x^3): the same paper's approximation of GELU.

    (1 + tanh u)/2 stands for Phi(x); its slope at 0, sqrt(2/pi)/2, is phi(0) = 1/sqrt(2 pi). With tanh u =
    (e^u - e^-u) / (e^u + e^-u) it is e^u / (e^u + e^-u) = s(2u), s the logistic function: one that keeps its digits
    where tanh u rounds to -1. So y = x s and dy/dx = s + x s (1 - s) 2 du/dx, du/dx = sqrt(2/pi) (1 + 0.134145 x^2):
    the product rule, then the chain rule through s (see Sigmoid) and u; 0.134145 is 3 times 0.044715.
    """

    kind = "gelu_tanh"

    @staticmethod
    def function(x):
        return x * logistic(1.5957691216057308 * (x + 0.044715 * x * x * x))

    @staticmethod
    def derivative(x, y):
        s = logistic(1.5957691216057308 * (x + 0.044715 * x * x * x))
        return s + x * s * (1.0 - s) * 1.5957691216057308 * (1.0 + 0.134145 * x * x)


@ACTIVATIONS.register("silu")
class SiLU(Elementwise):
    """y = x s(x), s the logistic function (also called swish); dy/dx = s (1 + x (1 - s)). Elfwing et al., 2018.

    The product rule gives s + x s', and s' = s (1 - s) (see Sigmoid): s + x s (1 - s).
    """

    kind = "silu"

    @staticmethod
    def function(x):
        return x * logistic(x)

    @staticmethod
    def derivative(x, y):
        s = logistic(x)
        return s * (1.0 + x * (1.0 - s))


@ACTIVATIONS.register("mish")
class Mish(Elementwise):
    """y = x tanh(softplus(x)); dy/dx = t + x (1 - t^2) s, t that tanh and s the logistic function. Misra, BMVC 2020.

    The product rule gives t + x t', and the chain rule t' = (1 - t^2) s, as tanh' = 1 - tanh^2 and softplus' = s.
    """

    kind = "mish"

    @staticmethod
    def function(x):
        return x * tanh(softplus(x))

    @staticmethod
    def derivative(x, y):
        t = tanh(softplus(x))
        return t + x * (1.0 - t * t) * logistic(x)


@ACTIVATIONS.register("softplus")
class Softplus(Elementwise):
    """y = log(1 + e^x), a smooth ReLU; dy/dx = 1 / (1 + e^-x). Written as max(x, 0) + log(1 + e^-|x|).

    dy/dx = e^x / (1 + e^x), and e^x divided out above and below leaves the logistic function. For x > 0,
    log(1 + e^x) = log(e^x (e^-x + 1)) = x + log(1 + e^-x): the form in which nothing overflows.
    """

    kind = "softplus"

    @staticmethod
    def function(x):
        return softplus(x)

    @staticmethod
    def derivative(x, y):
        return logistic(x)
