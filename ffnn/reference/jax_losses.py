"""ffnn's losses in the operations of JAX and Optax: the sum over a batch, and what its mean divides by.

Labels are class numbers, or targets where augmentation mixed images.
"""

from typing import Any

from ffnn.nn import SoftmaxCrossEntropy

Sum = tuple[Any, Any]
"""The sum over the rows and its divisor."""


def cross_entropy(loss: SoftmaxCrossEntropy, outputs: Any, labels: Any) -> Sum:
    """Optax's own."""
    import optax

    if labels.ndim == 1 and not loss.label_smoothing and loss.class_weights is None:
        return optax.softmax_cross_entropy_with_integer_labels(outputs, labels).sum(), len(labels)
    targets, divisor = _targets(loss, outputs, labels)
    return optax.softmax_cross_entropy(outputs, targets).sum(), divisor


def focal(loss: SoftmaxCrossEntropy, outputs: Any, labels: Any, gamma: float) -> Sum:
    """-(1 - p)^gamma log p, which Optax has for sigmoids only, differentiated by JAX."""
    import jax

    targets, divisor = _targets(loss, outputs, labels)
    scores = jax.nn.log_softmax(outputs)
    return -(targets * (1 - jax.numpy.exp(scores)) ** gamma * scores).sum(), divisor


def mean_squared_error(loss: object, outputs: Any, labels: Any) -> Sum:
    """Optax's squared error, on one-hot targets."""
    import optax

    rows, columns = outputs.shape
    return optax.squared_error(outputs, _as_targets(outputs, labels)).sum() / columns, rows


def hinge(loss: object, outputs: Any, labels: Any, margin: float) -> Sum:
    """As PyTorch's multi_margin_loss, which Optax lacks, differentiated by JAX."""
    import jax.numpy as jnp

    targets = _as_targets(outputs, labels)
    short = jnp.maximum(margin - (targets * outputs).sum(axis=1, keepdims=True) + outputs, 0) * (1 - targets)
    return short.sum() / outputs.shape[1], len(labels)


def _targets(loss: SoftmaxCrossEntropy, outputs: Any, labels: Any) -> Sum:
    """Targets smoothed and weighted, and the divisor."""
    import jax.numpy as jnp
    import optax

    plain = _as_targets(outputs, labels)
    targets = optax.smooth_labels(plain, loss.label_smoothing)
    if loss.class_weights is None:
        return targets, len(labels)
    weights = jnp.asarray(loss.class_weights, outputs.dtype)
    divisor = (plain * weights).sum()
    return targets * weights, jnp.where(divisor == 0, 1.0, divisor)


def _as_targets(outputs: Any, labels: Any) -> Any:
    import jax

    return labels if labels.ndim == 2 else jax.nn.one_hot(labels, outputs.shape[1], dtype=outputs.dtype)
