"""The L2 penalty: a price on large weights that is added to any loss.

It is a term of the objective, unlike an optimizer's `weight_decay`, which shrinks weights directly.
"""

from ffnn.backend.engine import Array
from ffnn.nn.parameters import ParameterStore
from ffnn.ranges import in_range


def with_penalty(grad, value, strength):
    """grad + strength * value."""
    return grad + strength * value


class L2Penalty:
    """strength / 2 * sum of squared weights; its gradient is strength * weight. Biases are never penalised.

    d/dw of strength / 2 w^2 is strength w: the 2 of the square takes away the half, which is what it is there for.
    A step of plain gradient descent then multiplies the weight by 1 - learning_rate * strength before anything else.

    Parameters
    ----------
    strength : float in [0, inf)
        lambda. With plain SGD the same as PyTorch's `weight_decay` on the weights.
    per_example : bool, default False
        Divide by the batch size m: lambda / (2 m), the form of the DTU proposal and scikit-learn.
    """

    def __init__(self, strength: float, per_example: bool = False) -> None:
        self.strength = in_range("l2", strength, 0)
        self.per_example = per_example

    def value(self, parameters: ParameterStore, batch_size: int) -> float:
        """The penalty itself."""
        return self.factor(batch_size) / 2 * parameters.engine.norm(parameters.penalised_values) ** 2

    def add_gradient(self, parameters: ParameterStore, factor: float | Array) -> None:
        """Add the penalty's gradient to that of the loss, with the factor, or a cell, that `factor` gave."""
        if self.strength:
            kernel = parameters.engine.update(with_penalty)
            kernel((parameters.penalised_grads,), (parameters.penalised_values,), (factor,))

    def factor(self, batch_size: int) -> float:
        """lambda, or lambda / m."""
        return self.strength / batch_size if self.per_example else self.strength
