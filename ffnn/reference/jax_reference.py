"""The reference network in JAX, each step compiled by XLA; optimizers, clipping and schedules are Optax's.

Precision is switched for the time of each call, because JAX knows one for a whole program only.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ffnn.nn import Objective, Optimizer, Schedule
from ffnn.nn.clipping import Clip
from ffnn.nn.schedules import Clock
from ffnn.reference.counterparts import TABLES
from ffnn.reference.course import course, steps_between
from ffnn.reference.jax_network import Tree, forward, initial_tree, make_step, make_transform
from ffnn.reference.reference import REFERENCES, Reference, Step


@REFERENCES.register("jax")
class JaxReference(Reference):
    """JAX on its default device. Every size of batch is compiled once.

    `tree`, nested dictionaries of arrays, is everything that a step changes; `pure_step(tree, inputs, labels,
    learning_rate) -> (tree, figures)` is not compiled.
    """

    packages: ClassVar = {"jax": "jax", "optax": "optax"}
    tables: ClassVar = TABLES["jax"]

    def __init__(self, objective: Objective, optimizer: Optimizer, clips: Sequence[Clip] = (), seed: int = 0) -> None:
        import jax

        super().__init__(objective, optimizer, clips, seed)
        network = objective.network
        for layer in network.layers.values():
            TABLES["jax"].of_layer(layer)
        with self._precision():
            transform = make_transform(network, optimizer, clips)
            self.tree: Tree = initial_tree(network, transform, seed)
            self.pure_step = make_step(objective, transform)

        def step(tree: Tree, inputs: Any, labels: Any, rate: Any, with_gradients: bool) -> tuple[Tree, Tree]:
            tree, figures = self.pure_step(tree, inputs, labels, rate)
            return tree, figures if with_gradients else {**figures, "gradients": {}}

        self._step = jax.jit(step, static_argnames="with_gradients")
        self._forward = jax.jit(lambda values, inputs: forward(network, values, inputs)[0])

    def _precision(self) -> AbstractContextManager[Any]:
        import jax

        precision: AbstractContextManager[Any] = jax.enable_x64(self.objective.network.engine.dtype == np.float64)
        return precision

    @classmethod
    def rates(cls, schedule: Schedule, rate: float, clock: Clock) -> list[float]:
        import jax
        import optax

        counterpart = TABLES["jax"].schedules[schedule]
        every = steps_between(counterpart, clock)
        with jax.enable_x64(True):
            arguments = counterpart.arguments(course("jax", schedule, rate, clock))
            at = getattr(optax, counterpart.name)(**arguments)
            return [float(at(step // every)) for step in range(clock.total_steps)]

    def limit_threads(self, threads: int) -> None:
        """XLA takes as many threads as the process has cores; it cannot be told while it runs."""

    def rehearse(self, inputs: NDArray[Any], labels: NDArray[Any], with_gradients: bool = False) -> None:
        with self._precision():
            self._step(self.tree, inputs, labels, 0.0, with_gradients)

    def step(
        self, inputs: NDArray[Any], labels: NDArray[Any], learning_rate: float, with_gradients: bool = False
    ) -> Step:
        with self._precision():
            tree, figures = self._step(self.tree, inputs, labels, learning_rate, with_gradients)
            loss = float(figures["loss"])
        if np.isfinite(loss):
            self.tree = tree
        gradients = {name: np.array(values) for name, values in figures["gradients"].items()}
        return Step(loss, float(figures["divisor"]), np.asarray(figures["outputs"]), gradients)

    def predict(self, inputs: NDArray[Any]) -> NDArray[Any]:
        with self._precision():
            return np.array(self._forward(self._present(), inputs))

    def values(self) -> dict[str, NDArray[Any]]:
        return {name: np.array(values) for name, values in self._present().items()}

    def _present(self) -> Tree:
        return {**self.tree["parameters"], **self.tree["running"]}
