"""Fusion: a linear layer and the activation behind it, computed in one pass over memory instead of three.

Layers stay what is described, tested and differentiated one by one; a network only runs such a pair
together, and its values are the same.
"""

import functools
from collections.abc import Sequence
from typing import Any

from ffnn.backend.engine import Array, unexplained
from ffnn.backend.formula import Formula, complete
from ffnn.nn.elementwise import Elementwise
from ffnn.nn.layer import Layer
from ffnn.nn.layers import Linear

function: Any = None  # both are given a meaning for each activation
derivative: Any = None


def _activated(x, y, bias, *constants):
    x = x + bias
    return x, function(x, *constants)


def _activated_backward(grad, x, y, *constants):
    grad = grad * derivative(x, y, *constants)
    return grad, grad


def _activated_in_place(x, bias, *constants):
    return function(x + bias, *constants)


def _activated_in_place_backward(grad, y, *constants):
    grad = grad * derivative(y, y, *constants)
    return grad, grad


@functools.cache
def _formulas(activation: type[Elementwise]) -> tuple[Formula, Formula]:
    templates: tuple[Formula, Formula] = (
        (_activated_in_place, _activated_in_place_backward)
        if activation.from_output
        else (_activated, _activated_backward)
    )
    name = f"biased_{activation.kind}"
    return (
        complete(templates[0], name, function=activation.function),
        complete(templates[1], f"{name}_backward", derivative=activation.derivative),
    )


class LinearActivation:
    """y = activation(inputs @ weight + bias), with the bias's gradient summed while the activation's is computed.

    Both layers are connected, and the linear one has a bias.
    """

    def __init__(self, linear: Linear, activation: Elementwise) -> None:
        self.linear, self.activation = linear, activation
        forward, backward = _formulas(type(activation))
        self._forward = unexplained(linear.engine.update(forward))
        self._backward = unexplained(linear.engine.columns(backward))

    def forward(self, inputs: Array, training: bool = False) -> Array:
        """As both layers' `forward`."""
        linear, activation = self.linear, self.activation
        x = linear.product(inputs)
        # Where the derivative needs y alone, y takes the place of x: half the memory to write and to keep in the cache.
        self._arrays = (x,) if activation.from_output else (x, activation.buffer("outputs", *x.shape))
        self._forward(self._arrays, (linear.bias_parameter.value,), activation.constants)
        return self._arrays[-1]

    def backward(self, grad_outputs: Array, needs_input_grad: bool = True) -> Array:
        """As both layers' `backward`."""
        linear, activation = self.linear, self.activation
        grad = activation.buffer("grad_inputs", *grad_outputs.shape)
        inputs = (grad_outputs, *self._arrays)
        self._backward((grad, linear.bias_parameter.grad), inputs, activation.constants)
        return linear.product_backward(grad, needs_input_grad)


Stage = Layer | LinearActivation
"""What a network runs: a layer, or two that were joined."""


def fused(layers: Sequence[Layer]) -> list[Stage]:
    """The stages of a network of these layers: each linear layer joined with an element-wise activation behind it."""
    stages: list[Stage] = []
    for layer in layers:
        before = stages[-1] if stages else None
        if isinstance(before, Linear) and before.bias and isinstance(layer, Elementwise) and _usual(before, layer):
            stages[-1] = LinearActivation(before, layer)
        else:
            stages.append(layer)
    return stages


def _usual(linear: Linear, activation: Elementwise) -> bool:
    """Whether neither is of a subclass with a forward or backward of its own, which must then be what runs."""
    return all(
        getattr(type(layer), method) is getattr(base, method)
        for layer, base in ((linear, Linear), (activation, Elementwise))
        for method in ("forward", "backward")
    )
