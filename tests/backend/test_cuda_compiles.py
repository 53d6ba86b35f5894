"""Every generated source compiles for a GPU: by NVRTC, as CuPy would, or by nvcc, where one of them is found.

Neither needs a GPU, and nothing in the package needs either.
"""

import ctypes
import ctypes.util
import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from backend.emulated import EmulatedEngine, Emulator
from backend.kernel_cases import CASES, SETTINGS, run_case

from ffnn.backend.cuda_source import PRELUDE, Source
from ffnn.backend.formulas import value_itself

pytestmark = pytest.mark.slow


def sources() -> list[Source]:
    """Those of all cases and of the fixed operations, in both types."""
    found: dict[str, Source] = {}
    for dtype in ("float32", "float64"):
        emulator = Emulator()
        emulator.rehearsing = True
        engine = EmulatedEngine(dtype, emulator)
        real = emulator.compile
        emulator.compile = lambda source, real=real: found.setdefault(source.name, source) and real(source)  # type: ignore[method-assign, misc]
        for case in CASES:
            for setting in SETTINGS:
                run_case(engine, case, setting)
        matrix, labels = engine.zeros((4, 9)), np.zeros(4, np.int64)
        engine.one_hot(labels, 1.0, 0.0, matrix)
        engine.argmax(matrix)
        engine.norm(matrix)
        engine.warp(np.zeros((4, 9), np.uint8), labels, (3, 3, 1), engine.zeros((4, 2, 3, 3)), matrix)
        for kind in (np.uint8, np.float32, np.int64):
            engine.gather(value_itself)(matrix, np.zeros((4, 9), kind), labels, ())
    return list(found.values())


def nvrtc() -> ctypes.CDLL | None:
    """NVIDIA's compiler as a library, if it is installed."""
    spec = importlib.util.find_spec("nvidia")
    places = [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []
    files = [str(file) for place in places for file in place.glob("*/lib/libnvrtc.so.*")]
    for name in (*files, ctypes.util.find_library("nvrtc")):
        if name:
            return ctypes.CDLL(name)
    return None


ARITHMETIC = re.compile(r"^\s*(?:add|sub|mul|mad|fma|div|rcp|sqrt|min|max|neg|abs|setp\.\w+)(?:\.\w+)*\.f64", re.M)


def assert_narrow(ptx: str, made: list[Source]) -> None:
    """Every kernel is there, and float32 is nowhere widened: GPUs for games do float64 at a 64th of the speed.

    Rows are summed in float64, and so are squares; those kernels are left out.
    """
    entries = dict(re.findall(r"\.entry (\w+)\((.*?)^\}", ptx, re.M | re.S))
    assert set(entries) == {source.name for source in made}
    checked = 0
    for source in made:
        if "double " not in source.body.replace("const double *c", "").replace("double c", ""):
            checked += 1
            assert not ARITHMETIC.search(entries[source.name]), source.body
    assert checked > 50


def test_nvcc_takes_every_source(tmp_path: Path) -> None:
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        pytest.skip("nvcc is not installed")
    file = tmp_path / "kernels.cu"
    file.write_text("\n".join([PRELUDE, *(source.body for source in sources())]))
    command = [nvcc, "-ptx", "-std=c++17", "-o", str(tmp_path / "kernels.ptx"), str(file)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[:3000]
    assert_narrow((tmp_path / "kernels.ptx").read_text(), sources())


def test_nvrtc_takes_every_source() -> None:
    library = nvrtc()
    if library is None:
        pytest.skip("NVRTC is not installed")
    made = sources()
    text = "\n".join([PRELUDE, *(source.body for source in made)])
    program = ctypes.c_void_p()
    assert library.nvrtcCreateProgram(ctypes.byref(program), text.encode(), b"kernels.cu", 0, None, None) == 0
    options = (ctypes.c_char_p * 2)(b"--std=c++17", b"--gpu-architecture=compute_80")
    result = library.nvrtcCompileProgram(program, 2, options)
    size = ctypes.c_size_t()
    library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    library.nvrtcGetProgramLog(program, log)
    assert result == 0, log.value[:3000]
    library.nvrtcGetPTXSize(program, ctypes.byref(size))
    ptx = ctypes.create_string_buffer(size.value)
    library.nvrtcGetPTX(program, ptx)
    assert_narrow(ptx.value.decode(), made)
    library.nvrtcDestroyProgram(ctypes.byref(program))
