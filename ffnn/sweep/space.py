"""The space that a sweep searches: W&B's `parameters`, in all their forms, as named distributions.

Nested `parameters:` become dotted names while they are searched and are nested again when handed over.
"""

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ffnn.errors import FFNNError, nearest
from ffnn.sweep import bells  # noqa: F401  registers normal and beta
from ffnn.sweep.distribution import DISTRIBUTIONS, Distribution, Latent
from ffnn.sweep.distributions import Categorical, Constant
from ffnn.sweep.marks import Marks

Path = tuple[str, ...]


class Space:
    """What is searched, and what stays as it is: distributions by path, the names from outside in."""

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

    @property
    def middle(self) -> dict[str, Latent]:
        """The point in the middle of each searched parameter."""
        return self.latents([0.5] * len(self.searched))

    def latents(self, quantiles: Sequence[float]) -> dict[str, Latent]:
        """The point at these quantiles, one for each searched parameter."""
        return {
            name: distribution.latent(float(quantile))
            for (name, distribution), quantile in zip(self.searched.items(), quantiles, strict=True)
        }

    def fixed(self, values: Mapping[str, Any]) -> "Space":
        """This space with some parameters held at a value; names may reach inside with dots."""
        free = {
            path: distribution
            for path, distribution in self._all.items()
            if not any(path[: len(name.split("."))] == tuple(name.split(".")) for name in values)
            and ".".join(path) not in values
        }
        return Space(free | {(name,): Constant(value) for name, value in values.items()})

    def for_grid(self) -> "Space":
        """This space with a list of values for each parameter; FFNNError names one that has no end of values."""
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
        lists = [list(d.values) for d in self.searched.values() if isinstance(d, Categorical)]
        for row in itertools.product(*lists):
            yield dict(zip(self.searched, row, strict=True))


def read_space(parameters: Mapping[str, Any], marks: Marks) -> Space:
    """The space of a file's `parameters`; FFNNError names file and line of one that is none."""
    distributions: dict[Path, Distribution] = {}
    for path, spec in _leaves(parameters, (), marks):
        try:
            distributions[path] = make_distribution(spec)
        except FFNNError as problem:
            raise FFNNError(f"{marks.at(*place_of(path))}: {problem}") from None
    return Space(distributions)


def place_of(path: Path) -> Path:
    """Where a file says what a parameter may be.

    Examples
    --------
    >>> place_of(("optimizer", "beta1"))
    ('parameters', 'optimizer', 'parameters', 'beta1')
    """
    return tuple(part for name in path for part in ("parameters", name))


def _leaves(parameters: Any, path: Path, marks: Marks) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    place = (*place_of(path), "parameters")
    if not isinstance(parameters, Mapping) or not parameters:
        raise FFNNError(f"{marks.at(*place)}: expected parameters by name; received {parameters!r}")
    for name, spec in parameters.items():
        inner = (*path, str(name))
        if not isinstance(spec, Mapping):
            raise FFNNError(
                f"{marks.at(*place, str(name))}: expected value, values, or min and max; received {spec!r}; "
                f"write {_as_parameter(spec)}"
            )
        if "parameters" in spec:
            if len(spec) > 1:
                extra = next(key for key in spec if key != "parameters")
                raise FFNNError(f"{marks.at(*place, str(name), str(extra))}: expected nothing beside nested parameters")
            yield from _leaves(spec["parameters"], inner, marks)
        else:
            yield inner, spec


def make_distribution(spec: Mapping[str, Any]) -> Distribution:
    """What a parameter's `value`, `values`, `min` and so on mean; FFNNError in the file's own words.

    Examples
    --------
    >>> make_distribution({"distribution": "uniform", "min": 0.5})
    Traceback (most recent call last):
    ffnn.errors.FFNNError: uniform needs max; write {distribution: uniform, min: ..., max: ...}
    """
    options = dict(spec)
    name = infer(options)
    options.pop("distribution", None)
    accepted = DISTRIBUTIONS.options(name)
    example = ", ".join(f"{option}: ..." for option, about in accepted.items() if about.default is about.empty)
    extra = next((option for option in options if option not in accepted), None)
    if extra is not None:
        if extra == "name":
            fix = f"; the key is distribution: {options[extra]}"
        elif {extra, *accepted} >= {"value", "values"}:
            fix = "; give either value or values"
        else:
            fix = nearest(str(extra), accepted)
        raise FFNNError(f"{name} has no {extra}: it takes {', '.join(accepted)}{fix}")
    missing = [option for option, about in accepted.items() if about.default is about.empty and option not in options]
    if missing:
        raise FFNNError(f"{name} needs {' and '.join(missing)}; write {{distribution: {name}, {example}}}")
    return DISTRIBUTIONS.create(name, **options)


def infer(spec: Mapping[str, Any]) -> str:
    """The name of a parameter's distribution, by W&B's rules where the file does not say it.

    Examples
    --------
    >>> infer({"min": 1, "max": 4}), infer({"min": 0.5, "max": 1}), infer({"values": [1]})
    ('int_uniform', 'uniform', 'categorical')
    """
    if "distribution" in spec:
        return str(spec["distribution"])
    if "value" in spec:
        return "constant"
    if "values" in spec:
        return "categorical"
    if {"min", "max"} <= set(spec):
        return "int_uniform" if all(isinstance(spec[bound], int) for bound in ("min", "max")) else "uniform"
    strange = [str(key) for key in spec if key not in ("min", "max")]
    hint = next(filter(None, (nearest(key, ("min", "max", "value", "values")) for key in strange)), "")
    received = " and ".join(map(str, spec)) or "nothing"
    raise FFNNError(f"expected value, values, min and max, or distribution; received {received}{hint}")


def _as_parameter(spec: Any) -> str:
    """How a bare value, or a list of them, is written as a parameter."""
    name = "values" if isinstance(spec, list) else "value"
    return f"{{{name}: {json.dumps(spec, default=str)}}}"
