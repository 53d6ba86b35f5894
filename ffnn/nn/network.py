"""A network: layers in a row, their parameters in one flat array, forward and backward through all.

`Objective` joins a network to a loss and a penalty: the number that training makes small.
"""

import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffnn.backend import create_engine
from ffnn.backend.engine import Array, Engine
from ffnn.backend.fit import described
from ffnn.errors import FFNNError, nearest
from ffnn.nn.doors import as_array, check_matrix, saved_values
from ffnn.nn.fusion import fused
from ffnn.nn.layer import Layer
from ffnn.nn.loss import Loss
from ffnn.nn.parameters import Parameter, ParameterStore
from ffnn.nn.penalties import L2Penalty
from ffnn.ranges import positive_integer


class Network:
    """Layers applied one after the other.

    Parameters
    ----------
    layers : sequence of Layer
        Not yet built; the network builds and names them: linear1, relu1, linear2, ...
    input_size : int >= 1
        Features of one sample.
    engine : Engine or str, default "auto"
        Where arrays live and formulas run; a name makes one of type float32.
    seed : int >= 0, default 0
        Decides initial values and dropout masks. Each parameter draws from a stream of its own,
        named after it, so its draw does not depend on the layers around it.

    Examples
    --------
    >>> from ffnn.nn import Linear, ReLU
    >>> network = Network([Linear(4), ReLU(), Linear(3)], input_size=2, engine="numpy")
    >>> network.forward(np.ones((5, 2), np.float32)).shape
    (5, 3)
    >>> [parameter.name for parameter in network.parameters]
    ['linear1.weight', 'linear1.bias', 'linear2.weight', 'linear2.bias']
    """

    def __init__(self, layers: Sequence[Layer], input_size: int, engine: Engine | str = "auto", seed: int = 0) -> None:
        if not layers:
            raise FFNNError("a network needs at least one layer; received none")
        if len({id(layer) for layer in layers}) < len(layers) or any(hasattr(layer, "engine") for layer in layers):
            raise FFNNError("a layer belongs to one place of one network; received one twice: make one for each place")
        self.engine = create_engine(engine) if isinstance(engine, str) else engine
        self.input_size = positive_integer("input_size", input_size)
        self.seed = seed
        self.layers = dict(zip(_names(layers), layers, strict=True))
        sizes = [self.input_size]
        for layer in layers:
            sizes.append(layer.output_size(sizes[-1]))
        self.output_size = sizes[-1]
        specs = [
            (name, spec)
            for (name, layer), size in zip(self.layers.items(), sizes, strict=False)
            for spec in layer.parameter_specs(size)
        ]
        self.parameters = ParameterStore(self.engine, specs, lambda name: np.random.default_rng(_stream(seed, name)))
        for (name, layer), size in zip(self.layers.items(), sizes, strict=False):
            own = {spec.name: self.parameters[f"{name}.{spec.name}"] for spec in layer.parameter_specs(size)}
            layer.connect(self.engine, size, own, int(_stream(seed, name).generate_state(1)[0]))
        trained = [layer for layer in layers if layer.parameter_specs(layer.input_size)]
        self._stages = fused(layers)
        self._outputs: Array = None
        # What was checked last: batches come in the same arrays again and again.
        self._inputs: Array = None
        self._grad: Array = None
        first = layers.index(trained[0]) if trained else 0
        self._first_trained = len(fused(layers[:first]))

    def forward(self, inputs: Array, training: bool = False) -> Array:
        """Outputs (batch_size, output_size); they are overwritten by the next forward.

        `inputs` is an array of the engine, of its floating type: FFNNError for anything else.
        """
        self.check(inputs)
        return self.compute(inputs, training)

    def check(self, inputs: Array) -> None:
        """FFNNError unless `forward` takes these inputs."""
        if inputs is not self._inputs:
            check_matrix("inputs", inputs, self.engine, self.input_size)
            self._inputs = inputs

    def compute(self, inputs: Array, training: bool) -> Array:
        """`forward` for inputs that `check` passed."""
        for stage in self._stages:
            inputs = stage.forward(inputs, training)
        self._outputs = inputs
        return inputs

    def backward(self, grad_outputs: Array, needs_input_grad: bool = False) -> Array | None:
        """Fill `parameters.grads` from dLoss/doutputs; return dLoss/dinputs only if it is asked for."""
        if self._outputs is None:
            raise FFNNError("backward has nothing to go back through: call forward first")
        if grad_outputs is not self._grad or len(grad_outputs) != len(self._outputs):
            check_matrix("grad_outputs", grad_outputs, self.engine, self.output_size, len(self._outputs))
            self._grad = grad_outputs
        last = -1 if needs_input_grad else self._first_trained
        for place in range(len(self._stages) - 1, -1, -1):
            grad_outputs = self._stages[place].backward(grad_outputs, place != last)
            if place == last:
                return None
        return grad_outputs

    def predict(self, inputs: Any, batch_size: int = 2048) -> NDArray[Any]:
        """Outputs (rows, output_size) for host values (rows, input_size) of any length, as a NumPy array of its own.

        FFNNError for values of another shape, and where outputs are not finite, which no class can be read from.
        """
        batch_size = positive_integer("batch_size", batch_size)
        inputs = as_array("inputs", inputs)
        if inputs.dtype.kind not in "biuf":
            raise FFNNError(f"inputs: expected numbers; received {described(inputs)}")
        if len(inputs.shape) != 2 or inputs.shape[1] != self.input_size:
            single = ": a single row is inputs[None]" if inputs.shape == (self.input_size,) else ""
            expected = f"expected shape (rows, {self.input_size})"
            raise FFNNError(f"inputs: {expected}; received {tuple(inputs.shape)}{single}")
        outputs = np.empty((len(inputs), self.output_size), self.engine.dtype)
        with self.engine.quiet():
            for start in range(0, len(inputs), batch_size):
                part = slice(start, start + batch_size)
                outputs[part] = self.engine.host(self.forward(self.engine.array(inputs[part])))
        finite = np.isfinite(outputs).all(axis=1)
        if not finite.all():
            raise FFNNError(self._why_not_finite(inputs, int(np.argmin(finite))))
        return outputs

    def _why_not_finite(self, inputs: Any, row: int) -> str:
        kind = self.engine.dtype
        values = np.asarray(inputs[row : row + 1], np.float64)
        largest = values.flat[np.argmax(np.abs(values))]
        if abs(largest) <= np.finfo(kind).max:
            return f"the outputs for row {row} are not finite: its inputs or the weights are too large, or not finite"
        return f"inputs: expected finite values of {kind.name}; received {largest:g} in row {row}"

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Pairs of qualified name and parameter, in the order of the layers."""
        return ((parameter.name, parameter) for parameter in self.parameters)

    def states(self) -> dict[str, Array]:
        """The arrays that are not trained, by qualified name: running averages, counters."""
        return {f"{name}.{key}": array for name, layer in self.layers.items() for key, array in layer.state().items()}

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Copies of all parameters and states as NumPy arrays, by qualified name."""
        arrays = {name: parameter.value for name, parameter in self.named_parameters()} | self.states()
        return {name: np.array(self.engine.host(array)) for name, array in arrays.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave. Names, shapes and types must match, or FFNNError and nothing is changed."""
        places = {name: parameter.value for name, parameter in self.named_parameters()} | self.states()
        for name in places:
            if name not in state:
                raise FFNNError(f"the saved state lacks {name!r}{nearest(name, state)}")
        for name in state:
            if name not in places:
                raise FFNNError(
                    f"the saved state has {name!r}, which this network does not have{nearest(name, places)}"
                )
        values = {name: saved_values(name, state[name], array.shape, array.dtype) for name, array in places.items()}
        for name, array in places.items():
            # A counter that lives on the host, whatever the engine, takes no array of a device.
            on_host = isinstance(array, np.ndarray)
            array[...] = values[name] if on_host else self.engine.array(values[name], array.dtype)

    def __repr__(self) -> str:
        layers = ", ".join(map(repr, self.layers.values()))
        return f"Network([{layers}], input_size={self.input_size}): {self.parameters.size:,} parameters, {self.engine}"

    def summary(self) -> str:
        """A table of layers: shape of the output, trainable parameters, floating-point operations of one forward."""
        rows = [("layer", "output", "parameters", "FLOPs")]
        size, flops = self.input_size, 0
        for name, layer in self.layers.items():
            specs = layer.parameter_specs(size)
            size = layer.output_size(size)
            flops += layer.flops()
            count = sum(int(np.prod(spec.shape)) for spec in specs)
            rows.append((f"{name}: {layer!r}", str(size), f"{count:,}", f"{layer.flops():,}"))
        rows.append(("total", str(self.output_size), f"{self.parameters.size:,}", f"{flops:,}"))
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        return "\n".join(
            row[0].ljust(widths[0])
            + "".join("  " + cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
            for row in rows
        )


class Objective:
    """Loss plus penalty of a network: what training makes small, and what a gradient check checks.

    The loss is connected to the network's engine here. `outputs` is what the network answered in the last call of
    `gradients`.
    """

    outputs: Array

    def __init__(self, network: Network, loss: Loss, penalty: L2Penalty | None = None) -> None:
        self.network, self.loss, self.penalty = network, loss, penalty
        loss.connect(network.engine, network.output_size)

    def gradients(self, inputs: Array, labels: Array) -> float:
        """One forward and backward in training mode; fills the gradients and returns the loss without the penalty.

        Inputs (batch_size, input_size) are of the engine; labels are class numbers (batch_size,), or targets
        (batch_size, output_size). FFNNError for arrays of another shape or type, and for a label that is no number of
        an output.
        """
        value = self.forward(inputs, labels)
        self.backward(len(labels))
        return value

    def forward(self, inputs: Array, labels: Array) -> float:
        """The loss of a batch in training mode, without the penalty; parameters as for `gradients`."""
        self.check(inputs, labels)
        self.compute(inputs, labels)
        return self.loss.read(labels)

    def check(self, inputs: Array, labels: Array) -> None:
        """FFNNError unless `compute` takes these arrays."""
        self.network.check(inputs)
        self.loss.check(labels, len(inputs))

    def compute(self, inputs: Array, labels: Array) -> None:
        """`forward` for arrays that `check` passed; the loss is left where it was computed, and not read."""
        self.outputs = self.network.compute(inputs, training=True)
        self.loss.compute(self.outputs, labels)

    def backward(self, batch_size: int) -> None:
        """Fill the gradients of what `forward` computed last, penalty included."""
        grad = self.loss.backward()
        if batch_size != len(grad):
            raise FFNNError(f"batch_size: expected {len(grad)}, the rows of the last batch; received {batch_size}")
        self.spread(grad, self.penalty.factor(batch_size) if self.penalty else 0.0)

    def spread(self, grad_outputs: Array, factor: float | Array) -> None:
        """Fill the gradients from that of the outputs, and add the penalty's, with what its `factor` gave."""
        self.network.backward(grad_outputs)
        if self.penalty:
            self.penalty.add_gradient(self.network.parameters, factor)

    def penalty_value(self, batch_size: int) -> float:
        """The penalty of the present weights; 0 without one."""
        return self.penalty.value(self.network.parameters, batch_size) if self.penalty else 0.0


def _names(layers: Sequence[Layer]) -> list[str]:
    counts: Counter[str] = Counter()
    names = []
    for layer in layers:
        counts[layer.kind] += 1
        names.append(f"{layer.kind}{counts[layer.kind]}")
    return names


def _stream(seed: int, name: str) -> np.random.SeedSequence:
    return np.random.SeedSequence([seed, zlib.crc32(name.encode())])
