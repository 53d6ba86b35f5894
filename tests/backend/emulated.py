"""CUDA kernels on the host: the generated sources compiled as C++, and an engine that runs them.

Threads of a block are fibers that really wait for each other, so reductions are run as they would
be on a GPU, with their warps, shared memory and last blocks; only the hardware is missing.
"""

import ctypes
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffnn.backend.cuda_launch import ArgMax, FormulaKernel, GatherKernel, OneHot, SquareSum, Warp
from ffnn.backend.cuda_plan import Launch
from ffnn.backend.cuda_source import C_TYPES, PRELUDE, Source
from ffnn.backend.engine import Array, Kernel
from ffnn.backend.formula import Formula
from ffnn.backend.numpy_engine import NumpyEngine

HEADER = Path(__file__).with_name("emulated_cuda.h")
COMPILER = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler: kernels cannot be emulated")
WAITING = ("__sync", "warp_", "grid_total", "arrives_last")


class Emulator:
    """Compiled kernels by name; all that were asked for are compiled together, when one of them first runs.

    Attributes
    ----------
    backwards : bool
        Whether blocks and threads run in the opposite order: a race then gives another result.
    allocated : int
        How often scratch was asked for.
    """

    array_type = np.ndarray

    def __init__(self) -> None:
        self.backwards = False
        self.rehearsing = False
        self.allocated = 0
        self.launches: list[tuple[str, tuple[int, int, int], tuple[int, int, int]]] = []
        self._waiting: dict[str, Source] = {}
        self._functions: dict[str, Any] = {}

    def address(self, array: Array) -> int:
        return int(array.__array_interface__["data"][0])

    def scratch(self, size: int) -> Array:
        self.allocated += 1
        return np.zeros(size, np.uint8)

    def compile(self, source: Source) -> Launch:
        if source.name not in self._functions:
            self._waiting[source.name] = source
        barriers = any(word in source.body for word in WAITING)

        def launch(grid: tuple[int, int, int], block: tuple[int, int, int], arguments: bytes) -> None:
            assert all(grid) and grid[0] < 2**31 and max(grid[1:]) <= 65535 and np.prod(block) <= 1024
            self.launches.append((source.name, grid, block))
            if self.rehearsing:
                return
            if self._waiting:
                self._build()
            shape = (ctypes.c_uint * 6)(*grid, *block)
            self._functions[source.name](shape, arguments, barriers, self.backwards)

        return launch

    def _build(self) -> None:
        assert COMPILER is not None
        parts = [HEADER.read_text(), PRELUDE]
        for name, source in self._waiting.items():
            call = f"[](const void *p) {{ {name}(*(const space_{name}::Arguments *)p); }}"
            parts.append(
                f"{source.body}\nusing space_{name}::{name};\n"
                f'extern "C" void launch_{name}(const unsigned *shape, const void *p, bool barriers, bool backwards) '
                f"{{ launch({call}, shape, p, barriers, backwards); }}"
            )
        text = "\n".join(parts)
        # Kept for the next run of the tests: the name says all that the result depends on.
        folder = Path(tempfile.gettempdir()) / "ffnn-emulated" / hashlib.sha256(text.encode()).hexdigest()[:16]
        library = folder / "kernels.so"
        if not library.exists():
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                file = Path(scratch) / "kernels.cpp"
                file.write_text(text)
                options = ["-std=c++17", "-O1", "-w", "-shared", "-fPIC", "-ffp-contract=off"]
                built = Path(scratch) / "kernels.so"
                command = [COMPILER, *options, "-o", str(built), str(file)]
                done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
                assert done.returncode == 0, done.stderr[:4000]
                built.replace(library)
        loaded = ctypes.CDLL(str(library))
        for name in self._waiting:
            function = getattr(loaded, f"launch_{name}")
            function.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_bool, ctypes.c_bool]
            function.restype = None
            self._functions[name] = function
        self._waiting = {}


EMULATOR = Emulator()


class EmulatedEngine(NumpyEngine):
    """NumPy's arrays and products, CUDA's kernels."""

    name = "emulated"

    def __init__(self, dtype: str = "float32", emulator: Emulator = EMULATOR) -> None:
        super().__init__(dtype)
        self.emulator = emulator
        self._one_hot = OneHot(emulator, False), OneHot(emulator, True)
        self._square_sum = SquareSum(emulator, False), SquareSum(emulator, True)
        self._argmax, self._warp = ArgMax(emulator, False), Warp(emulator, False)

    def one_hot(self, labels: Array, on: float, off: float, out: Array) -> None:
        self._one_hot[out.ndim == 3](labels, on, off, out)

    def warp(self, pool: Array, rows: Array, shape: tuple[int, int, int], source: Array, out: Array) -> None:
        self._warp(pool, rows, shape, source, out)

    def argmax(self, matrix: Array) -> Array:
        out = np.empty(len(matrix), np.int64)
        self._argmax(out, matrix)
        return out

    def square_sum(self, array: Array, out: Array) -> None:
        self._square_sum[out.ndim == 2](array, out)

    def _build(self, kind: str, formula: Formula) -> Kernel:
        stacked, plain = kind.startswith("stacked_"), kind.removeprefix("stacked_")
        if plain == "gather":
            return GatherKernel(self.emulator, stacked, formula)
        return FormulaKernel(self.emulator, stacked, plain, formula, C_TYPES[self.dtype.name])
