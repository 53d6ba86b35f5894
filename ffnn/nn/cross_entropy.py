"""Cross-entropy and its relatives: losses of a label's probability, which softmax makes of the outputs.

Softmax and logarithm are one formula here, so that neither a probability of 0 nor a large score does harm.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ffnn.backend.engine import Array, Engine
from ffnn.backend.formulas import product, value_itself
from ffnn.backend.vocabulary import log, maximum, power, row_map, row_max, row_sum, where
from ffnn.errors import FFNNError
from ffnn.nn.loss import LOSSES, Loss
from ffnn.nn.softmax import exponential, log_share, softmax, softmax_and_logarithms
from ffnn.ranges import in_range


def target_surprise(target, logit, peak, log_total):
    """-t log p of a softmax."""
    return -target * log_share(logit, peak, log_total)


def score_gradient(weight, total, target, mass, scale):
    """scale (mass p - t), with p = weight / total."""
    return scale * (mass * weight / total - target)


def softmax_cross_entropy(logits, target, grad, scale):
    """sum_j t_j (log sum_k e^(z_k - c) - (z_j - c)), c being the row's largest logit.

    That is -sum_j t_j log p_j with p = softmax(z), since log p_j = z_j - log sum_k e^z_k, for c see `log_share`. To
    differentiate by z_j: d/dz_j log sum_k e^z_k = e^z_j / sum_k e^z_k = p_j, and every target t_k brings this term
    once, while only t_j brings -z_j. So the gradient is (sum_k t_k) p_j - t_j: the famous p - t where the targets sum
    to 1. Taken one after the other, the logarithm's slope 1 / p would be infinite wherever p rounds to 0; together
    they cancel.
    """
    peak = row_max(logits)
    row_map(exponential, grad, logits, peak)
    total = row_sum(value_itself, grad)
    mass = row_sum(value_itself, target)
    row_map(score_gradient, grad, grad, total, target, mass, scale)
    return row_sum(target_surprise, target, logits, peak, log(total))


def smoothed(target, mass, weight, spread):
    """kept * target + spread * mass."""
    return weight * target + spread * mass


def smoothed_targets(targets, out, weight, spread):
    """(1 - s) t_j + s / K sum_k t_k, which keeps the row's sum; returns that sum.

    Summed over the K classes: (1 - s) sum_k t_k + K s / K sum_k t_k = sum_k t_k. The gradient p - t is then 0 at
    p = smoothed t rather than at infinite logits, as it would be for a target of 1.
    """
    mass = row_sum(value_itself, targets)
    row_map(smoothed, out, targets, mass, weight, spread)
    return mass


def ratios(name: str, weights: NDArray[np.float64], dtype: str) -> NDArray[np.float64]:
    """Weights, of which only ratios matter, times the power of 2 that brings the largest to [0.5, 1).

    No digit is lost, and common factors that `dtype` has no numbers for do no harm; FFNNError for a weight that it has
    no number for then.

    Examples
    --------
    >>> ratios("weights", np.array([3e-46, 1e-46, 0]), "float32").round(2).tolist()
    [0.86, 0.29, 0.0]
    """
    scaled: NDArray[np.float64] = np.ldexp(weights, -int(np.frexp(weights.max())[1]))
    lost = (weights > 0) & (scaled < np.finfo(dtype).tiny)
    if lost.any():
        expected = f"weights of at least {np.finfo(dtype).tiny:.2g} times the largest, or 0, as {dtype} has them"
        received = f"{weights[lost][0]:g} beside {weights.max():g}"
        raise FFNNError(f"{name}: expected {expected}; received {received}: set such weights to 0")
    return scaled


def total_weight(weights):
    """The sum of a row."""
    return row_sum(value_itself, weights)


def weight_and_scale(weight, scale):
    """The weight and its inverse; 1 where every label of a batch weighs nothing, as then its loss and gradient do."""
    weight = where(weight > 0.0, weight, 1.0)
    return weight, 1.0 / weight


@LOSSES.register("cross_entropy")
class SoftmaxCrossEntropy(Loss):
    """-log softmax(logits)[label], averaged over the batch: takes logits, so the network ends in a linear layer.

    Softmax and logarithm are one formula, finite for logits of any size. Do not put a softmax
    layer before it: the softmax would be applied twice.

    Parameters
    ----------
    label_smoothing : float in [0, 1), default 0
        Targets become (1 - s) one_hot + s / K, in proportion where they sum to something else than 1.
        Szegedy et al., CVPR 2016.
    class_weights : sequence of K non-negative floats, optional
        Weight of each class in the mean, sum_i w_i l_i / sum_i w_i, which is divided by the sum of the labels'
        weights, as in PyTorch: multiplying all weights by one number changes nothing, and each row's gradient has
        the factor w_i / sum_i w_i. Where labels are targets whose rows sum to weights of their own, those multiply:
        ones for `class_weights` then give the mean weighted by rows.
    """

    formula: ClassVar[Callable[..., Any]] = staticmethod(softmax_cross_entropy)
    takes_logits = True

    def __init__(self, label_smoothing: float = 0.0, class_weights: Sequence[float] | None = None) -> None:
        self.label_smoothing = in_range("label_smoothing", label_smoothing, 0, 1)
        self.class_weights = None if class_weights is None else [in_range("class_weights", w, 0) for w in class_weights]
        if self.class_weights is not None and not any(self.class_weights):
            raise FFNNError(f"class_weights: expected one above 0; received {self.class_weights}: no label would count")

    def connect(self, engine: Engine, num_outputs: int) -> None:
        super().connect(engine, num_outputs)
        self._smooth = engine.rows(smoothed_targets)
        self._weight, self._scale = engine.zeros((1,), np.float64), engine.zeros((1,), np.float64)
        self._weights: Array = None
        if self.class_weights is not None:
            if len(self.class_weights) != num_outputs:
                raise FFNNError(
                    f"class_weights needs one weight for each of {num_outputs} classes; "
                    f"received {len(self.class_weights)}"
                )
            self._weights = engine.array(ratios("class_weights", np.array(self.class_weights), engine.dtype.name))
            self._weigh = engine.update(product)
            self._look_up = engine.gather(value_itself)

    def _targets(self, labels: Array) -> Array:
        targets = self._workspace("targets", len(labels), self._num_outputs)
        off = self.label_smoothing / self._num_outputs
        if labels.ndim == 1:
            self._engine.one_hot(labels, 1 - self.label_smoothing + off, off, targets)
        else:
            self._smooth((targets, self._unused_sum), (labels,), (1 - self.label_smoothing, off))
        if self._weights is not None:
            self._weigh((targets,), (self._weights,), ())
        return targets

    def _weighed(self, labels: Array) -> tuple[float | Array, float | Array]:
        if self._weights is None:
            return super()._weighed(labels)
        if labels.ndim == 1:
            weights = self._workspace("label_weights", len(labels), 1)
            self._look_up(weights, self._weights.reshape(-1, 1), labels, ())
        else:
            weights = self._workspace("target_weights", *labels.shape)
            self._engine.elementwise(product)((weights,), (labels, self._weights), ())
        self._engine.rows(total_weight)((self._weight,), (weights,), ())
        self._engine.update(weight_and_scale)((self._weight, self._scale), (), ())
        return self._weight, self._scale

    def probabilities(self, outputs: Array) -> Array:
        """softmax(logits)."""
        result = self._workspace("probabilities", *outputs.shape)
        self._engine.rows(softmax)((result, self._unused_sum), (outputs,), ())
        return result


def focal_term(target, logit, p, peak, log_total, gamma):
    """-t (1 - p)^gamma log p: cross-entropy's -t log p, weighted down where p is near 1 already."""
    return power(maximum(1.0 - p, 0.0), gamma) * target_surprise(target, logit, peak, log_total)


