"""The space that a sweep searches: W&B's `parameters`, in all their forms, as named distributions.

Nested `parameters:` become dotted names while they are searched and are nested again when handed over.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ffnn.errors import FFNNError
from ffnn.lab.sweep import bells  # noqa: F401  registers normal and beta
from ffnn.lab.sweep.distribution import DISTRIBUTIONS, Distribution, Latent
from ffnn.lab.sweep.distributions import Categorical, Constant
from ffnn.lab.sweep.marks import Marks

Path = tuple[str, ...]


class Space:
    """What is searched, and what stays as it is.

    Parameters
    ----------
    distributions : mapping from path (the names from outside in) to Distribution
    """

    def __init__(self, distributions: Mapping[Path, Distribution]) -> None:
        self._all = dict(distributions)
        self.searched = {
            ".".join(path): distribution
            for path, distribution in distributions.items()
            if not isinstance(distribution, Constant)
        }

    def values(self, latents: Mapping[str, Latent]) -> dict[str, Any]:
        """What the latents of the searched parameters stand for, by dotted name."""
        return {name: distribution.value(latents[name]) for name, distribution in self.searched.items()}

    def arguments(self, latents: Mapping[str, Latent]) -> dict[str, Any]:
        """All parameters as a trial receives them, nested ones as mappings."""
        arguments: dict[str, Any] = {}
        for path, distribution in self._all.items():
            inner = arguments
            for name in path[:-1]:
                inner = inner.setdefault(name, {})
            inner[path[-1]] = distribution.value(latents.get(".".join(path), 0))
        return arguments

    def latents(self, quantiles: Sequence[float]) -> dict[str, Latent]:
        """The point at these quantiles, one for each searched parameter."""
        return {
            name: distribution.latent(float(quantile))
            for (name, distribution), quantile in zip(self.searched.items(), quantiles, strict=True)
        }

    def fixed(self, values: Mapping[str, Any]) -> "Space":
        """This space with some parameters held at a value; names may reach inside with dots."""
        kept = {
            path: distribution
            for path, distribution in self._all.items()
            if not any(path[: len(name.split("."))] == tuple(name.split(".")) for name in values)
            and ".".join(path) not in values
        }
        return Space(kept | {(name,): Constant(value) for name, value in values.items()})

    def for_grid(self) -> "Space":
        """This space with a list of values for each parameter.

        Raises
        ------
        FFNNError
            Names a parameter that has no end of values.
        """
        listed: dict[Path, Distribution] = {}
        for path, distribution in self._all.items():
            values = distribution.grid()
            if values is None:
                raise FFNNError(
                    f"{'.'.join(path)}: a grid needs values: [...] without probabilities, int_uniform or q_uniform; "
                    "or write method: random"
                )
            listed[path] = distribution if isinstance(distribution, Constant | Categorical) else Categorical(values)
        return Space(listed)

    @property
    def grid_size(self) -> int:
        """Points of the grid."""
        return math.prod(len(distribution.grid() or ()) for distribution in self.searched.values())

    def grid_points(self) -> Iterator[dict[str, Latent]]:
        """Every point of a grid, the last parameter changing fastest."""
        import itertools

        columns = [
            list(distribution.values)
            for distribution in self.searched.values()
            if isinstance(distribution, Categorical)
        ]
        for row in itertools.product(*columns):
            yield dict(zip(self.searched, row, strict=True))


def read_space(parameters: Mapping[str, Any], marks: Marks) -> Space:
    """The space of a file's `parameters`.

    Raises
    ------
    FFNNError
        Names file and line of a parameter that is not one.
    """
    found: dict[Path, Distribution] = {}
    for path, spec in _leaves(parameters, (), marks):
        place = ("parameters", *(part for name in path for part in (name, "parameters")))[:-1]
        try:
            found[path] = DISTRIBUTIONS.create(infer(spec))
        except FFNNError as problem:
            raise FFNNError(f"{marks.at(*place)}: {problem}") from None
    return Space(found)


def _leaves(parameters: Any, path: Path, marks: Marks) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    place = ("parameters", *(part for name in path for part in (name, "parameters")))
    if not isinstance(parameters, Mapping) or not parameters:
        raise FFNNError(f"{marks.at(*place)}: expected parameters by name; received {parameters!r}")
    for name, spec in parameters.items():
        inner = (*path, str(name))
        if not isinstance(spec, Mapping):
            raise FFNNError(
                f"{marks.at(*place, str(name))}: expected value, values, or min and max; received {spec!r}"
                f" (a constant is written {{value: {spec!r}}})"
            )
        if "parameters" in spec:
            if len(spec) > 1:
                extra = next(key for key in spec if key != "parameters")
                raise FFNNError(f"{marks.at(*place, str(name), str(extra))}: expected nothing beside nested parameters")
            yield from _leaves(spec["parameters"], inner, marks)
        else:
            yield inner, spec


def infer(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter with its distribution named, by W&B's rules where the file does not.

    Examples
    --------
    >>> infer({"min": 1, "max": 4})["name"], infer({"min": 0.5, "max": 1})["name"], infer({"values": [1]})["name"]
    ('int_uniform', 'uniform', 'categorical')
    """
    options = dict(spec)
    name = options.pop("distribution", None)
    if name is None and "value" in options:
        name = "constant"
    elif name is None and "values" in options:
        name = "categorical"
    elif name is None and {"min", "max"} <= set(options):
        whole = all(isinstance(options[bound], int) for bound in ("min", "max"))
        name = "int_uniform" if whole else "uniform"
    elif name is None:
        raise FFNNError(f"expected value, values, min and max, or distribution; received {sorted(options)}")
    return {"name": name, **options}
