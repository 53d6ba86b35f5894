"""The server's part of a sweep: what the next run of an agent is to try, and when there is none.

Random draws stand in for the Bayesian search, because agents cannot tell the difference.
"""

import itertools
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

Parameter = dict[str, Any]


def _rounded(value: float, parameter: Parameter) -> float:
    step = parameter.get("q", 1)
    rounded = round(value / step) * step
    return int(rounded) if isinstance(step, int) else rounded


def _log(parameter: Parameter, draw: random.Random) -> float:
    return math.exp(draw.uniform(math.log(parameter["min"]), math.log(parameter["max"])))


DISTRIBUTIONS: dict[str, Callable[[Parameter, random.Random], Any]] = {
    "constant": lambda p, draw: p["value"],
    "categorical": lambda p, draw: draw.choices(p["values"], p.get("probabilities"))[0],
    "categorical_w_probabilities": lambda p, draw: draw.choices(p["values"], p["probabilities"])[0],
    "int_uniform": lambda p, draw: draw.randint(p["min"], p["max"]),
    "uniform": lambda p, draw: draw.uniform(p["min"], p["max"]),
    "q_uniform": lambda p, draw: _rounded(draw.uniform(p["min"], p["max"]), p),
    "log_uniform": lambda p, draw: math.exp(draw.uniform(p["min"], p["max"])),
    "log_uniform_values": _log,
    "q_log_uniform_values": lambda p, draw: _rounded(_log(p, draw), p),
    "normal": lambda p, draw: draw.gauss(p.get("mu", 0), p.get("sigma", 1)),
}


def draw_value(parameter: Parameter, draw: random.Random) -> Any:
    """One value of a parameter."""
    if "parameters" in parameter:
        return {name: draw_value(inner, draw) for name, inner in parameter["parameters"].items()}
    implied = "constant" if "value" in parameter else "categorical"
    return DISTRIBUTIONS[parameter.get("distribution", implied)](parameter, draw)


def grid(parameters: dict[str, Parameter]) -> Iterator[dict[str, Any]]:
    """Every combination of the parameters' values."""
    choices = []
    for parameter in parameters.values():
        if "parameters" in parameter:
            choices.append(list(grid(parameter["parameters"])))
        else:
            choices.append(parameter["values"] if "values" in parameter else [parameter["value"]])
    for values in itertools.product(*choices):
        yield dict(zip(parameters, values, strict=True))


@dataclass
class Sweep:
    """A sweep that was uploaded.

    Attributes
    ----------
    config : dict
        The file as it arrived.
    instead : dict
        Values handed out instead of those that the file gives.
    trials : dict of str to dict
        Parameters handed out, by the name of the run.
    """

    name: str
    project: str
    text: str
    instead: dict[str, Any] = field(default_factory=dict)
    state: str = "PENDING"
    trials: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.config = yaml.safe_load(self.text)
        self._draw = random.Random(0)
        self._grid = grid(self.config["parameters"]) if self.config["method"] == "grid" else None
        if unknown := list(self._unknown()):
            raise ValueError("; ".join(unknown))

    def _unknown(self) -> Iterator[str]:
        if self.config["method"] not in ("grid", "random", "bayes"):
            yield f"method {self.config['method']}"
        for name, parameter in self.config["parameters"].items():
            if parameter.get("distribution", "constant") not in DISTRIBUTIONS:
                yield f"{name}: distribution {parameter['distribution']}"

    def next_trial(self) -> dict[str, Any] | None:
        """The command that starts the next run, or None at the end of the sweep."""
        self.state = "RUNNING"
        parameters = self._next_parameters()
        if parameters is None:
            self.state = "FINISHED"
            return None
        parameters |= self.instead
        run = f"{self.name}t{len(self.trials)}"
        self.trials[run] = parameters
        arguments = {name: {"value": value} for name, value in parameters.items()}
        return {"type": "run", "run_id": run, "args": arguments, "program": self.config.get("program")}

    def _next_parameters(self) -> dict[str, Any] | None:
        if len(self.trials) >= self.config.get("run_cap", math.inf):
            return None
        if self._grid is not None:
            return next(self._grid, None)
        return {name: draw_value(parameter, self._draw) for name, parameter in self.config["parameters"].items()}
