"""A host's stand-in for CuPy, as far as the engine uses it, and stricter than a GPU where mistakes would hide.

Its arrays refuse to become NumPy arrays unasked; while a stream is recorded nothing may be read or
allocated, and nothing is done before the recording is launched. Kernels are run by the emulator and
products by the stand-in for cuBLAS.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
from backend.emulated import EMULATOR
from backend.fake_cublas import Library

from ffnn.backend import cublas, cupy_engine
from ffnn.backend.cuda_source import PRELUDE, Source


class Device:
    """What is counted and recorded.

    Attributes
    ----------
    allocations, reads : int
    copied : list of int
        Bytes of every array that came from the host.
    free : int
        Bytes that can still be allocated.
    freed : int
        Bytes that CuPy has freed and kept.
    """

    def __init__(self) -> None:
        self.allocations, self.reads, self.free, self.freed = 0, 0, 2**34, 0
        self.copied: list[int] = []
        self.recording: list[Callable[[], None]] | None = None

    def do(self, work: Callable[[], None]) -> None:
        """Now, or whenever the present recording is launched."""
        if self.recording is None:
            work()
        else:
            self.recording.append(work)

    def allocate(self, values: np.ndarray) -> "DeviceArray":
        assert self.recording is None, "memory was allocated while the stream was recorded"
        self.allocations += 1
        if values.nbytes > self.free:
            raise OutOfMemoryError(f"Out of memory allocating {values.nbytes:,} bytes")
        return DeviceArray(self, values)


class OutOfMemoryError(MemoryError):
    pass


class CUDARuntimeError(RuntimeError):
    pass


class CompileException(Exception):  # noqa: N818 - CuPy's name
    pass


class DeviceArray:
    """An array of the device: views and assignments as CuPy has them, and no way to NumPy but `get`."""

    __array_priority__ = 100

    def __init__(self, device: Device, values: np.ndarray) -> None:
        self._device, self._values = device, values
        self.shape, self.strides, self.dtype, self.ndim, self.size = (
            values.shape, values.strides, values.dtype, values.ndim, values.size,
        )  # fmt: skip
        self.nbytes, self.flags = values.nbytes, values.flags

    @property
    def data(self) -> Any:
        return SimpleNamespace(ptr=self._values.__array_interface__["data"][0])

    @property
    def T(self) -> "DeviceArray":  # noqa: N802
        return DeviceArray(self._device, self._values.T)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, part: Any) -> "DeviceArray":
        values = self._values[part]
        assert isinstance(values, np.ndarray), "CuPy gives an array of no axes here"
        assert values.base is not None, "indexing by arrays would allocate"
        return DeviceArray(self._device, values)

    def __setitem__(self, part: Any, given: Any) -> None:
        if isinstance(given, np.ndarray) and given.ndim:
            raise TypeError("an array of the host cannot be assigned to one of the device")
        source = given._values if isinstance(given, DeviceArray) else given

        def assign() -> None:
            self._values[part] = source

        self._device.do(assign)

    def __float__(self) -> float:
        return float(self.get())

    def reshape(self, *shape: Any) -> "DeviceArray":
        values = self._values.reshape(*shape)
        assert np.shares_memory(values, self._values) or not values.size, "a copy would allocate"
        return DeviceArray(self._device, values)

    def swapaxes(self, one: int, other: int) -> "DeviceArray":
        return DeviceArray(self._device, self._values.swapaxes(one, other))

    def astype(self, kind: Any) -> "DeviceArray":
        return self._device.allocate(self._values.astype(kind))

    def sum(self) -> "DeviceArray":
        return self._device.allocate(np.asarray(self._values.sum()))

    def max(self) -> "DeviceArray":
        return self._device.allocate(np.asarray(self._values.max()))

    def set(self, given: np.ndarray, stream: "Stream") -> None:
        assert given.shape == self.shape
        assert given.dtype == self.dtype
        # Until the host has waited for it, the copy may still read: nothing else may be written there meanwhile.
        assert not any(np.shares_memory(given, other) for other in stream.in_flight)
        stream.in_flight.append(given)
        stream.later.append(lambda: self._values.__setitem__(Ellipsis, given))

    def get(self) -> np.ndarray:
        assert self._device.recording is None, "the device was read while its stream was recorded"
        self._device.reads += 1
        return self._values.copy()


class Graph:
    def __init__(self, device: Device, work: list[Callable[[], None]]) -> None:
        self._device, self._work = device, work

    def upload(self, stream: Any) -> None:
        pass

    def launch(self, stream: Any) -> None:
        assert self._device.recording is None
        for work in self._work:
            work()


class Stream:
    def __init__(self, device: Device, non_blocking: bool) -> None:
        assert non_blocking
        self._device, self.ptr = device, 99
        self.later: list[Callable[[], None]] = []
        self.in_flight: list[np.ndarray] = []

    def wait_event(self, event: "Event") -> None:
        event.reach()

    def use(self) -> None:
        pass

    def begin_capture(self) -> None:
        assert self._device.recording is None
        self._device.recording = []

    def end_capture(self) -> Graph:
        assert self._device.recording is not None
        work, self._device.recording = self._device.recording, None
        return Graph(self._device, work)


class Event:
    """A mark in a stream; what was put off there is done when somebody waits for it."""

    def __init__(self) -> None:
        self.stream: Stream | None = None
        self.before: list[np.ndarray] = []

    def record(self, stream: Stream) -> None:
        self.stream, self.before = stream, list(stream.in_flight)

    def reach(self) -> None:
        while self.stream and self.stream.later:
            self.stream.later.pop(0)()

    def synchronize(self) -> None:
        self.reach()
        if self.stream:
            done = {id(array) for array in self.before}
            self.stream.in_flight = [array for array in self.stream.in_flight if id(array) not in done]


class RecordedLibrary(Library):
    """cuBLAS's stand-in, whose products can be recorded; workspace and handle are set outside of a recording."""

    def __init__(self, device: Device) -> None:
        super().__init__()
        for name in ("cublasGemmEx", "cublasGemmStridedBatchedEx"):
            function = getattr(self, name)
            call = function._call
            function._call = lambda *a, call=call: device.do(lambda: call(*a))


