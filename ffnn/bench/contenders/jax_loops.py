"""JAX in two ways: a compiled step in a Python loop, as users write it, and a whole epoch compiled as one scan.

Gathering and scaling are part of what is compiled. Old values are donated, so that XLA may update in place.
"""

from functools import partial
from typing import Any, ClassVar

import numpy as np

from ffnn.bench.contender import CONTENDERS, Contender, faster
from ffnn.bench.work import Task


class JaxLoop(Contender):
    """What both ways share: data, initial values and the step."""

    packages: ClassVar = {"jax": "jax", "jaxlib": "jaxlib", "optax": "optax"}

    def prepare(self, task: Task, threads: int) -> str:
        import jax
        import jax.numpy as jnp

        from ffnn.reference import make_reference
        from ffnn.reference.jax_reference import JaxReference

        jax.clear_caches()
        self._batch_size, self._count, self._steps = task.batch_size, len(task.labels), task.steps
        self._rng = np.random.default_rng(task.seed)
        self._labels = jnp.asarray(task.labels.astype(np.int32))
        described = task.description
        reference = make_reference("jax", described.objective(task.state), described.make_optimizer(), seed=task.seed)
        assert isinstance(reference, JaxReference)
        self._tree, pure_step = reference.tree, reference.pure_step

        def inputs(pool: Any, rows: Any) -> Any:
            chosen = pool[rows]
            return chosen if chosen.dtype == jnp.float32 else chosen.astype(jnp.float32) / task.top

        def step(tree: Any, pool: Any, labels: Any, rows: Any) -> tuple[Any, Any]:
            tree, figures = pure_step(tree, inputs(pool, rows), labels[rows], described.learning_rate)
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
        """A new order of all rows, a batch a row."""
        return self._rng.permutation(self._count).astype(np.int32).reshape(-1, self._batch_size)


@CONTENDERS.register("jax-step")
class JaxStep(JaxLoop):
    """A compiled step, called for each batch."""

    about = "JAX, jit per step"

    def _build(self, step: Any) -> None:
        import jax

        def summed(tree: Any, total: Any, pool: Any, labels: Any, rows: Any) -> tuple[Any, Any]:
            tree, loss = step(tree, pool, labels, rows)
            return tree, total + loss

        self._step = jax.jit(summed, donate_argnums=(0, 1))

    def epoch(self) -> float:
        import jax.numpy as jnp

        total = jnp.zeros(())
        for rows in self._order():
            self._tree, total = self._step(self._tree, total, self._pool, self._labels, rows)
        return float(total) / self._steps


@CONTENDERS.register("jax-scan")
class JaxScan(JaxLoop):
    """The whole epoch in one call."""

    about = "JAX, a whole epoch under jit and scan"

    def _build(self, step: Any) -> None:
        import jax

        def epoch(tree: Any, pool: Any, labels: Any, order: Any) -> tuple[Any, Any]:
            tree, losses = jax.lax.scan(lambda carry, rows: step(carry, pool, labels, rows), tree, order)
            return tree, losses.mean()

        self._epoch = jax.jit(epoch, donate_argnums=0)

    def epoch(self) -> float:
        self._tree, loss = self._epoch(self._tree, self._pool, self._labels, self._order())
        return float(loss)
