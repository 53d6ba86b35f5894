"""Which images train, which validate and which test: arrays of row numbers, fixed by a seed.

Every class is shared out alike, so that a part looks like the whole, and no image is copied.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ffnn.data.dataset import DataError, Dataset
from ffnn.registry import Registry

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of a data set in ascending order, each in one part only."""

    train: Rows
    val: Rows
    test: Rows

    @property
    def digest(self) -> str:
        """SHA-256, in hex, of which row is in which part."""
        digest = hashlib.sha256()
        for part in (self.train, self.val, self.test):
            digest.update(len(part).to_bytes(8, "little"))
            digest.update(part.astype("<i8").tobytes())
        return digest.hexdigest()


def missing_classes(names: Sequence[str], counts: Sequence[int] | Rows, part: str) -> str:
    """One line about the classes of which a part has no image; nothing where it has some of each.

    `counts` are images of each class in `part`: "train", or one that a network is measured on.

    Examples
    --------
    >>> missing_classes(["cat", "dog", "emu"], [3, 0, 2], "test")
    'no image of class dog in test: balanced accuracy leaves it out; macro figures do, unless it is predicted'
    >>> missing_classes(["cat", "dog", "emu"], [3, 1, 2], "test")
    ''
    """
    missing = [name for name, count in zip(names, counts, strict=True) if not count]
    if not missing:
        return ""
    shown = ", ".join(missing[:SHOWN]) + (f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else "")
    noun, it, they_are = ("class", "it", "it is") if len(missing) == 1 else ("classes", "them", "they are")
    measured = f"balanced accuracy leaves {it} out; macro figures do, unless {they_are} predicted"
    return f"no image of {noun} {shown} in {part}: {f'nothing is learned of {it}' if part == 'train' else measured}"


SHOWN = 5
"""Classes that are called by name in a line."""

SPLITS: Registry[Split] = Registry("split")
"""Kinds of split by name; each is made from data set, val_fraction, test_fraction and seed."""


def make_split(
    dataset: Dataset, kind: str = "auto", *, val_fraction: float = 0.1, test_fraction: float = 0.1, seed: int = 0
) -> Split:
    """Share out the rows of `dataset`; every row is in exactly one part.

    A part that takes a fraction f of some rows has, of a class with n images among them, the whole number below or
    above f * n: never a whole image away from proportion. DataError for fractions out of range, no official test set,
    or a part that would be empty.

    Parameters
    ----------
    kind : "auto", "official" or "pooled"
        official: the official test set, and val taken from the other rows. pooled: val and test taken from all rows,
        whatever is official. auto: official where there is an official test set, else pooled.
    val_fraction : float, 0 < val_fraction < 1
        Of the rows that it is taken from.
    test_fraction : float, 0 < test_fraction < 1 - val_fraction
        Of all rows; for pooled splits only.
    seed : int >= 0
        Which images of a class go where; the same seed gives the same split.

    Examples
    --------
    >>> labels = np.repeat([0, 1], [30, 20])
    >>> data = Dataset("two", np.zeros((50, 4), np.uint8), labels, ("a", "b"), (2, 2), 255, 0, "memory")
    >>> split = make_split(data, "pooled", val_fraction=0.1, test_fraction=0.2)
    >>> [np.bincount(labels[part]).tolist() for part in (split.train, split.val, split.test)]
    [[21, 14], [3, 2], [6, 4]]
    """
    return SPLITS[kind](dataset, val_fraction, test_fraction, seed)


@SPLITS.register("auto")
def _auto(dataset: Dataset, val_fraction: float, test_fraction: float, seed: int) -> Split:
    return SPLITS["official" if dataset.official_test else "pooled"](dataset, val_fraction, test_fraction, seed)


@SPLITS.register("official")
def _official(dataset: Dataset, val_fraction: float, test_fraction: float, seed: int) -> Split:
    if not dataset.official_test:
        raise DataError(f"{dataset.name} has no official test set: expected split=pooled or auto, received official")
    border = len(dataset) - dataset.official_test
    train, val = _stratified(dataset.labels[:border], {"val": val_fraction}, seed)
    return Split(train, val, np.arange(border, len(dataset)))


@SPLITS.register("pooled")
def _pooled(dataset: Dataset, val_fraction: float, test_fraction: float, seed: int) -> Split:
    train, val, test = _stratified(dataset.labels, {"val": val_fraction, "test": test_fraction}, seed)
    return Split(train, val, test)


def _stratified(labels: NDArray[np.int64], fractions: dict[str, float], seed: int) -> list[Rows]:
    """Rows for train, which takes what is left, then for each of `fractions`."""
    for part, fraction in fractions.items():
        if not 0 < fraction < 1:
            raise DataError(f"{part}_fraction: expected a number between 0 and 1, received {fraction}")
    rest = 1 - sum(fractions.values())
    if rest <= 0:
        raise DataError(f"{' + '.join(f'{part}_fraction' for part in fractions)}: expected less than 1 together")
    counts = np.bincount(labels)
    shares = _apportion(counts, np.array([rest, *fractions.values()]))
    for part, size in zip(("train", *fractions), shares.sum(axis=0), strict=True):
        if not size:
            raise DataError(f"split: expected at least one image in each part, found none of {len(labels)} for {part}")
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    by_class = np.split(shuffled[np.argsort(labels[shuffled], kind="stable")], np.cumsum(counts)[:-1])
    pieces = [np.split(rows, np.cumsum(share)[:-1]) for rows, share in zip(by_class, shares, strict=True)]
    return [np.sort(np.concatenate(part)) for part in zip(*pieces, strict=True)]


def _apportion(counts: NDArray[np.int64], fractions: NDArray[np.float64]) -> NDArray[np.int64]:
    """Whole shares (classes, parts) of `counts` (classes,): exact shares rounded down or up, each row with its sum.

    Going through the classes, what is left over goes to the parts that rounding has so far cost
    most, which keeps the sizes of the parts close to their exact shares as well.
    """
    exact = np.round(np.outer(counts, fractions), 9)  # 0.1 * 30 is 3, not 3.0000000000000004
    shares = np.floor(exact).astype(np.int64)
    owed = np.zeros(len(fractions))
    for count, parts, share in zip(counts, exact, shares, strict=True):
        fraction = parts - share
        owed += fraction
        rest = count - share.sum()
        lucky = np.argsort(np.where(fraction > 0, -owed, np.inf), kind="stable")[:rest]
        share[lucky] += 1
        owed[lucky] -= 1
    return shares
