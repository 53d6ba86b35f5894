"""Plain values: what files and trackers may hold, made from what training produces.

JSON has no NaN, and one NaN spoils a W&B summary for good, so the rule lives here, once: a number
is finite or it is left out.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ffnn.files import replacing


def finite_numbers(record: Mapping[str, Any]) -> dict[str, int | float]:
    """The finite numbers of a record as Python numbers, in their order; NaN and infinities are left out.

    TypeError if a value is no number of Python's or NumPy's; booleans are some.

    Examples
    --------
    >>> finite_numbers({"epoch": 1, "train/loss": float("nan"), "val/accuracy": 0.5})
    {'epoch': 1, 'val/accuracy': 0.5}
    """
    numbers = {}
    for name, value in record.items():
        number = plain(value)
        if not isinstance(number, int | float):
            raise TypeError(f"{name}: expected a number; received {value!r}")
        if math.isfinite(number):
            numbers[name] = number
    return numbers


def finite(value: Any) -> Any:
    """`plain(value)` without NaN and infinities: a mapping loses the entry, a list holds None in its place.

    Examples
    --------
    >>> finite({"best": float("-inf"), "per_class": [0.5, float("nan")], "status": "diverged"})
    {'per_class': [0.5, None], 'status': 'diverged'}
    """
    return _finite(plain(value))


def plain(value: Any) -> Any:
    """The same value made of dict, list, str, int, float, bool and None only.

    Tuples, sets and arrays become lists, NumPy scalars Python numbers, paths and keys strings.

    TypeError if the value, or something in it, has no plain form.

    Examples
    --------
    >>> plain({"hidden_layers": (256, 128), "data_dir": Path("data"), 0: None})
    {'hidden_layers': [256, 128], 'data_dir': 'data', '0': None}
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = [plain(item) for item in value]
        return sorted(items) if isinstance(value, set | frozenset) else items
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # NumPy's arrays and scalars, without importing NumPy
        return value.tolist()
    kind = next((kind for kind in (int, float, str) if isinstance(value, kind)), None)
    if kind:  # a subclass, such as an enumeration
        return kind(value)
    raise TypeError(f"expected numbers, strings, lists and mappings; received {type(value).__name__}: {value!r}")


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write `finite(values)` as JSON, replacing an older file in a single step."""
    text = json.dumps(finite(values), indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    with replacing(path) as file:
        file.write(text)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items() if not _is_bad(item)}
    if isinstance(value, list):
        return [None if _is_bad(item) else _finite(item) for item in value]
    return None if _is_bad(value) else value


def _is_bad(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
