"""Starting a contender's process with a clean environment, asking it things, and losing it gracefully.

A question that is not answered in time, or never, costs the contender and not the race.
"""

import json
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from typing import Any

HELD_BACK = re.compile(
    r"(OPENBLAS|GOTO|BLIS|VECLIB|MKL|OMP|GOMP|KMP|NUMBA|XLA|JAX|KERAS|TORCH|TORCHINDUCTOR|PYTORCH|DNNL|ONEDNN|ATEN"
    r"|CUBLAS|CUBLASLT|CUDA|CUPY|TRITON)_"
    r"|TF_(CPP|CPU|DISABLE|ENABLE|FORCE|GPU|NUM|USE|XLA)_|NPY_DISABLE_CPU_FEATURES$|NPROC$|NVIDIA_TF32_OVERRIDE$"
)
"""Variables that choose a library's code, threads or device; none of them reaches a contender."""

KEPT = {
    "KMP_DUPLICATE_LIB_OK", "NUMBA_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "JAX_COMPILATION_CACHE_DIR", "CUDA_PATH",
    "CUDA_HOME", "CUDA_CACHE_PATH", "CUPY_CACHE_DIR", "TRITON_CACHE_DIR", "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER",
}  # fmt: skip
"""Variables that only let a library load, say where compiled code is kept, or which of several GPUs is meant."""

THREADS = (
    "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "NPROC",
)  # fmt: skip

DEVICES: Mapping[str, Mapping[str, str]] = {
    "cpu": {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""},
    # JAX would take three quarters of the memory for itself, of which others want some too.
    "cuda": {"JAX_PLATFORMS": "cuda", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"},
}
"""What makes libraries use a device; which of several GPUs is the user's choice, CUDA_VISIBLE_DEVICES."""

LAST_WORDS = 200  # characters


class LostError(Exception):
    """A contender can no longer take part; the message says why, in one line."""


def clean_environment(threads: int, environ: Mapping[str, str] = os.environ, device: str = "cpu") -> dict[str, str]:
    """The environment of a contender: nothing that holds a library back, `threads` threads for all, and one device.

    Examples
    --------
    >>> made = clean_environment(2, {"OPENBLAS_CORETYPE": "Haswell", "HOME": "/home/me"})
    >>> made["HOME"], made["OPENBLAS_NUM_THREADS"], "OPENBLAS_CORETYPE" in made
    ('/home/me', '2', False)
    """
    inherited = {name: value for name, value in environ.items() if name in KEPT or not HELD_BACK.match(name)}
    eigen = "false" if threads == 1 else "true"
    return {
        **inherited,
        **dict.fromkeys(THREADS, str(threads)),
        "XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={eigen}",
        **DEVICES[device],
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
    }


def removed_variables(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Names of the variables that are set here and kept from the contenders."""
    return sorted(name for name in environ if HELD_BACK.match(name) and name not in KEPT)


def worker_command(name: str, threads: int) -> list[str]:
    """The command that serves a registered contender."""
    return [sys.executable, "-m", "ffnn.bench.worker", name, str(threads)]


class ContenderProcess:
    """A running contender, on the device "cpu" or "cuda"."""

    def __init__(self, command: Sequence[str], threads: int, device: str = "cpu") -> None:
        self._complaints = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115  open as long as the process
        # In a session of its own: Ctrl-C is for the race, which then ends its contenders.
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
            encoding="utf-8",
            env=clean_environment(threads, device=device),
            start_new_session=True,
        )
        self._answers: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        """Hand on every line, and at the end an empty one."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put("")

    def ask(self, do: str, timeout: float, **arguments: Any) -> dict[str, Any]:
        """The answer to a request; LostError where there is none within `timeout` seconds, or it is an error."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self._process.stdin.flush()
            line = self._answers.get(timeout=timeout)
            answer: dict[str, Any] = json.loads(line) if line else {"error": f"its process ended{self._last_words()}"}
        except queue.Empty:
            raise LostError(f"no answer within {timeout:g} s") from None
        except OSError:
            raise LostError(f"its process ended{self._last_words()}") from None
        except ValueError:
            raise LostError(f"its answer is no JSON: {line[:LAST_WORDS]!r}") from None
        if "error" in answer:
            raise LostError(answer["error"][:LAST_WORDS])
        return answer

    def close(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout, self._complaints):
            assert stream is not None
            try:
                stream.close()
            except BrokenPipeError:  # a request that was never read
                continue

    def _last_words(self) -> str:
        """How it ended and the last line it wrote to standard error."""
        code = self._process.wait()
        self._complaints.seek(0)
        lines = self._complaints.read().split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f" with code {code}" + (f": {last}" if last else "")
