"""An activation that treats every value alone: what y = f(x) and its derivative need to be a layer.

Why backward is a product: if y = f(x) and the loss L depends on x through y only, a small change of x by e changes
y by f'(x) e, and L by dL/dy f'(x) e. So dL/dx = dL/dy f'(x), value by value.
"""

import functools
from collections.abc import Callable
from typing import Any, ClassVar

from ffnn.backend.engine import Array, Engine
from ffnn.backend.formula import Formula, complete
from ffnn.nn.layer import Layer
from ffnn.nn.parameters import Parameter

derivative: Any = None  # given a meaning for each activation


def _chain_rule(grad, x, y, *constants):
    return grad * derivative(x, y, *constants)


@functools.cache
def backward_formula(of: Formula) -> Formula:
    """The chain rule with this derivative."""
    return complete(_chain_rule, f"{of.__qualname__}_backward".replace(".", "_"), derivative=of)


class Elementwise(Layer):
    """An activation y = f(x) that treats every value alone; subclasses give `function` and `derivative`.

    Attributes
    ----------
    function : formula (x, *constants) -> y
    derivative : formula (x, y, *constants) -> dy/dx
    from_output : bool
        Whether the derivative uses y alone, so that x need not be kept.
    constants : tuple of float
        The activation's own options, in the order in which both formulas take them.
    """

    from_output: ClassVar[bool] = False
    function: ClassVar[Callable[..., Any]]
    derivative: ClassVar[Callable[..., Any]]
    constants: tuple[float, ...] = ()

    def connect(self, engine: Engine, input_size: int, parameters: dict[str, Parameter], seed: int) -> None:
        super().connect(engine, input_size, parameters, seed)
        self._forward = engine.elementwise(type(self).function)
        self._backward = engine.elementwise(backward_formula(type(self).derivative))

    def forward(self, inputs: Array, training: bool = False) -> Array:
        outputs = self.buffer("outputs", *inputs.shape)
        self._forward((outputs,), (inputs,), self.constants)
        self._inputs, self._outputs = inputs, outputs
        return outputs

    def backward(self, grad_outputs: Array, needs_input_grad: bool = True) -> Array:
        grad_inputs = self.buffer("grad_inputs", *grad_outputs.shape)
        self._backward((grad_inputs,), (grad_outputs, self._inputs, self._outputs), self.constants)
        return grad_inputs
