"""ffnn's losses in PyTorch's own operations: the sum over a batch, and what its mean divides by.

Labels are class numbers, or targets where augmentation mixed images.
"""

from typing import Any

from ffnn.errors import FFNNError
from ffnn.nn import SoftmaxCrossEntropy

Sum = tuple[Any, Any]
"""The sum over the rows and its divisor."""


def cross_entropy(loss: SoftmaxCrossEntropy, outputs: Any, labels: Any) -> Sum:
    """PyTorch's own, with its smoothing and class weights."""
    from torch.nn import functional

    weights = _class_weights(loss, outputs)
    total = functional.cross_entropy(outputs, labels, weights, reduction="sum", label_smoothing=loss.label_smoothing)
    return total, _divisor(weights, labels)


def focal(loss: SoftmaxCrossEntropy, outputs: Any, labels: Any, gamma: float) -> Sum:
    """-(1 - p)^gamma log p, which PyTorch lacks, differentiated by PyTorch."""
    from torch.nn import functional

    weights, classes = _class_weights(loss, outputs), outputs.shape[1]
    scores = functional.log_softmax(outputs, dim=1)
    targets = _as_targets(outputs, labels)
    targets = targets * (1 - loss.label_smoothing) + loss.label_smoothing / classes
    if weights is not None:
        targets = targets * weights
    return -(targets * (1 - scores.exp()) ** gamma * scores).sum(), _divisor(weights, labels)


def mean_squared_error(loss: object, outputs: Any, labels: Any) -> Sum:
    """PyTorch's own, on one-hot targets."""
    from torch.nn import functional

    rows, columns = outputs.shape
    return functional.mse_loss(outputs, _as_targets(outputs, labels), reduction="sum") / columns, rows


def hinge(loss: object, outputs: Any, labels: Any, margin: float) -> Sum:
    """PyTorch's own, which takes class numbers alone."""
    from torch.nn import functional

    if labels.ndim == 2:
        raise FFNNError("torch's multi_margin_loss takes no mixed targets: leave mixup out, or use framework=ffnn")
    return functional.multi_margin_loss(outputs, labels, margin=margin, reduction="sum"), len(labels)


def _class_weights(loss: SoftmaxCrossEntropy, outputs: Any) -> Any:
    return None if loss.class_weights is None else outputs.new_tensor(loss.class_weights)


def _as_targets(outputs: Any, labels: Any) -> Any:
    from torch.nn import functional

    return labels if labels.ndim == 2 else functional.one_hot(labels, outputs.shape[1]).to(outputs.dtype)


def _divisor(weights: Any, labels: Any) -> Any:
    if weights is None:
        return len(labels)
    return float((labels @ weights if labels.ndim == 2 else weights[labels]).sum()) or 1.0
