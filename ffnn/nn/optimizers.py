"""Optimizers, in order of increasing complexity: how gradients move parameters. Each is PyTorch's variant.

A moving average beta m + (1 - beta) g is written m - fresh m + fresh g with fresh = 1 - beta, taken before an engine
rounds it: float32 holds 0.00001 to seven digits, and of 0.99999 only the first two digits of what is missing to 1.
"""

from ffnn.backend.vocabulary import sign, sqrt
from ffnn.nn.optimizer import OPTIMIZERS, Optimizer
from ffnn.ranges import in_range

__all__ = [
    "OPTIMIZERS", "SGD", "AdaGrad", "Adam", "AdamW", "Lion", "Momentum", "Nesterov", "Optimizer", "RMSProp", "own_rate",
]  # fmt: skip


def own_rate(name: object) -> float | None:
    """The learning rate that an optimizer takes where nobody gives one; None where there is no such optimizer or rate.

    Examples
    --------
    >>> own_rate("sgd"), own_rate("adam"), own_rate("adm")
    (0.01, 0.001, None)
    """
    rate = OPTIMIZERS.options(name)["learning_rate"].default if isinstance(name, str) and name in OPTIMIZERS else None
    return rate if isinstance(rate, float) else None


@OPTIMIZERS.register("sgd")
class SGD(Optimizer):
    """value -= learning_rate * grad. Stochastic gradient descent, without momentum.

    To first order a small step e changes the loss by grad . e. Of all steps of one length the one against the
    gradient makes this smallest; learning_rate says how far the first order is trusted. A batch's gradient is on
    average the gradient over all images, as a batch's mean loss is on average the mean loss.
    """

    def __init__(self, learning_rate: float = 0.01, weight_decay: float = 0.0) -> None:
        super().__init__(learning_rate, weight_decay)

    @staticmethod
    def rule(value, grad, learning_rate):
        return value - learning_rate * grad

    def constants(self, step: int, learning_rate: float) -> tuple[float, ...]:
        return (learning_rate,)


@OPTIMIZERS.register("momentum")
class Momentum(Optimizer):
    """velocity = momentum * velocity + grad; value -= learning_rate * velocity. Polyak 1964, PyTorch's form.

    Unrolled, velocity = grad + momentum * (grad one step ago) + momentum^2 * (two steps ago) + ...: directions that
    persist add up, to at most 1 / (1 - momentum) times one gradient; directions that alternate cancel.
    The learning rate stands outside the velocity, so a schedule acts at once.

    Parameters
    ----------
    momentum : float in [0, 1), default 0.9
    """

    slots = ("velocity",)

    def __init__(self, learning_rate: float = 0.01, momentum: float = 0.9, weight_decay: float = 0.0) -> None:
        super().__init__(learning_rate, weight_decay)
        self.momentum = in_range("momentum", momentum, 0, 1)

    @staticmethod
    def rule(value, velocity, grad, learning_rate, momentum):
        velocity = momentum * velocity + grad
        return value - learning_rate * velocity, velocity

    def constants(self, step: int, learning_rate: float) -> tuple[float, ...]:
        return (learning_rate, self.momentum)


@OPTIMIZERS.register("nesterov")
class Nesterov(Momentum):
    """velocity = momentum * velocity + grad; value -= learning_rate * (grad + momentum * velocity).

    Momentum will move the value by -learning_rate * momentum * velocity whatever the gradient says, so Nesterov takes
    the gradient there, at ahead = value - learning_rate * momentum * velocity. Written for `ahead` instead of the
    value, which needs no second place to look at: value' = value - learning_rate * velocity' with
    velocity' = momentum * velocity + grad, so

        ahead' = value' - learning_rate * momentum * velocity'
               = ahead + learning_rate * momentum * velocity - learning_rate * (1 + momentum) * velocity'
               = ahead - learning_rate * (grad + momentum * velocity')

    where the last line puts momentum * velocity = velocity' - grad. What is stored and evaluated is `ahead`.
    Nesterov 1983 in the form of Sutskever et al., ICML 2013, as PyTorch has it. Parameters: see Momentum.
    """

    @staticmethod
    def rule(value, velocity, grad, learning_rate, momentum):
        velocity = momentum * velocity + grad
        return value - learning_rate * (grad + momentum * velocity), velocity


@OPTIMIZERS.register("adagrad")
class AdaGrad(Optimizer):
    """total += grad^2; value -= learning_rate * grad / (sqrt(total) + epsilon). Duchi et al., JMLR 2011.

    Each parameter has a step of its own, the shorter the more gradient it has seen: rare features keep long steps.
    With gradients of one size c, total = c^2 t after t steps, and the step is learning_rate / sqrt(t) whatever c:
    the scale of a parameter's gradients drops out, and the rate falls by itself.

    Parameters
    ----------
    epsilon : float in (0, inf), default 1e-10
        Outside the root.
    """

    slots = ("total",)

    def __init__(self, learning_rate: float = 0.01, epsilon: float = 1e-10, weight_decay: float = 0.0) -> None:
        super().__init__(learning_rate, weight_decay)
        self.epsilon = in_range("epsilon", epsilon, 0, open_low=True)

    @staticmethod
    def rule(value, total, grad, learning_rate, epsilon):
        total = total + grad * grad
        return value - learning_rate * grad / (sqrt(total) + epsilon), total

    def constants(self, step: int, learning_rate: float) -> tuple[float, ...]:
        return (learning_rate, self.epsilon)


