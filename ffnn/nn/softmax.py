"""Softmax: a row of scores turned into a row of probabilities, as an activation of its own.

Every output depends on every input of its row, so its backward is the product with a full Jacobian.
"""

import numpy as np

from ffnn.backend.engine import Array, Engine
from ffnn.backend.formulas import product, value_itself
from ffnn.backend.vocabulary import exp, log, row_map, row_max, row_sum
from ffnn.nn.activations import ACTIVATIONS
from ffnn.nn.layer import Layer
from ffnn.nn.parameters import Parameter


def exponential(score, peak):
    """e^(score - peak), at most 1."""
    return exp(score - peak)


def share(weight, total):
    """weight / total."""
    return weight / total


def centred_product(y, grad, inner):
    """y (g - inner)."""
    return y * (grad - inner)


def softmax_and_logarithms(scores, probabilities):
    """y_j = e^(x_j) / sum_k e^(x_k), after subtracting the row's largest score c; returns c and log sum_k e^(x_k - c).

    Subtracting a number from all scores divides numerator and denominator by its exponential, which changes no y.
    With the largest score, every exponential is at most 1 and one of them is 1: nothing overflows, and the sum is
    never 0. See `log_share` for what the two numbers are for.
    """
    peak = row_max(scores)
    row_map(exponential, probabilities, scores, peak)
    total = row_sum(value_itself, probabilities)
    row_map(share, probabilities, probabilities, total)
    return peak, log(total)


def log_share(score, peak, log_total):
    """log y = x - log sum_k e^(x_k) = (x - c) - log sum_k e^(x_k - c), c being the largest score.

    In this order: for scores of 1000 the sum c + log sum_k e^(x_k - c) has no digit left for a logarithm of 1e-5.
    """
    return (score - peak) - log_total


def softmax(scores, probabilities):
    """y_j = e^(x_j) / sum_k e^(x_k); returns log sum_k e^(x_k)."""
    peak, log_total = softmax_and_logarithms(scores, probabilities)
    return peak + log_total


def softmax_backward(grad, y, grad_scores):
    """dL/dx_j = y_j (g_j - sum_k g_k y_k), because dy_k/dx_j = y_k ([j = k] - y_j); returns the sum.

    With S = sum_k e^(x_k), y_k = e^(x_k) / S and dS/dx_j = e^(x_j). The quotient rule gives
    dy_k/dx_j = [j = k] e^(x_k) / S - e^(x_k) e^(x_j) / S^2 = y_k ([j = k] - y_j). The chain rule sums over all
    outputs, since x_j acts on each of them through S: sum_k g_k y_k ([j = k] - y_j) = g_j y_j - y_j sum_k g_k y_k.
    So the Jacobian is never formed: one sum a row is enough.
    """
    inner = row_sum(product, grad, y)
    row_map(centred_product, grad_scores, y, grad, inner)
    return inner


@ACTIVATIONS.register("softmax")
class Softmax(Layer):
    """y = softmax(x) along each row: positive numbers that sum to 1.

    As a hidden activation it makes the units of a layer compete. As the last layer it belongs
    before a squared error; cross-entropy takes the scores (logits) themselves.
    """

    kind = "softmax"

    def connect(self, engine: Engine, input_size: int, parameters: dict[str, Parameter], seed: int) -> None:
        super().connect(engine, input_size, parameters, seed)
        self._forward = engine.rows(softmax)
        self._backward = engine.rows(softmax_backward)
        self._unused_sum = engine.zeros((1,), np.float64)

    def forward(self, inputs: Array, training: bool = False) -> Array:
        outputs = self.buffer("outputs", *inputs.shape)
        self._forward((outputs, self._unused_sum), (inputs,), ())
        self._outputs = outputs
        return outputs

    def backward(self, grad_outputs: Array, needs_input_grad: bool = True) -> Array:
        grad_inputs = self.buffer("grad_inputs", *grad_outputs.shape)
        self._backward((grad_inputs, self._unused_sum), (grad_outputs, self._outputs), ())
        return grad_inputs