def focal_slope(target, logit, p, peak, log_total, gamma):
    """p times the derivative of `focal_term` by p: t (gamma p (1 - p)^(gamma - 1) log p - (1 - p)^gamma).

    The product rule on -t (1 - p)^gamma log p gives t gamma (1 - p)^(gamma - 1) log p from the power, whose inner
    derivative is -1, and -t (1 - p)^gamma / p from the logarithm. Times p, nothing is divided by p any more.
    """
    rest = maximum(1.0 - p, 0.0)  # rounding may take p beyond 1
    log_p = log_share(logit, peak, log_total)
    return target * (gamma * p * power(rest, gamma - 1.0) * log_p - power(rest, gamma))


def focal_gradient(target, logit, p, peak, log_total, gamma, inner, scale):
    """scale (b_k - p_k sum_j b_j), b being `focal_slope`, because dp_j/dz_k = p_j ([j = k] - p_k) for a softmax.

    With b_j = p_j dl/dp_j, the chain rule is sum_j dl/dp_j p_j ([j = k] - p_k) = sum_j b_j ([j = k] - p_k). For
    gamma = 0, b_j = -t_j and this is p_k sum_j t_j - t_k: cross-entropy's gradient.
    """
    return scale * (focal_slope(target, logit, p, peak, log_total, gamma) - p * inner)


def focal(logits, target, grad, scale, gamma):
    """-sum_j t_j (1 - p_j)^gamma log p_j with p = softmax(logits)."""
    peak, log_total = softmax_and_logarithms(logits, grad)
    inner = row_sum(focal_slope, target, logits, grad, peak, log_total, gamma)
    loss = row_sum(focal_term, target, logits, grad, peak, log_total, gamma)
    row_map(focal_gradient, grad, target, logits, grad, peak, log_total, gamma, inner, scale)
    return loss


@LOSSES.register("focal")
class FocalLoss(SoftmaxCrossEntropy):
    """-(1 - p)^gamma log p of the label's probability: what is already right counts less. Lin et al., ICCV 2017.

    For classes of very different size, together with class_weights (the paper's alpha).

    Parameters
    ----------
    gamma : float in [1, inf), default 2
        0 would be cross-entropy; below 1 the gradient is not finite at p = 1.
    label_smoothing, class_weights
        As for SoftmaxCrossEntropy.
    """

    formula = staticmethod(focal)

    def __init__(
        self, gamma: float = 2.0, label_smoothing: float = 0.0, class_weights: Sequence[float] | None = None
    ) -> None:
        super().__init__(label_smoothing, class_weights)
        self.gamma = in_range("gamma", gamma, 1)
        self.constants = (self.gamma,)
