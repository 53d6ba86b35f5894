"""ffnn's losses in the operations of Keras and TensorFlow: the sum over a batch, and what its mean divides by.

Labels are class numbers, or targets where augmentation mixed images.
"""

from typing import Any

from ffnn.nn import SoftmaxCrossEntropy

Sum = tuple[Any, Any]
"""The sum over the rows and its divisor."""


def cross_entropy(loss: SoftmaxCrossEntropy, outputs: Any, labels: Any) -> Sum:
    """TensorFlow's own, on targets."""
    import tensorflow as tf

    targets, divisor = _targets(loss, outputs, labels)
    if loss.class_weights is None:
        return tf.reduce_sum(tf.nn.softmax_cross_entropy_with_logits(targets, outputs)), divisor
    return -tf.reduce_sum(targets * tf.nn.log_softmax(outputs)), divisor


def focal(loss: SoftmaxCrossEntropy, outputs: Any, labels: Any, gamma: float) -> Sum:
    """-(1 - p)^gamma log p, differentiated by TensorFlow."""
    import tensorflow as tf

    targets, divisor = _targets(loss, outputs, labels)
    scores = tf.nn.log_softmax(outputs)
    return -tf.reduce_sum(targets * (1 - tf.exp(scores)) ** gamma * scores), divisor


def mean_squared_error(loss: object, outputs: Any, labels: Any) -> Sum:
    """Keras's own, on one-hot targets."""
    import keras
    import tensorflow as tf

    return tf.reduce_sum(keras.losses.mean_squared_error(_as_targets(outputs, labels), outputs)), _rows(outputs)


def _targets(loss: SoftmaxCrossEntropy, outputs: Any, labels: Any) -> Sum:
    """Targets smoothed and weighted, and the divisor."""
    import tensorflow as tf

    plain = _as_targets(outputs, labels)
    targets = plain * (1 - loss.label_smoothing) + loss.label_smoothing / outputs.shape[1]
    if loss.class_weights is None:
        return targets, _rows(outputs)
    weights = tf.constant(loss.class_weights, outputs.dtype)
    divisor = tf.reduce_sum(plain * weights)
    return targets * weights, tf.where(divisor == 0, tf.ones_like(divisor), divisor)


def _as_targets(outputs: Any, labels: Any) -> Any:
    import tensorflow as tf

    return labels if len(labels.shape) == 2 else tf.one_hot(labels, outputs.shape[1], dtype=outputs.dtype)


def _rows(outputs: Any) -> Any:
    import tensorflow as tf

    return tf.cast(tf.shape(outputs)[0], outputs.dtype)
