"""Settings of runs by name, and conditions on them such as `learning_rate<0.01`."""

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ffnn.errors import FFNNError, nearest
from ffnn.lab.config import BOOKKEEPING, Config
from ffnn.lab.values import parse_value
from ffnn.ranges import is_number
from ffnn.tracking import RunRecord

SEEDS = ("seed", "split_seed")
"""Settings by which runs are repeated, not compared."""

RELATIONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "!=": operator.ne, "<=": operator.le, ">=": operator.ge, "=": operator.eq, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
ORDERED = ("<", ">", "<=", ">=")


def setting(run: RunRecord, name: str) -> Any:
    """A setting of a run, or else a figure of its summary; dots reach inside.

    A component without options is its name.

    Examples
    --------
    >>> from pathlib import Path
    >>> run = RunRecord(Path("r"), {"optimizer": {"name": "adam", "beta1": 0.8}}, [], {"status": "finished"}, {})
    >>> setting(run, "optimizer.name"), setting(run, "optimizer.beta1"), setting(run, "status")
    ('adam', 0.8, 'finished')
    """
    head, _, rest = name.partition(".")
    if head not in run.config:
        return run.summary.get(name)
    value = run.config[head]
    if not rest and not isinstance(value, dict):
        return value
    for part in rest.split(".") if rest else []:
        value = value.get(part) if isinstance(value, Mapping) else value if part == "name" else None
    return value["name"] if isinstance(value, Mapping) and list(value) == ["name"] else value


def check_setting(runs: Sequence[RunRecord], name: str, option: str) -> None:
    """FFNNError with the nearest name, if no run has a setting or figure of this name."""
    head = name.partition(".")[0]
    names = dict.fromkeys(key for run in runs for key in (*run.config, *run.summary))
    if head not in names and head not in Config.model_fields and name not in names:
        hint = nearest(name, names) or "; settings are those of `ffnn train --help`"
        raise FFNNError(f"{option}: no run has a setting or figure {name!r}{hint}")


def differing(runs: Sequence[RunRecord]) -> list[str]:
    """Settings in which runs differ, apart from seeds and from those that only say where they go."""
    names = dict.fromkeys(name for run in runs for name in run.config)
    return [
        name
        for name in names
        if name not in BOOKKEEPING and name not in SEEDS and len({shown(setting(run, name)) for run in runs}) > 1
    ]


def shown(value: Any) -> str:
    """A setting in a table.

    Examples
    --------
    >>> print(shown([128, 64]), shown({"name": "adam", "beta1": 0.8}), shown(None), shown(1e-5), shown(True))
    128-64 adam(beta1=0.8) - 1e-05 true
    """
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:g}"
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        options = ", ".join(f"{key}={shown(option)}" for key, option in value.items() if key != "name")
        return f"{value.get('name', '')}({options})"
    return "-".join(map(shown, value)) or "none" if isinstance(value, list) else str(value)


@dataclass(frozen=True)
class Condition:
    """What runs must fulfil to be compared: a setting's or figure's relation to a value."""

    name: str
    relation: str
    value: Any

    @classmethod
    def parse(cls, text: str) -> "Condition":
        """From text such as "optimizer=adam".

        Examples
        --------
        >>> Condition.parse("learning_rate <= 1e-3")
        Condition(name='learning_rate', relation='<=', value=0.001)
        >>> Condition.parse("adam")
        Traceback (most recent call last):
        ffnn.errors.FFNNError: --where: expected NAME=VALUE, or !=, <, >, <=, >= in place of =; received 'adam'
        """
        match = re.fullmatch(r"\s*([\w./-]+)\s*(!=|<=|>=|=|<|>)\s*(.*?)\s*", text)
        if not match:
            raise FFNNError(f"--where: expected NAME=VALUE, or !=, <, >, <=, >= in place of =; received {text!r}")
        name, relation, value = match[1], match[2], parse_value(match[3])
        if relation in ORDERED and not is_number(value):
            raise FFNNError(f"--where {name}{relation}: expected a number to compare with; received {match[3]!r}")
        return cls(name, relation, value)

    def holds(self, run: RunRecord) -> bool:
        """Whether a run fulfils it; what has no number is neither smaller nor larger."""
        value = setting(run, self.name)
        if self.relation in ORDERED:
            return is_number(value) and RELATIONS[self.relation](value, self.value)
        same = value == self.value or shown(value) == shown(self.value)
        # A component with options is still the component.
        same = same or (isinstance(value, Mapping) and value.get("name") == self.value)
        return same == (self.relation == "=")


def select(runs: Sequence[RunRecord], conditions: Iterable[Condition]) -> list[RunRecord]:
    """The runs that fulfil all conditions.

    FFNNError if a name is unknown, or none is left.
    """
    selected = list(runs)
    for condition in conditions:
        check_setting(runs, condition.name, "--where")
        before, selected = selected, [run for run in selected if condition.holds(run)]
        if not selected:
            values = ", ".join(sorted({shown(setting(run, condition.name)) for run in before})[:8])
            raise FFNNError(
                f"--where {condition.name}{condition.relation}{shown(condition.value)}: none of {len(before)} runs is "
                f"left; they have {values}"
            )
    return selected
