"""JAX in two ways: a compiled step in a Python loop, as users write it, and a whole epoch compiled as one scan.

Gathering and scaling are part of what is compiled. Old values are donated, so that XLA may update in place.
"""

from functools import partial
from typing import Any, ClassVar

import numpy as np

from ffnn.bench.contender import CONTENDERS, Contender, faster
from ffnn.bench.work import Task
from ffnn.reference import State


class JaxLoop(Contender):
    """What both ways share: data, initial values and the step."""

    packages: ClassVar = {"jax": "jax", "jaxlib": "jaxlib", "optax": "optax"}

    def prepare(self, task: Task, threads: int) -> str:
        import jax
        import jax.numpy as jnp

        from ffnn.reference import make_reference
        from ffnn.reference.jax_reference import JaxReference

        jax.clear_caches()
        self._task, self._steps, self._done = task, task.steps, 0
        self._labels = jnp.asarray(task.labels.astype(np.int32))
        described = task.description
        reference = make_reference("jax", described.objective(task.state), described.make_optimizer(), seed=task.seed)
        assert isinstance(reference, JaxReference)
        self._reference, self._tree, pure_step = reference, reference.tree, reference.pure_step

        def inputs(pool: Any, rows: Any) -> Any:
            chosen = pool[rows]
            return chosen if chosen.dtype == jnp.float32 else chosen.astype(jnp.float32) / task.top

        def step(tree: Any, pool: Any, labels: Any, rows: Any, rate: Any) -> tuple[Any, Any]:
            tree, figures = pure_step(tree, inputs(pool, rows), labels[rows], rate)
            return tree, figures["loss"]

        pixels = jnp.asarray(task.images)
        pools = {"uint8": pixels, "float32": pixels.astype(jnp.float32) / task.top}
        rows, gather = self._order()[0], jax.jit(inputs)

        def gathered(pool: Any) -> None:
            gather(pool, rows).block_until_ready()

        form = faster({name: partial(gathered, pool) for name, pool in pools.items()})
        self._pool = pools[form]
        self._build(step)
        return f"pixels kept as {form}"

    def _build(self, step: Any) -> None:
        """Compile what an epoch calls."""

    def _order(self) -> Any:
        """The order of this epoch, a batch a row."""
        return self._task.order(self._done).astype(np.int32).reshape(self._steps, -1)


@CONTENDERS.register("jax-step")
class JaxStep(JaxLoop):
    """A compiled step, called for each batch."""

    about = "JAX, jit per step"

    def _build(self, step: Any) -> None:
        import jax

        rate = self._task.description.learning_rate

        def summed(tree: Any, total: Any, pool: Any, labels: Any, rows: Any) -> tuple[Any, Any]:
            # A rate for each call would have to travel, which takes longer than some steps.
            tree, loss = step(tree, pool, labels, rows, rate)
            return tree, total + loss

        self._step = jax.jit(summed, donate_argnums=(0, 1))

    def epoch(self) -> float:
        import jax.numpy as jnp

        total = jnp.zeros(())
        for rows in self._order():
            self._tree, total = self._step(self._tree, total, self._pool, self._labels, rows)
        self._done += 1
        return float(total) / self._steps


@CONTENDERS.register("jax-scan")
class JaxScan(JaxLoop):
    """The whole epoch in one call."""

    about = "JAX, a whole epoch under jit and scan"

    def _build(self, step: Any) -> None:
        import jax

        def epoch(tree: Any, pool: Any, labels: Any, order: Any, rates: Any) -> tuple[Any, Any]:
            tree, losses = jax.lax.scan(lambda carry, now: step(carry, pool, labels, *now), tree, (order, rates))
            return tree, losses.mean()

        self._rates = self._task.rates()
        given = self._tree, self._pool, self._labels, self._order(), self._rates[0]
        self._epoch = jax.jit(epoch, donate_argnums=0).lower(*given).compile()

    def epoch(self) -> float:
        rates = self._rates[self._done % len(self._rates)]
        self._tree, loss = self._epoch(self._tree, self._pool, self._labels, self._order(), rates)
        self._done += 1
        return float(loss)

    def values(self) -> State:
        self._reference.tree = self._tree
        return self._reference.values()
