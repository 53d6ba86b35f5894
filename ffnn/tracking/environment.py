"""What a run was made with: versions, code, processor, BLAS, threads and the command.

Two runs that differ in speed or in the last digit usually differ here. Nothing secret is kept: a
short list of thread variables, never the environment at large.
"""

import functools
import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import ffnn
from ffnn.tracking.keys import redact, without_secrets

COMPUTING = ("numpy", "numba", "scipy", "scikit-learn")
"""Packages that a run computes with, whatever takes its steps."""
THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OMP_PROC_BIND", "OPENBLAS_NUM_THREADS", "OPENBLAS_CORETYPE", "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS", "BLIS_NUM_THREADS", "NUMBA_NUM_THREADS", "NUMBA_THREADING_LAYER",
    "NUMBA_CPU_NAME", "NPY_DISABLE_CPU_FEATURES",
)  # fmt: skip
GIT_TIMEOUT = 2.0  # seconds

# Vector instructions of an x86 CPU, from its flags in /proc/cpuinfo, least first; and the OpenBLAS cores
# that use no more than that (OpenBLAS, driver/others/dynamic.c).
INSTRUCTIONS: tuple[tuple[str, frozenset[str]], ...] = (
    ("SSE", frozenset()),
    ("AVX", frozenset({"avx"})),
    ("AVX2", frozenset({"avx2", "fma"})),
    ("AVX-512", frozenset({"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"})),
)
CORES: dict[str, tuple[str, ...]] = {
    "SSE": (
        "katmai", "coppermine", "northwood", "prescott", "banias", "atom", "core2", "penryn", "dunnington",
        "nehalem", "athlon", "opteron", "barcelona", "bobcat", "nano",
    ),
    "AVX": ("sandybridge", "bulldozer", "piledriver", "steamroller"),
    "AVX2": ("haswell", "excavator", "zen"),
}  # fmt: skip


def describe_environment() -> dict[str, Any]:
    """Everything about this process that may explain a difference between two runs, as plain values.

    The commit is that of ffnn's own files; None where they are not in a repository. Keys in the command are blotted
    out. The first time takes about 20 ms, most of it for git.
    """
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "ffnn": ffnn.__version__,
            "python": platform.python_version(),
            **versions_of((*COMPUTING, "wandb")),
        },
        **_git_state(Path(ffnn.__file__).parent),
        "platform": platform.platform(),
        "cpu": {
            "model": _cpu_info().get("model name") or platform.processor() or platform.machine(),
            "logical_cores": os.cpu_count(),
            "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        },
        "blas": _blas(),
        "thread_variables": {name: redact(os.environ[name]) for name in THREAD_VARIABLES if name in os.environ},
        "command": recorded_command(sys.orig_argv),
    }


def recorded_command(argv: Sequence[str]) -> str:
    """A command line as a run records it, keys blotted out: of each word, as quotes for a shell would hide some.

    Examples
    --------
    >>> recorded_command(["ffnn", "train", "--notes=secret='my word'", "--epochs=3"])
    "ffnn train '--notes=secret=***' --epochs=3"
    """
    return shlex.join(redact(word) for word in without_secrets(argv))


def speed_warning() -> str | None:
    """One line when `OPENBLAS_CORETYPE` names a core below what this CPU offers, else None.

    Only known where /proc/cpuinfo lists x86 flags; an unknown core name is OpenBLAS's own business.
    """
    flags = _cpu_info().get("flags", "")
    return core_warning(os.environ.get("OPENBLAS_CORETYPE", ""), flags.split())


def core_warning(core: str, cpu_flags: Iterable[str]) -> str | None:
    """The warning for a value of `OPENBLAS_CORETYPE` on a CPU with these flags.

    Examples
    --------
    >>> core_warning("Haswell", ["sse2", "avx", "avx2", "fma"])
    >>> core_warning("Sandybridge", ["sse2", "avx", "avx2", "fma"])
    'OPENBLAS_CORETYPE=Sandybridge holds NumPy to AVX on a CPU with AVX2: unset it to train faster'
    """
    flags = set(cpu_flags)
    names = [name for name, _ in INSTRUCTIONS]
    chosen = next((name for name, cores in CORES.items() if core.lower() in cores), None)
    if chosen is None or not flags:
        return None
    offered = [name for name, needed in INSTRUCTIONS if needed <= flags][-1]
    if names.index(chosen) >= names.index(offered):
        return None
    return f"OPENBLAS_CORETYPE={core} holds NumPy to {chosen} on a CPU with {offered}: unset it to train faster"


def versions_of(packages: Iterable[str]) -> dict[str, str]:
    """The versions of those packages that are installed."""
    return {name: version for name in packages if (version := _version(name))}


@functools.cache
def _version(package: str) -> str | None:
    with suppress(metadata.PackageNotFoundError):
        return metadata.version(package)
    return None


@functools.cache
def _git_state(folder: Path) -> Mapping[str, Any]:
    """Asked once a process: what is committed later is not the code that it has loaded."""
    git = shutil.which("git")
    # Files that git does not track lie in a repository by chance: a virtual environment inside it.
    if git and _git(git, folder, "ls-files", "--error-unmatch", "__init__.py") is not None:
        commit = _git(git, folder, "rev-parse", "HEAD")
        changes = _git(git, folder, "status", "--porcelain", "--", ".")
        return {"git_commit": commit, "git_dirty": None if changes is None else bool(changes)}
    return {"git_commit": None, "git_dirty": None}


def _git(git: str, folder: Path, *arguments: str) -> str | None:
    # Without optional locks, status leaves the index alone and cannot disturb another git process.
    command = [git, "--no-optional-locks", "-C", str(folder), *arguments]
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=GIT_TIMEOUT, check=True, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def _cpu_info() -> dict[str, str]:
    """Names and values of the first processor in /proc/cpuinfo; empty where there is none."""
    try:
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split("\n\n", 1)[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _blas() -> list[dict[str, Any]]:
    import numpy as np  # noqa: F401  threadpoolctl sees only libraries that are loaded
    from threadpoolctl import threadpool_info

    return [
        {
            "library": library.get("internal_api"),
            "version": library.get("version"),
            "core": library.get("architecture"),
            "threads": library.get("num_threads"),
        }
        for library in threadpool_info()
        if library.get("user_api") == "blas"
    ]
