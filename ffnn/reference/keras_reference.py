"""The reference network in Keras on TensorFlow, each step compiled by `tf.function`.

Keras knows one precision for what an optimizer keeps, so it is switched while a network is made.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ffnn.nn import Network, Objective, Optimizer, Schedule
from ffnn.nn.clipping import Clip, ClipNorm
from ffnn.nn.schedules import Clock
from ffnn.reference import keras_losses
from ffnn.reference.counterparts import TABLES
from ffnn.reference.course import course, steps_between
from ffnn.reference.keras_network import build_network, exactly, variables_of
from ffnn.reference.reference import REFERENCES, Reference, Step


@REFERENCES.register("tensorflow")
class KerasReference(Reference):
    """Keras on TensorFlow's CPU. Every size of batch is compiled once.

    `network` is a keras.Sequential whose layers have ffnn's names; `keras_optimizer` is what moves it.
    """

    packages: ClassVar = {"tensorflow": "tensorflow-cpu", "keras": "keras"}
    tables: ClassVar = TABLES["tensorflow"]

    def __init__(self, objective: Objective, optimizer: Optimizer, clips: Sequence[Clip] = (), seed: int = 0) -> None:
        # TensorFlow tells of the processor on standard error when it is imported, unless told not to.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        import tensorflow as tf

        super().__init__(objective, optimizer, clips, seed)
        network = objective.network
        self._loss = TABLES["tensorflow"].loss_of(keras_losses, objective.loss)
        with _floats(np.dtype(network.engine.dtype).name):
            self.network = build_network(network, seed)
            self.keras_optimizer = build_optimizer(optimizer, network)
            self.keras_optimizer.build(self.network.trainable_variables)
        variables = variables_of(self.network, network)
        trained = {parameter.name: variables[parameter.name] for parameter in network.parameters}
        self._names, self._trained = list(trained), list(trained.values())
        self._weights = [trained[parameter.name] for parameter in network.parameters if parameter.penalised]
        self._step = tf.function(self._compiled_step, reduce_retracing=True)
        self._forward = tf.function(partial(self.network, training=False), reduce_retracing=True)

    @classmethod
    def rates(cls, schedule: Schedule, rate: float, clock: Clock) -> list[float]:
        import keras

        counterpart = TABLES["tensorflow"].schedules[schedule]
        if not counterpart.name:
            return [rate] * clock.total_steps
        every = steps_between(counterpart, clock)
        with _floats("float64"):
            arguments = exactly(counterpart.arguments(course("tensorflow", schedule, rate, clock)))
            at = getattr(keras.optimizers.schedules, counterpart.name)(**arguments)
            return [float(at(np.float64(step // every))) for step in range(clock.total_steps)]

    def limit_threads(self, threads: int) -> None:
        """TensorFlow decides at its first operation; a process that has begun cannot tell it otherwise."""
        import tensorflow as tf

        for limit in (
            tf.config.threading.set_intra_op_parallelism_threads,
            tf.config.threading.set_inter_op_parallelism_threads,
        ):
            try:
                limit(threads)
            except RuntimeError:
                return

    def _compiled_step(self, inputs: Any, labels: Any, rate: Any) -> tuple[Any, ...]:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            outputs = self.network(inputs, training=True)
            total, divisor = self._loss(outputs, labels)
            loss = total / divisor
            penalized = loss + self._penalty(tf.cast(tf.shape(inputs)[0], loss.dtype))
        gradients = tape.gradient(penalized, [variable.value for variable in self._trained])
        clipped = self._clipped(gradients)
        if tf.math.is_finite(loss):
            self.keras_optimizer.learning_rate.assign(rate)
            self.keras_optimizer.apply(clipped, self._trained)
        return loss, divisor, outputs, gradients

    def _penalty(self, rows: Any) -> Any:
        """The L2 penalty as a term of the loss, or 0."""
        import tensorflow as tf

        penalty = self.objective.penalty
        if penalty is None:
            return 0.0
        return penalty.factor(rows) / 2 * sum(tf.reduce_sum(weight.value**2) for weight in self._weights)

    def _clipped(self, gradients: list[Any]) -> list[Any]:
        import tensorflow as tf

        for clip in self.clips:
            arguments = TABLES["tensorflow"].clippings[clip].arguments(clip)
            if isinstance(clip, ClipNorm):
                gradients, _ = tf.clip_by_global_norm(gradients, **arguments)
            else:
                top = arguments["clip_value_max"]
                gradients = [tf.clip_by_value(gradient, -top, top) for gradient in gradients]
        return gradients

    def rehearse(self, inputs: NDArray[Any], labels: NDArray[Any], with_gradients: bool = False) -> None:
        before = [variable.numpy() for variable in self._variables()]
        self.step(inputs, labels, 0.0, with_gradients)
        for variable, values in zip(self._variables(), before, strict=True):
            variable.assign(values)

    def _variables(self) -> list[Any]:
        return [*self.network.variables, *self.keras_optimizer.variables]

    def step(
        self, inputs: NDArray[Any], labels: NDArray[Any], learning_rate: float, with_gradients: bool = False
    ) -> Step:
        rate = np.asarray(learning_rate, inputs.dtype)
        loss, divisor, outputs, gradients = self._step(inputs, labels, rate)
        named = zip(self._names, gradients, strict=True) if with_gradients else ()
        return Step(float(loss), float(divisor), outputs.numpy(), {name: np.array(values) for name, values in named})

    def predict(self, inputs: NDArray[Any]) -> NDArray[Any]:
        return np.array(self._forward(np.ascontiguousarray(inputs)))

    def values(self) -> dict[str, NDArray[Any]]:
        variables = variables_of(self.network, self.objective.network)
        return {name: variable.numpy() for name, variable in variables.items()}


def build_optimizer(optimizer: Optimizer, network: Network) -> Any:
    """The class of keras.optimizers that is this optimizer, with decoupled decay on the weights alone."""
    import keras

    counterpart = TABLES["tensorflow"].optimizers[optimizer]
    twin = getattr(keras.optimizers, counterpart.name)(
        learning_rate=optimizer.learning_rate,
        weight_decay=np.float64(optimizer.weight_decay) if optimizer.weight_decay else None,
        **exactly(counterpart.arguments(optimizer)),
    )
    if optimizer.weight_decay:
        spared = [name.rpartition(".")[2] for name, p in network.named_parameters() if not p.penalised]
        names = {"bias": "bias", "scale": "gamma", "shift": "beta"}
        twin.exclude_from_weight_decay(var_names=sorted({names[name] for name in spared}))
    return twin


@contextmanager
def _floats(dtype: str) -> Iterator[None]:
    """Within the block, what Keras makes has this type."""
    import keras

    before = keras.config.floatx()
    keras.config.set_floatx(dtype)
    try:
        yield
    finally:
        keras.config.set_floatx(before)
