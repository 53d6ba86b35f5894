"""What the GPU engine takes of the machine, and its words where a part of CUDA is missing: on the stand-in for CuPy."""

import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from backend.stand_in import CompileException, stand_in_device

from ffnn.backend import create_engine, cublas, cupy_engine
from ffnn.errors import FFNNError


def test_what_cupy_says_of_its_own_failure_is_the_error_that_it_met(tmp_path: Path) -> None:
    """It draws a box around it, whose first line is a rule."""
    (tmp_path / "cupy.py").write_text(
        """
try:
    raise ImportError("libcuda.so.1: cannot open shared object file")
except ImportError as met:
    raise ImportError(f"\\n{'=' * 64}\\nFailed to import CuPy.\\n\\nOriginal error:\\n  {met}\\n{'=' * 64}\\n") from met
"""
    )
    code = "import sys; sys.path.insert(0, sys.argv[1]); from ffnn.backend import create_engine; create_engine('cupy')"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=300, check=False
    )
    last = done.stderr.splitlines()[-1]
    assert "received: libcuda.so.1: cannot open shared object file; install 'cupy-cuda12x[ctk]'" in last


@pytest.mark.parametrize(
    ("problem", "line"),
    [
        (
            RuntimeError("\n=====\nCuPy failed to load libnvrtc.so.12: OSError\n====="),
            "CuPy failed to load libnvrtc.so.12",
        ),
        (
            CompileException('a.cu(3): error: cannot open source file "cuda_fp16.h"\n1 error'),
            "source file .cuda_fp16.h",
        ),
        (CompileException("a.cu(7): error: expected a ';'"), None),
    ],
)
def test_a_missing_part_of_cuda_is_one_line_and_a_wrong_source_is_not(problem: Exception, line: str | None) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise problem

    with stand_in_device():
        engine = create_engine("cupy")
        cupy_engine.cupy.RawKernel = fails
        with pytest.raises(FFNNError if line else CompileException, match=line) as told:
            engine.argmax(engine.zeros((2, 3)))
    assert (r"install 'cupy-cuda12x[ctk]'" in str(told.value)) == (line is not None)
    assert "\n" not in str(told.value)


def test_engines_of_a_precision_share_one_handle_of_cublas() -> None:
    """A handle is never given back, and its workspace is 32 MiB."""
    with stand_in_device():
        library, loads = cublas.load(), []
        with mock.patch.object(cublas, "load", lambda: loads.append(1) or library):
            engines = [cupy_engine.CupyEngine(precision=name) for name in ("float32", "tf32", "float32", "tf32")]
        assert library.calls.count("create") == len(loads) == 2
        for engine in engines:
            out = engine.zeros((2, 2))
            engine.matmul(engine.array([[1, 2], [3, 4]]), engine.array([[1, 1], [0, 1]]), out)
            assert engine.host(out).tolist() == [[1, 3], [3, 7]]
        assert library.computes == [68, 77, 68, 77]


def test_images_are_copied_in_pieces() -> None:
    images = np.random.default_rng(0).integers(0, 256, (1000, 12)).astype(np.uint8)
    with stand_in_device() as device, mock.patch.object(cupy_engine, "PIECE", 600):
        engine = create_engine("cupy")
        device.copied.clear()
        np.testing.assert_array_equal(engine.host(engine.share(images)), images)
        np.testing.assert_array_equal(engine.host(engine.share(images[:, :0])), images[:, :0])
        assert max(device.copied) == 600
        assert sum(device.copied) == images.nbytes


def test_what_cupy_has_freed_can_be_shared_again() -> None:
    with stand_in_device() as device:
        create_engine("cupy")
        device.free, device.freed = 3000, 1000  # four fifths are 2400 without what was freed
        engine = create_engine("cupy")
        engine.share(np.zeros((3, 1000), np.uint8))
        engine.share(np.zeros((3, 1000), np.uint8))
    told = [line.partition(" values ")[2] for line in engine.shared]  # type: ignore[attr-defined]
    assert told == ["on the device", "on the host, batches copied ahead: the device may hold 0.0 MB"]