def stand_in(device: Device) -> Any:
    """The module."""

    def raw_kernel(text: str, name: str, options: tuple[str, ...]) -> Any:
        assert device.recording is None, "a kernel was compiled while the stream was recorded"
        assert text.startswith(PRELUDE)
        launch = EMULATOR.compile(Source(name, text[len(PRELUDE) + 1 :], "", ""))

        def kernel(grid: Any, block: Any, arguments: tuple[np.ndarray], shared: int, stream: Any) -> None:
            (parameter,) = arguments
            # CuPy takes a host array of one value only.
            assert parameter.size == 1
            assert stream.ptr == 99
            given = parameter.tobytes()
            device.do(lambda: launch(grid, block, given))

        return SimpleNamespace(kernel=kernel)

    def array(values: Any, dtype: Any) -> DeviceArray:
        host = values._values if isinstance(values, DeviceArray) else np.asarray(values, dtype)
        device.copied.append(host.nbytes)
        return device.allocate(np.array(host, dtype))

    runtime = SimpleNamespace(
        getDeviceCount=lambda: 1,
        getDevice=lambda: 0,
        getDeviceProperties=lambda number: {"name": b"stand-in", "totalGlobalMem": device.free},
        runtimeGetVersion=lambda: 0,
        driverGetVersion=lambda: 0,
        memGetInfo=lambda: (device.free, device.free),
        CUDARuntimeError=CUDARuntimeError,
    )
    return SimpleNamespace(
        __version__="0",
        ndarray=DeviceArray,
        # Like a device's, new memory holds anything.
        empty=lambda shape, dtype: device.allocate(np.full(shape, 77, dtype)),
        array=array,
        stack=lambda parts: device.allocate(np.stack([part._values for part in parts])),
        square=lambda values: device.allocate(np.square(values._values)),
        abs=lambda values: device.allocate(np.abs(values._values)),
        RawKernel=raw_kernel,
        get_default_memory_pool=lambda: SimpleNamespace(free_bytes=lambda: device.freed),
        cuda=SimpleNamespace(
            runtime=runtime,
            memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
            compiler=SimpleNamespace(CompileException=CompileException),
            Stream=lambda non_blocking: Stream(device, non_blocking),
            Event=lambda disable_timing=False: Event(),
            get_elapsed_time=lambda begin, end: 1.0,
        ),
    )


@contextmanager
def stand_in_device() -> Iterator[Device]:
    """Within it `create_engine("cupy")` gives an engine of the stand-in."""
    device = Device()
    _forget()
    with (
        mock.patch.object(cupy_engine, "cupy", stand_in(device)),
        mock.patch.object(cupy_engine, "cupyx", SimpleNamespace(empty_pinned=np.empty), create=True),
        mock.patch.object(cublas, "load", lambda: RecordedLibrary(device)),
    ):
        yield device
    _forget()


def _forget() -> None:
    cupy_engine._stream_of.cache_clear()
    cupy_engine._products_of.cache_clear()
