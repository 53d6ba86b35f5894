"""Losses, each with its gradient by hand; those of a label's probability are in `ffnn.nn.cross_entropy`.

A loss is a formula over a row of outputs and one of targets, which also writes the gradient.
"""

from ffnn.backend.engine import Array
from ffnn.backend.formulas import product, value_itself
from ffnn.backend.vocabulary import maximum, row_map, row_size, row_sum, where
from ffnn.nn.cross_entropy import FocalLoss, SoftmaxCrossEntropy
from ffnn.nn.loss import LOSSES, Loss
from ffnn.ranges import in_range

__all__ = ["LOSSES", "FocalLoss", "Hinge", "Loss", "MeanSquaredError", "SoftmaxCrossEntropy"]


def squared_error_gradient(output, target, scale, count):
    """The gradient of the mean squared error for one output."""
    return 2.0 * scale * (output - target) / count


def squared_difference(output, target):
    """(y - t)^2."""
    return (output - target) * (output - target)


def mean_squared_error(outputs, target, grad, scale):
    """(1/K) sum_j (y_j - t_j)^2, with gradient (2/K) (y_j - t_j): y_j stands in one square only."""
    count = row_size(target)
    row_map(squared_error_gradient, grad, outputs, target, scale, count)
    return row_sum(squared_difference, outputs, target) / count


@LOSSES.register("mean_squared_error")
class MeanSquaredError(Loss):
    """(y - t)^2 averaged over outputs and batch, as PyTorch's MSELoss; t is one-hot where labels are class numbers.

    On a softmax layer it is the Brier score divided by K; on a linear layer, least squares.
    """

    formula = staticmethod(mean_squared_error)

    def probabilities(self, outputs: Array) -> Array:
        """The outputs themselves: a distribution only if the network ends in softmax."""
        return outputs


def shortfall(output, target, score, margin):
    """By how much the label's score fails to lead this output by the margin; 0 for the label itself."""
    return (1.0 - target) * maximum(margin - score + output, 0.0)


def falls_short(output, target, score, margin):
    """The slope of `shortfall` by the output: 1 - t where it is above 0."""
    return where(margin - score + output > 0.0, 1.0 - target, 0.0)


def hinge_gradient(slope, target, total, scale, count):
    """scale (v_k - t_k sum_i v_i) / K, v being `falls_short`."""
    return scale * (slope - target * total) / count


def hinge(outputs, target, grad, scale, margin):
    """(1/K) sum_i (1 - t_i) max(0, margin - s + z_i), with the label's score s = sum_j t_j z_j.

    An output z_k stands in its own term, whose slope is v_k, and through s, with ds/dz_k = t_k, in all: each term that
    is above 0 falls by (1 - t_i) t_k. So the gradient is (v_k - t_k sum_i v_i) / K: outputs that come too near are
    pushed down, and the label's is pushed up by their number. At the very margin the slope is taken as 0.
    """
    count = row_size(outputs)
    score = row_sum(product, target, outputs)
    row_map(falls_short, grad, outputs, target, score, margin)
    total = row_sum(value_itself, grad)
    row_map(hinge_gradient, grad, grad, target, total, scale, count)
    return row_sum(shortfall, outputs, target, score, margin) / count


@LOSSES.register("hinge")
class Hinge(Loss):
    """sum over i != label of max(0, margin - z_label + z_i), over K and averaged over the batch.

    Weston & Watkins, 1999, as PyTorch's MultiMarginLoss: an image costs nothing once its label's output leads all
    others by the margin. Its outputs are scores, no probabilities.

    Parameters
    ----------
    margin : float in (0, inf), default 1
    """

    formula = staticmethod(hinge)

    def __init__(self, margin: float = 1.0) -> None:
        self.margin = in_range("margin", margin, 0, open_low=True)
        self.constants = (self.margin,)

    def probabilities(self, outputs: Array) -> Array:
        """The outputs themselves, which are scores."""
        return outputs
