"""The records of a run's epochs in little memory: ten thousand of them as dictionaries would be fifty megabytes.

A run may go on for days, so what it keeps an epoch has to be next to nothing.
"""

from array import array
from collections.abc import Iterable, Sequence
from typing import overload

Record = dict[str, float]
"""One epoch in plain numbers: epoch, step, train/loss, val/accuracy, grad_norm/linear1, ..."""

_Form = tuple[tuple[str, bool], ...]


class History(Sequence[Record]):
    """Records in their order, as a list of them would be.

    The latest one may still be added to; of those before it every reading makes a dictionary anew.

    Examples
    --------
    >>> history = History([{"epoch": 1, "train/loss": 0.5}])
    >>> history.append({"epoch": 2, "train/loss": 0.25})
    >>> history[-1]["val/loss"] = 0.75
    >>> history[0], [record["epoch"] for record in history], history[1:]
    ({'epoch': 1, 'train/loss': 0.5}, [1, 2], [{'epoch': 2, 'train/loss': 0.25, 'val/loss': 0.75}])
    """

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._latest: Record | None = None
        self._forms: dict[_Form, _Form] = {}
        self._form_of: list[_Form] = []  # the same object for all records with the same names
        self._starts = array("Q", [0])
        self._values = array("d")
        for record in records:
            self.append(record)

    def append(self, record: Record) -> None:
        """Add a record, which becomes the latest."""
        if self._latest is not None:
            form = tuple((name, isinstance(value, int)) for name, value in self._latest.items())
            self._form_of.append(self._forms.setdefault(form, form))
            self._values.extend(self._latest.values())
            self._starts.append(len(self._values))
        self._latest = record

    def __len__(self) -> int:
        return len(self._form_of) + (self._latest is not None)

    @overload
    def __getitem__(self, place: int) -> Record: ...
    @overload
    def __getitem__(self, place: slice) -> list[Record]: ...
    def __getitem__(self, place: int | slice) -> Record | list[Record]:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        number = range(len(self))[place]
        if self._latest is not None and number == len(self._form_of):
            return self._latest
        values = self._values[self._starts[number] : self._starts[number + 1]]
        return {
            name: int(value) if whole else value
            for (name, whole), value in zip(self._form_of[number], values, strict=True)
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]