@OPTIMIZERS.register("rmsprop")
class RMSProp(Optimizer):
    """average = rho * average + (1 - rho) grad^2; value -= learning_rate * grad / (sqrt(average) + epsilon).

    AdaGrad's sum only grows and its steps die out. Here it is a moving average, whose weights (1 - rho) rho^k forget
    old gradients: with gradients of one size c it tends to c^2, and steps to learning_rate.
    Tieleman & Hinton 2012, neither centred nor with momentum; epsilon outside the root, as in PyTorch.

    Parameters
    ----------
    rho : float in [0, 1), default 0.99
        PyTorch calls it alpha.
    epsilon : float in (0, inf), default 1e-8
    """

    slots = ("average",)

    def __init__(
        self, learning_rate: float = 0.001, rho: float = 0.99, epsilon: float = 1e-8, weight_decay: float = 0.0
    ) -> None:
        super().__init__(learning_rate, weight_decay)
        self.rho = in_range("rho", rho, 0, 1)
        self.epsilon = in_range("epsilon", epsilon, 0, open_low=True)

    @staticmethod
    def rule(value, average, grad, learning_rate, fresh, epsilon):
        average = average - fresh * average + fresh * grad * grad
        return value - learning_rate * grad / (sqrt(average) + epsilon), average

    def constants(self, step: int, learning_rate: float) -> tuple[float, ...]:
        return (learning_rate, 1 - self.rho, self.epsilon)


@OPTIMIZERS.register("adam")
class Adam(Optimizer):
    """Moving averages m of the gradient and v of its square, both corrected for starting at 0::

        m = beta1 m + (1 - beta1) grad            v = beta2 v + (1 - beta2) grad^2
        value -= learning_rate * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)

    The correction. Unrolled from 0, m after t steps is (1 - beta1) sum_k beta1^(t-k) grad_k for k = 1 to t. If
    gradients have the mean E, then E[m] = (1 - beta1) (1 + beta1 + ... + beta1^(t-1)) E = (1 - beta1^t) E, a
    geometric sum: too small by the factor 1 - beta1^t, by which it is divided; v likewise with beta2 and the
    gradients' squares. Then m / sqrt(v) is a mean over a root mean square: whatever the gradients' scale, a step is
    about learning_rate where gradients agree and less where they disagree (more, up to (1 - beta1) / sqrt(1 - beta2),
    3.2 times, only for the first gradient after a long silence).

    In the code the correction of v is taken out of the root, sqrt(v / (1 - beta2^t)) =
    sqrt(v) (1 - beta2^t)^-1/2, and both factors are computed once a step rather than for each parameter.

    Kingma & Ba, ICLR 2015, Algorithm 1: epsilon outside the root, after the correction (PyTorch;
    not Keras' "epsilon hat").

    Parameters
    ----------
    beta1, beta2 : float in [0, 1), default 0.9 and 0.999
    epsilon : float in (0, inf), default 1e-8
    """

    slots = ("m", "v")

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(learning_rate, weight_decay)
        self.beta1 = in_range("beta1", beta1, 0, 1)
        self.beta2 = in_range("beta2", beta2, 0, 1)
        self.epsilon = in_range("epsilon", epsilon, 0, open_low=True)

    @staticmethod
    def rule(value, m, v, grad, step_size, fresh1, fresh2, root_correction, epsilon):
        m = m - fresh1 * m + fresh1 * grad
        v = v - fresh2 * v + fresh2 * grad * grad
        return value - step_size * m / (sqrt(v) * root_correction + epsilon), m, v

    def constants(self, step: int, learning_rate: float) -> tuple[float, ...]:
        step_size = learning_rate / (1 - self.beta1**step)
        root_correction = (1 - self.beta2**step) ** -0.5
        return (step_size, 1 - self.beta1, 1 - self.beta2, root_correction, self.epsilon)


@OPTIMIZERS.register("adamw")
class AdamW(Adam):
    """Adam with decoupled weight decay on by default. Loshchilov & Hutter, ICLR 2019.

    An L2 penalty's gradient, strength * value, would pass through m and sqrt(v) like any other, and shrink weights of
    large gradients less. Here every weight is multiplied by the same 1 - learning_rate * weight_decay. For plain SGD
    the two are one: value - learning_rate * (grad + strength * value).

    Parameters: see Adam; weight_decay defaults to 0.01, as in PyTorch, but spares biases.
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(learning_rate, beta1, beta2, epsilon, weight_decay)


@OPTIMIZERS.register("lion")
class Lion(Optimizer):
    """value -= learning_rate * sign(beta1 m + (1 - beta1) grad), then m = beta2 m + (1 - beta2) grad.

    Only the sign of a smoothed gradient counts, so every value moves by learning_rate, whatever the gradients' scale:
    of two steps within a box of that half width the one that lowers grad . e most. The step looks at the gradient with
    the shorter memory beta1, and m remembers it with the longer one. Rates are 3 to 10 times smaller than Adam's.
    Chen et al., NeurIPS 2023, Algorithm 2. sign(0) is 0.

    Parameters
    ----------
    beta1, beta2 : float in [0, 1), default 0.9 and 0.99
    """

    slots = ("m",)

    def __init__(
        self, learning_rate: float = 0.0001, beta1: float = 0.9, beta2: float = 0.99, weight_decay: float = 0.0
    ) -> None:
        super().__init__(learning_rate, weight_decay)
        self.beta1 = in_range("beta1", beta1, 0, 1)
        self.beta2 = in_range("beta2", beta2, 0, 1)

    @staticmethod
    def rule(value, m, grad, learning_rate, fresh1, fresh2):
        step = sign(m - fresh1 * m + fresh1 * grad)
        return value - learning_rate * step, m - fresh2 * m + fresh2 * grad

    def constants(self, step: int, learning_rate: float) -> tuple[float, ...]:
        return (learning_rate, 1 - self.beta1, 1 - self.beta2)
