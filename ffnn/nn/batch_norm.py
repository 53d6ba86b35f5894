"""Batch normalization: every feature brought to zero mean and unit variance over the batch.

Its backward is the one gradient that students most often get wrong, so it is derived here in full.
"""

from ffnn.backend.engine import Array, Engine
from ffnn.backend.formulas import moved_towards, product, value_itself
from ffnn.backend.vocabulary import sqrt
from ffnn.errors import FFNNError
from ffnn.nn.initializers import Normal, Zeros
from ffnn.nn.layer import Layer
from ffnn.nn.parameters import Parameter, ParameterSpec
from ffnn.ranges import in_range


def squared_deviation(x, total, n):
    """(x - mean)^2, the mean being total / n."""
    deviation = x - total / n
    return deviation * deviation


def inverse_deviation(variance, epsilon):
    """1 / sqrt(variance + epsilon)."""
    return 1.0 / sqrt(variance + epsilon)


def normalized(x, mean, inverse, scale, shift):
    """(x - mean) times the inverse deviation, and that scaled and shifted."""
    x_hat = (x - mean) * inverse
    return x_hat, scale * x_hat + shift


def statistics(running_mean, running_variance, total, squares, n, momentum, epsilon):
    """One step of both running averages, the second of the unbiased variance; then the batch's own mean and 1 / s."""
    mean, variance = total / n, squares / n
    return (
        moved_towards(running_mean, mean, momentum),
        moved_towards(running_variance, squares / (n - 1.0), momentum),
        mean,
        inverse_deviation(variance, epsilon),
    )


def scale_and_shift_gradients(grad, x_hat):
    """g h and g, whose sums over the batch are dL/dscale and dL/dshift."""
    return grad * x_hat, grad


def input_gradient(grad, x_hat, slope, grad_scale, grad_shift, n):
    """dL/dx of a training batch; `slope` is scale / s."""
    return slope * (grad - (grad_shift + x_hat * grad_scale) / n)


def running_gradient(grad, slope):
    """dL/dx where mean and variance are constants."""
    return slope * grad


class BatchNorm(Layer):
    """y = scale * (x - mean) / sqrt(var + epsilon) + shift, for each feature.

    While training, mean and (biased) variance are the batch's, and running averages are kept, with the unbiased
    variance, as in PyTorch; at evaluation the running averages are used. Ioffe & Szegedy, ICML 2015.

    Backward. Let h = (x - mean) / s, s = sqrt(var + epsilon), over n rows, and g = dL/dy. Then
    dL/dscale = sum g h and dL/dshift = sum g, as y = scale h + shift. The input acts on h directly, through the
    mean and through s. With d_i = x_i - mean, the three ways are::

        dmean/dx_j = 1/n, so            dd_i/dx_j = [i = j] - 1/n
        var = sum_i d_i^2 / n, so       dvar/dx_j = 2/n sum_i d_i ([i = j] - 1/n) = 2 d_j / n, as sum_i d_i = 0
        s = sqrt(var + epsilon), so     ds/dx_j = dvar/dx_j / (2 s) = d_j / (n s) = h_j / n

    By the quotient rule dh_i/dx_j = (dd_i/dx_j) / s - d_i / s^2 ds/dx_j = ([i = j] - 1/n - h_i h_j / n) / s.
    Summed with g_i scale over i::

        dL/dx_j = scale / s * (g_j - sum(g) / n - h_j sum(g h) / n)

    In words: the gradient without its mean and without its part along h, for shifting or stretching a batch changes
    none of its outputs. At evaluation mean and s are constants, and dL/dx_j = scale / s * g_j remains.

    Parameters
    ----------
    momentum : float in (0, 1), default 0.1
        Weight of the newest batch in the running averages.
    epsilon : float in (0, inf), default 1e-5

    Errors
    ------
    A training batch of one row has no variance: FFNNError, as in PyTorch.
    """

    kind = "batch_norm"

    def __init__(self, momentum: float = 0.1, epsilon: float = 1e-5) -> None:
        self.momentum = in_range("momentum", momentum, 0, 1, open_low=True)
        self.epsilon = in_range("epsilon", epsilon, 0, open_low=True)

    def parameter_specs(self, input_size: int) -> list[ParameterSpec]:
        ones = Normal(std=0.0, mean=1.0)
        return [
            ParameterSpec("scale", (input_size,), ones, penalised=False),
            ParameterSpec("shift", (input_size,), Zeros(), penalised=False),
        ]

    def connect(self, engine: Engine, input_size: int, parameters: dict[str, Parameter], seed: int) -> None:
        super().connect(engine, input_size, parameters, seed)
        self._scale, self._shift = parameters["scale"], parameters["shift"]
        self._running_mean = engine.zeros((input_size,))
        self._running_variance = engine.zeros((input_size,))
        self._running_variance[...] = 1
        self._mean, self._inverse, self._slope = (engine.empty((input_size,)) for _ in range(3))
        self._batch_statistics = False

    def forward(self, inputs: Array, training: bool = False) -> Array:
        self._batch_statistics = training
        rows, columns = inputs.shape
        if training:
            mean = self._measure(inputs)
        else:
            mean = self._running_mean
            self.engine.elementwise(inverse_deviation)((self._inverse,), (self._running_variance,), (self.epsilon,))
        x_hat, outputs = self.buffer("x_hat", rows, columns), self.buffer("outputs", rows, columns)
        vectors = (mean, self._inverse, self._scale.value, self._shift.value)
        self.engine.elementwise(normalized)((x_hat, outputs), (inputs, *vectors), ())
        self._x_hat = x_hat
        return outputs

    def _measure(self, inputs: Array) -> Array:
        """The batch's mean; its inverse deviation and both running averages are brought up to date."""
        rows = len(inputs)
        if rows < 2:
            raise FFNNError(
                "batch_norm needs at least 2 rows in a training batch; received 1: "
                "choose a batch_size that leaves no single row over"
            )
        engine, n = self.engine, float(rows)
        total, squares = self._mean, self._inverse
        engine.columns(value_itself)((total,), (inputs,), ())
        engine.columns(squared_deviation)((squares,), (inputs, total), (n,))
        targets = (self._running_mean, self._running_variance, total, squares)
        engine.update(statistics)(targets, (), (n, self.momentum, self.epsilon))
        return self._mean

    def backward(self, grad_outputs: Array, needs_input_grad: bool = True) -> Array:
        engine, n = self.engine, float(len(grad_outputs))
        grad_scale, grad_shift = self._scale.grad, self._shift.grad
        engine.columns(scale_and_shift_gradients)((grad_scale, grad_shift), (grad_outputs, self._x_hat), ())
        grad_inputs = self.buffer("grad_inputs", *grad_outputs.shape)
        engine.elementwise(product)((self._slope,), (self._scale.value, self._inverse), ())
        if self._batch_statistics:
            inputs = (grad_outputs, self._x_hat, self._slope, grad_scale, grad_shift)
            engine.elementwise(input_gradient)((grad_inputs,), inputs, (n,))
        else:
            engine.elementwise(running_gradient)((grad_inputs,), (grad_outputs, self._slope), ())
        return grad_inputs

    def state(self) -> dict[str, Array]:
        return {"running_mean": self._running_mean, "running_variance": self._running_variance}

    def flops(self) -> int:
        return 4 * self.input_size
