"""Labels and weights of rows: from what scikit-learn's users give to what batches and losses take.

Classes become numbers, weights are checked, and what is held out is drawn.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import _check_sample_weight

from ffnn.errors import FFNNError, nearest
from ffnn.nn.cross_entropy import ratios


def numbered(y: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.int64]:
    """The place of each label in the sorted `classes`; FFNNError for one that is not among them.

    Examples
    --------
    >>> numbered(np.array(["dog", "cat"]), np.array(["cat", "dog"])).tolist()
    [1, 0]
    >>> numbered(np.array(["dgo"]), np.array(["cat", "dog"]))
    Traceback (most recent call last):
    ffnn.errors.FFNNError: y: expected classes cat, dog; received 'dgo'; did you mean 'dog'?
    """
    unknown = np.setdiff1d(y, classes)
    if len(unknown):
        names = [str(name) for name in classes]
        hint = nearest(str(unknown[0]), names)
        raise FFNNError(
            f"y: expected classes {', '.join(names)}; received {_shown(unknown[:1].tolist()[0], names)}{hint}"
        )
    return np.searchsorted(classes, y).astype(np.int64)


def row_weights(sample_weight: ArrayLike | None, X: NDArray[Any], dtype: str) -> NDArray[np.float64] | None:
    """Weights of the rows of X as they are used, see `ratios`, or None where all are equal.

    ValueError where they are no weights.

    Examples
    --------
    >>> row_weights([3e-46, 1e-46], np.zeros((2, 1)), "float32").round(2).tolist()
    [0.86, 0.29]
    """
    if sample_weight is None:
        return None
    weights: NDArray[np.float64] = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    return ratios("sample_weight", weights, dtype)


def class_weights(
    setting: Any, classes: NDArray[Any], labels: NDArray[np.int64], weights: NDArray[np.float64] | None
) -> list[float] | None:
    """One weight a class, or None where all are equal.

    "balanced" is n / (K * count); a row counts as much as it weighs. A class that a dict leaves out weighs 1.
    """
    if setting is None:
        return None
    if not isinstance(setting, dict) and setting != "balanced":
        hint = nearest(str(setting), ["balanced"])
        raise FFNNError(f"class_weight: expected a dict, 'balanced' or None; received {setting!r}{hint}")
    if setting == "balanced":
        counts = np.bincount(labels, weights, minlength=len(classes))
        return [float(weight) for weight in counts.sum() / (len(classes) * counts)]
    names = classes.tolist()
    unknown = [name for name in setting if name not in names]
    # A part of the data may lack a class that has a weight; beside a class without one it is more likely misspelt.
    if unknown and not all(name in setting for name in names):
        hint = nearest(str(unknown[0]), map(str, names))
        raise FFNNError(
            f"class_weight: expected classes {', '.join(map(str, names))}; received {_shown(unknown[0], names)}{hint}"
        )
    return [float(setting.get(name, 1.0)) for name in names]


def _shown(label: Any, names: list[Any]) -> str:
    """A label that is no class, with its type where that is all that is wrong."""
    alike = next((name for name in names if str(name) == str(label)), None)
    return f"{label!r}" if alike is None else f"{label!r} ({type(label).__name__}, where {alike!r} is meant)"


def training_and_validation(
    rows: NDArray[np.int64], labels: NDArray[np.int64], fraction: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows to learn from and those held out, a `fraction` of each class; ValueError where there are too few."""
    if not fraction:
        return rows, rows[:0]
    train, val = train_test_split(rows, test_size=fraction, stratify=labels[rows], random_state=seed)
    return np.asarray(train), np.asarray(val)
