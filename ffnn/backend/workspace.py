"""Workspaces: arrays that are asked for at every step and allocated once.

What a step computes lands in the memory of the step before, so memory is neither taken nor given back.
"""

from ffnn.backend.engine import Array, Engine


class Workspace:
    """Arrays by name, allocated for the largest batch so far and reused: a steady state allocates nothing.

    Examples
    --------
    >>> from ffnn.backend.numpy_engine import NumpyEngine
    >>> workspace = Workspace(NumpyEngine())
    >>> workspace("outputs", 8, 3) is workspace("outputs", 8, 3)
    True
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._storage: dict[str, Array] = {}
        self._views: dict[tuple[str, int], Array] = {}

    def __call__(self, name: str, rows: int, columns: int) -> Array:
        """The (rows, columns) array kept for `name`; `columns` must not change."""
        view = self._views.get((name, rows))
        if view is None:
            storage = self._storage.get(name)
            if storage is None or storage.shape[0] < rows:
                storage = self._engine.empty((rows, columns))
                self._storage[name] = storage
                self._views = {key: value for key, value in self._views.items() if key[0] != name}
            view = storage[:rows]
            self._views[name, rows] = view
        return view
