"""An ffnn network in JAX: a pure function of named values, and a pure step, as its tutorials write them.

JAX has no layers of its own, so the three that are not activations are written here in its operations.
"""

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from ffnn.nn import BatchNorm, Dropout, Linear, Network, Objective, Optimizer
from ffnn.nn.clipping import Clip
from ffnn.reference import jax_losses
from ffnn.reference.counterparts import TABLES

Tree = Any
"""Nested dictionaries of JAX arrays."""

Layered = tuple[Any, Tree]
"""What a layer gives: its outputs, and the running averages that it moved."""


def linear(layer: Linear, name: str, values: Tree, inputs: Any, mask_key: Any) -> Layered:
    """inputs @ weight + bias."""
    outputs = inputs @ values[f"{name}.weight"]
    return (outputs + values[f"{name}.bias"] if layer.bias else outputs), {}


def batch_norm(layer: BatchNorm, name: str, values: Tree, inputs: Any, mask_key: Any) -> Layered:
    """With the batch's statistics while training (where there is a key), else with the running averages."""
    import jax

    averages = {"running_mean": values[f"{name}.running_mean"], "running_variance": values[f"{name}.running_variance"]}
    moved = {}
    mean, variance = averages.values()
    if mask_key is not None:
        mean, variance = inputs.mean(axis=0), inputs.var(axis=0)
        measured = {"running_mean": mean, "running_variance": inputs.var(axis=0, ddof=1)}
        moved = {
            f"{name}.{key}": average + layer.momentum * (jax.lax.stop_gradient(measured[key]) - average)
            for key, average in averages.items()
        }
    normalized = (inputs - mean) * jax.lax.rsqrt(variance + layer.epsilon)
    return normalized * values[f"{name}.scale"] + values[f"{name}.shift"], moved


def dropout(layer: Dropout, name: str, values: Tree, inputs: Any, mask_key: Any) -> Layered:
    """With a mask of JAX's own while training."""
    import jax

    if mask_key is None or not layer.rate:
        return inputs, {}
    mask = jax.random.bernoulli(mask_key, 1 - layer.rate, inputs.shape)
    return jax.numpy.where(mask, inputs / (1 - layer.rate), 0), {}


OWN: dict[str, Callable[..., Layered]] = {"linear": linear, "batch_norm": batch_norm, "dropout": dropout}


def forward(network: Network, values: Tree, inputs: Any, key: Any = None) -> Layered:
    """Outputs and moved running averages; with a random key in training mode, else in evaluation mode."""
    import jax

    moved: Tree = {}
    for number, (name, layer) in enumerate(network.layers.items()):
        counterpart = TABLES["jax"].of_layer(layer)
        if layer.kind in OWN:
            own_key = None if key is None else jax.random.fold_in(key, number)
            inputs, averages = OWN[counterpart.name](layer, name, values, inputs, own_key)
            moved |= averages
        else:
            inputs = getattr(jax.nn, counterpart.name)(inputs, **counterpart.arguments(layer))
    return inputs, moved


def initial_tree(network: Network, transform: Any, seed: int) -> Tree:
    """Everything that a step changes: parameters, running averages, the optimizer's slots, a random key."""
    import jax
    import jax.numpy as jnp

    state = network.state_dict()
    parameters = {name: jnp.array(state[name]) for name, _ in network.named_parameters()}
    running = {name: jnp.array(values) for name, values in state.items() if ".running_" in name}
    return {
        "parameters": parameters,
        "running": running,
        "slots": transform.init(parameters),
        "key": jax.random.key(seed),
    }


def make_transform(network: Network, optimizer: Optimizer, clips: Sequence[Clip] = ()) -> Any:
    """Optax's chain from gradients to what the learning rate then multiplies: clips, rule, decay of the weights."""
    import optax

    parts = [_of(optax, TABLES["jax"].clippings, clip) for clip in clips]
    parts.append(_of(optax, TABLES["jax"].optimizers, optimizer))
    if optimizer.weight_decay:
        weights = {name: parameter.penalised for name, parameter in network.named_parameters()}
        parts.append(optax.add_decayed_weights(optimizer.weight_decay, weights))
    return optax.chain(*parts)


def _of(module: ModuleType, table: Any, thing: object) -> Any:
    counterpart = table[thing]
    return getattr(module, counterpart.name)(**counterpart.arguments(thing))


def make_step(objective: Objective, transform: Any) -> Callable[..., tuple[Tree, Tree]]:
    """`step(tree, inputs, labels, learning_rate) -> (tree, figures)`, one update, not yet compiled.

    The figures are the loss before it, its divisor, the outputs and the gradients of loss and penalty.
    """
    import jax
    import optax

    network, penalty = objective.network, objective.penalty
    loss_of = TABLES["jax"].loss_of(jax_losses, objective.loss)
    weights = [name for name, parameter in network.named_parameters() if parameter.penalised]

    def total(parameters: Tree, running: Tree, inputs: Any, labels: Any, key: Any) -> Any:
        outputs, moved = forward(network, {**parameters, **running}, inputs, key)
        value, divisor = loss_of(outputs, labels)
        loss = value / divisor
        if penalty is None:
            return loss, (loss, divisor, outputs, moved)
        squares = sum((parameters[name] ** 2).sum() for name in weights)
        return loss + penalty.factor(len(labels)) / 2 * squares, (loss, divisor, outputs, moved)

    def step(tree: Tree, inputs: Any, labels: Any, learning_rate: Any) -> tuple[Tree, Tree]:
        key, mask_key = jax.random.split(tree["key"])
        parameters = tree["parameters"]
        (_, (loss, divisor, outputs, moved)), grads = jax.value_and_grad(total, has_aux=True)(
            parameters, tree["running"], inputs, labels, mask_key
        )
        updates, slots = transform.update(grads, tree["slots"], parameters)
        updates = jax.tree.map(lambda update: -learning_rate * update, updates)
        new = {"parameters": optax.apply_updates(parameters, updates), "running": moved, "slots": slots, "key": key}
        return new, {"loss": loss, "divisor": divisor, "outputs": outputs, "gradients": grads}

    return step
