"""A network that can be pickled: it remembers how it was described and travels as that and its plain arrays.

Compiled kernels and engine memory stay behind, so it may be opened on a machine with another engine.
"""

import functools
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffnn.backend import Engine, create_engine
from ffnn.memory import check_memory
from ffnn.nn import Network, mlp_layers


@functools.cache
def shared_engine(name: str, dtype: str) -> Engine:
    """One engine for all networks of a process: it holds compiled kernels and no values.

    A search fits hundreds of small networks, and loading the kernels costs more than training such a one.
    """
    return create_engine(name, dtype)


@dataclass(frozen=True)
class Recipe:
    """All that makes a perceptron, in plain values; `layers` are arguments of `mlp_layers`.

    `engine` and `dtype` are as for `create_engine`; "auto" is decided anew wherever the network is opened.
    """

    layers: dict[str, Any]
    input_size: int
    engine: str
    dtype: str
    seed: int


class PortableNetwork(Network):
    """The network of a recipe, which `pickle`, `copy.deepcopy` and other processes take.

    Examples
    --------
    >>> from copy import deepcopy
    >>> import numpy as np
    >>> network = PortableNetwork(Recipe({"hidden_layers": [4], "num_outputs": 3}, 2, "numpy", "float64", seed=0))
    >>> copy = deepcopy(network)
    >>> bool((copy.predict(np.eye(2)) == network.predict(np.eye(2))).all())
    True
    """

    def __init__(self, recipe: Recipe) -> None:
        layers = recipe.layers
        sizes = [recipe.input_size, *layers.get("hidden_layers", ()), layers.get("num_outputs", 1)]
        if recipe.engine != "cupy":  # a GPU has its own memory
            check_memory("hidden_layers", sizes, batch=1, slots=2, itemsize=np.dtype(recipe.dtype).itemsize)
        engine = shared_engine(recipe.engine, recipe.dtype)
        super().__init__(mlp_layers(**recipe.layers), recipe.input_size, engine, recipe.seed)
        self.recipe = recipe
        self._in_use = threading.Lock()

    def predict(self, inputs: Any, batch_size: int = 2048) -> NDArray[Any]:
        """As any network's, one thread at a time: layers own the arrays that they answer with."""
        with self._in_use:
            return super().predict(inputs, batch_size)

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened, (type(self), self.recipe, self.state_dict())


def _opened(kind: type[PortableNetwork], recipe: Recipe, state: Mapping[str, NDArray[Any]]) -> PortableNetwork:
    network = kind(recipe)
    network.load_state_dict(state)
    return network
