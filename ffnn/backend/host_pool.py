"""Images that are too many for a device: they stay on the host, and only batches travel.

A batch is gathered into pinned memory and copied on a stream of its own, while the device computes with the one before.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np

from ffnn.backend.engine import Array


class Copier(Protocol):
    """What copying ahead needs from an engine's device."""

    def pinned(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray[Any, Any]:
        """A host array that the device can copy from while the host goes on."""

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """An array of the device."""

    def event(self) -> Any:
        """A mark to set in a stream, which another one, or the host, waits for."""


class _Slot:
    """One of two batches on their way: its pinned memory, its place on the device, and how far it got."""

    def __init__(self, copier: Copier) -> None:
        self.size = 0
        self.host: Any = None
        self.device: Any = None
        self.copied, self.consumed = copier.event(), copier.event()


class HostPool:
    """Rows of a host array (rows, columns), which is not copied, for the kernels of a device.

    Kernels run on the stream `computing`, and batches are copied on `copying`.
    """

    def __init__(self, values: np.ndarray[Any, Any], copier: Copier, computing: Any, copying: Any) -> None:
        self.shape: tuple[int, ...] = values.shape
        self.dtype, self.ndim = values.dtype, values.ndim
        self._values, self._copier = values, copier
        self._computing, self._copying = computing, copying
        self._slots = [_Slot(copier), _Slot(copier)]
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, part: None) -> "HostPool":
        """With None, the pool that all members of a stack share."""
        shared = HostPool.__new__(HostPool)
        shared.__dict__.update(self.__dict__)
        shared.shape, shared.ndim = (1, *self.shape), self.ndim + 1
        return shared

    @contextmanager
    def rows(self, indices: np.ndarray[Any, Any]) -> Iterator[Array]:
        """Within it, the rows of these numbers as an array of the device, for kernels launched there.

        For numbers (int) in an array of any shape, the rows get the same shape, and that of a row behind it.
        """
        # The thread that prepares batches and the one that evaluates may come at the same time.
        with self._lock:
            slot = self._slots[0]
            self._slots.reverse()
            # The host waits only if it is two batches ahead.
            slot.copied.synchronize()
            if slot.size < indices.size:
                shape = (indices.size, self._values.shape[1])
                slot.host, slot.device = (make(shape, self.dtype) for make in (self._copier.pinned, self._copier.empty))
                slot.size = indices.size
                # The device may still compute with what this memory held before.
                slot.consumed.record(self._computing)
            batch, place = slot.host[: indices.size], slot.device[: indices.size]
            np.take(self._values, indices.reshape(-1), axis=0, out=batch, mode="clip")
            self._copying.wait_event(slot.consumed)
            place.set(batch, stream=self._copying)
            slot.copied.record(self._copying)
            self._computing.wait_event(slot.copied)
            yield place.reshape(*indices.shape, place.shape[1])
            slot.consumed.record(self._computing)
