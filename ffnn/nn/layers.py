"""Linear and Dropout: the layer that learns, and the one that makes it learn robustly.

Batch normalization is in `ffnn.nn.batch_norm`, activations in `ffnn.nn.activations`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ffnn.backend.engine import Array, Engine, unexplained
from ffnn.backend.formulas import value_itself
from ffnn.backend.vocabulary import uniform, where
from ffnn.nn.initializers import INITIALIZERS, Initializer
from ffnn.nn.layer import Layer, key_of_step
from ffnn.nn.parameters import Parameter, ParameterSpec
from ffnn.ranges import in_range, positive_integer


def plus_bias(x, bias):
    """x + bias."""
    return x + bias


class Linear(Layer):
    """outputs = inputs @ weight + bias.

    With G = dL/doutputs::

        dL/dweight = inputs.T @ G      dL/dbias = sum of G over the batch      dL/dinputs = G @ weight.T

    Written out, output j of row i is y_ij = sum_k x_ik w_kj + b_j. The chain rule sums over all outputs that a
    number acts on, each with the factor in front of it::

        dL/dw_kj = sum_i G_ij x_ik     w_kj acts on output j of every row
        dL/db_j  = sum_i G_ij          so does b_j, with the factor 1
        dL/dx_ik = sum_j G_ij w_kj     x_ik acts on every output of its row

    which are the products above. Shapes leave no other way: weight (in, out) from inputs (n, in) and G (n, out).

    Parameters
    ----------
    units : int >= 1
        Number of outputs.
    weight_init, bias_init : str, mapping or Initializer, default "he_normal" and "zeros"
        A name or `{name: ..., option: ...}` of `INITIALIZERS`.
    bias : bool, default True

    Shapes
    ------
    weight (input_size, units), bias (units,): the transpose of PyTorch's weight.
    """

    kind = "linear"

    def __init__(
        self,
        units: int,
        weight_init: str | dict[str, Any] | Initializer = "he_normal",
        bias_init: str | dict[str, Any] | Initializer = "zeros",
        bias: bool = True,
    ) -> None:
        self.units = positive_integer("units", units)
        self.bias = bias
        self._weight_init = weight_init if isinstance(weight_init, Initializer) else INITIALIZERS.create(weight_init)
        self._bias_init = bias_init if isinstance(bias_init, Initializer) else INITIALIZERS.create(bias_init)

    def output_size(self, input_size: int) -> int:
        return self.units

    def parameter_specs(self, input_size: int) -> list[ParameterSpec]:
        weight = ParameterSpec("weight", (input_size, self.units), self._weight_init, penalised=True)
        bias = ParameterSpec("bias", (self.units,), self._bias_init, penalised=False)
        return [weight, bias] if self.bias else [weight]

    def connect(self, engine: Engine, input_size: int, parameters: dict[str, Parameter], seed: int) -> None:
        super().connect(engine, input_size, parameters, seed)
        self._weight = parameters["weight"]
        self._bias = parameters.get("bias")
        self._add_bias = unexplained(engine.update(plus_bias))
        self._sum_columns = unexplained(engine.columns(value_itself))

    @property
    def bias_parameter(self) -> Parameter:
        """The bias, of a layer that has one."""
        assert self._bias is not None
        return self._bias

    def forward(self, inputs: Array, training: bool = False) -> Array:
        outputs = self.product(inputs)
        if self._bias is not None:
            self._add_bias((outputs,), (self._bias.value,), ())
        return outputs

    def backward(self, grad_outputs: Array, needs_input_grad: bool = True) -> Array:
        if self._bias is not None:
            self._sum_columns((self._bias.grad,), (grad_outputs,), ())
        return self.product_backward(grad_outputs, needs_input_grad)

    def product(self, inputs: Array) -> Array:
        """inputs @ weight: `forward` without the bias."""
        outputs = self.buffer("outputs", len(inputs), self.units)
        self.engine.matmul(inputs, self._weight.value, outputs)
        self._inputs = inputs
        return outputs

    def product_backward(self, grad_outputs: Array, needs_input_grad: bool = True) -> Array:
        """The weight's gradient and dLoss/dinputs: `backward` without the bias."""
        self.engine.matmul(self._inputs.T, grad_outputs, self._weight.grad)
        if not needs_input_grad:
            return None
        grad_inputs = self.buffer("grad_inputs", len(grad_outputs), self.input_size)
        self.engine.matmul(grad_outputs, self._weight.value.T, grad_inputs)
        return grad_inputs

    def flops(self) -> int:
        return 2 * self.input_size * self.units


def thinned(x, index, rate, scale, key):
    """0 with probability `rate`, else x * scale; the draw is that of (index, key).

    Its derivative is 0 or `scale`, whichever x was multiplied with, so the same formula with the same draw, applied
    to the gradient, is its backward.
    """
    return where(uniform(index, key) < rate, 0.0, x * scale)


class Dropout(Layer):
    """Zeroes each value with probability `rate` while training and multiplies the others by 1 / (1 - rate).

    With the mask m = 0 or 1, E[x m / (1 - rate)] = x (1 - rate) / (1 - rate) = x: on average the next layer sees what
    it sees at evaluation, where nothing is done (the "inverted" form). Backward multiplies the gradient with the same m
    / (1 - rate), which is dy/dx. The mask is a pure function of the layer's seed and its count of training steps, so
    backward draws it again instead of storing it, and a resumed run continues it. Srivastava et al., JMLR 2014.

    Parameters
    ----------
    rate : float in [0, 1)
        Probability of zeroing.
    """

    kind = "dropout"

    def __init__(self, rate: float = 0.5) -> None:
        self.rate = in_range("rate", rate, 0, 1)

    def connect(self, engine: Engine, input_size: int, parameters: dict[str, Parameter], seed: int) -> None:
        super().connect(engine, input_size, parameters, seed)
        self._thin = engine.elementwise(thinned)
        # Seed and count of steps; on the host, as a step must not wait for a device to tell them.
        self._stream = np.array([seed, 0], np.int64)
        self._active = False
        self._cell: Array = None
        self._index: Array = engine.empty((0, input_size), np.uint32)

    def forward(self, inputs: Array, training: bool = False) -> Array:
        self._active = training and self.rate > 0
        if not self._active:
            return inputs
        if self._cell is None:
            (self._key,) = self.numbers(0)
            self.skip(1)
        else:
            self._key = self._cell
        return self._masked("outputs", inputs)

    def backward(self, grad_outputs: Array, needs_input_grad: bool = True) -> Array:
        return self._masked("grad_inputs", grad_outputs) if self._active else grad_outputs

    def _masked(self, name: str, values: Array) -> Array:
        rows, columns = values.shape
        if len(self._index) < rows:
            numbers = np.arange(rows * columns, dtype=np.uint32).reshape(rows, columns)
            self._index = self.engine.array(numbers, np.uint32)
        out = self.buffer(name, rows, columns)
        self._thin((out,), (values, self._index[:rows]), (self.rate, 1 / (1 - self.rate), self._key))
        return out

    def numbers(self, step: Any) -> tuple[Any, ...]:
        seed, done = map(int, self._stream)
        return (key_of_step(seed, done + step),) if self.rate else ()

    def take_numbers(self, cells: Sequence[Array]) -> None:
        (self._cell,) = cells or (None,)

    def skip(self, steps: int) -> None:
        self._stream[1] += steps if self.rate else 0

    def state(self) -> dict[str, Array]:
        return {"stream": self._stream}
