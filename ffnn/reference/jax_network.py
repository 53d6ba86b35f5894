"""The described network in JAX: pure functions of a tree of values, as its tutorials write them.

The optimizers are JAX's own examples' few lines, because JAX has none.
"""

from collections.abc import Callable
from typing import Any

from ffnn.reference.description import BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM, Description, State

Tree = Any
"""Nested lists and dictionaries of JAX arrays."""

ACTIVATIONS = {"relu": "relu", "tanh": "tanh", "sigmoid": "sigmoid"}
"""Functions of jax.nn by ffnn's names."""

ADAM = (0.9, 0.999, 1e-8)  # beta1, beta2, epsilon


def initial_tree(description: Description, state: State, seed: int) -> Tree:
    """Everything a step changes: parameters, running averages, the optimizer's slots, steps taken, a random key."""
    import jax
    import jax.numpy as jnp

    parameters: list[dict[str, Any]] = []
    running: list[dict[str, Any]] = []
    for number in range(1, len(description.sizes)):
        values = {name: jnp.asarray(state[f"linear{number}.{name}"]) for name in ("weight", "bias")}
        if description.batch_norm and number <= len(description.hidden):
            norm = f"batch_norm{number}"
            values |= {name: jnp.asarray(state[f"{norm}.{name}"]) for name in ("scale", "shift")}
            averages = ("running_mean", "running_variance")
            running.append({name: jnp.asarray(state[f"{norm}.{name}"]) for name in averages})
        parameters.append(values)
    slots = {"sgd": 0, "adam": 2}[description.optimizer]
    return {
        "parameters": parameters,
        "running": running,
        "slots": [jax.tree.map(jnp.zeros_like, parameters) for _ in range(slots)],
        "steps": jnp.zeros((), jnp.int32),
        "key": jax.random.key(seed),
    }


def make_step(description: Description) -> Callable[[Tree, Any, Any], tuple[Tree, Any]]:
    """`step(tree, inputs, labels) -> (tree, loss)`, one update, not yet compiled."""
    import jax

    def step(tree: Tree, inputs: Any, labels: Any) -> tuple[Tree, Any]:
        key, mask_key = jax.random.split(tree["key"]) if description.dropout else (tree["key"], None)

        def loss_of(parameters: Tree) -> Any:
            logits, running = _forward(description, parameters, tree["running"], inputs, mask_key)
            scores = jax.nn.log_softmax(logits)
            return -jax.numpy.take_along_axis(scores, labels[:, None], axis=1).mean(), running

        (loss, running), grads = jax.value_and_grad(loss_of, has_aux=True)(tree["parameters"])
        steps = tree["steps"] + 1
        update = {"sgd": _sgd, "adam": _adam}[description.optimizer]
        parameters, slots = update(tree["parameters"], grads, tree["slots"], steps, description.learning_rate)
        new = {"parameters": parameters, "running": running, "slots": slots, "steps": steps, "key": key}
        return new, loss

    return step


def _forward(description: Description, parameters: Tree, running: Tree, x: Any, mask_key: Any) -> tuple[Any, Tree]:
    """Logits in training mode, and the running averages after the batch."""
    import jax

    activation = getattr(jax.nn, ACTIVATIONS[description.activation])
    moved = []
    for number, layer in enumerate(parameters[:-1]):
        x = x @ layer["weight"] + layer["bias"]
        if description.batch_norm:
            x, averages = _batch_norm(x, layer, running[number])
            moved.append(averages)
        x = activation(x)
        if description.dropout:
            keep = 1 - description.dropout
            mask = jax.random.bernoulli(jax.random.fold_in(mask_key, number), keep, x.shape)
            x = jax.numpy.where(mask, x / keep, 0)
    return x @ parameters[-1]["weight"] + parameters[-1]["bias"], moved


def _batch_norm(x: Any, layer: Tree, running: Tree) -> tuple[Any, Tree]:
    import jax

    mean, variance = x.mean(axis=0), x.var(axis=0)
    normalized = (x - mean) * jax.lax.rsqrt(variance + BATCH_NORM_EPSILON)
    unbiased = variance * len(x) / (len(x) - 1)
    measured = {"running_mean": mean, "running_variance": unbiased}
    moved = {
        name: (1 - BATCH_NORM_MOMENTUM) * running[name] + BATCH_NORM_MOMENTUM * jax.lax.stop_gradient(value)
        for name, value in measured.items()
    }
    return normalized * layer["scale"] + layer["shift"], moved


def _sgd(parameters: Tree, grads: Tree, slots: Tree, steps: Any, learning_rate: float) -> tuple[Tree, Tree]:
    import jax

    return jax.tree.map(lambda value, grad: value - learning_rate * grad, parameters, grads), slots


def _adam(parameters: Tree, grads: Tree, slots: Tree, steps: Any, learning_rate: float) -> tuple[Tree, Tree]:
    import jax
    import jax.numpy as jnp

    beta1, beta2, epsilon = ADAM
    m = jax.tree.map(lambda slot, grad: beta1 * slot + (1 - beta1) * grad, slots[0], grads)
    v = jax.tree.map(lambda slot, grad: beta2 * slot + (1 - beta2) * grad * grad, slots[1], grads)
    step_size = learning_rate / (1 - beta1**steps)
    correction = 1 / (1 - beta2**steps)

    def moved(value: Any, first: Any, second: Any) -> Any:
        return value - step_size * first / (jnp.sqrt(second * correction) + epsilon)

    return jax.tree.map(moved, parameters, m, v), [m, v]
