"""What `.ci/gpu` finds on a machine: versions, what is missing there, and whether each framework sees the card.

`python -m backend.gpu_versions`, with `tests` among the paths; exit code 1 where something that is needed is missing.
"""

import subprocess
import sys
from importlib.util import find_spec

NEEDED = (
    "numpy", "scipy", "sklearn", "threadpoolctl", "pydantic", "yaml", "click", "rich", "filelock", "matplotlib", "PIL",
    "detect_secrets", "requests", "cupy", "cuda.pathfinder", "pytest", "hypothesis",
)  # fmt: skip
"""By trainings, tests and checks; `detect_secrets` imports `requests`."""

SEEN = {
    "cupy": "import cupy; print('CuPy', cupy.__version__, 'sees', cupy.cuda.runtime.getDeviceCount(), 'GPU(s)')",
    "torch": "import torch; print('torch', torch.__version__, 'sees', torch.cuda.device_count(), 'GPU(s)')",
    "jax": "import jax; print('JAX', jax.__version__, 'sees', len(jax.devices('gpu')), 'GPU(s)')",
}
"""Each in a process of its own, as one that does not find its libraries may take others along."""

SECONDS = 9.0


def is_missing(module: str) -> bool:
    try:
        return find_spec(module) is None
    except ImportError:  # of the package around it
        return True


def main() -> None:
    print("Python", sys.version.split()[0], sys.executable)
    for name, code in SEEN.items():
        try:
            command = [sys.executable, "-c", code]
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
            works = done.returncode == 0
            words = (done.stdout if works else done.stderr).strip().splitlines() or ["it said nothing"]
            print(words[-1] if works else f"{name} does not work: {words[-1]}", flush=True)
        except subprocess.TimeoutExpired:
            print(f"{name} does not answer within {SECONDS:g} s", flush=True)
    if missing := [module for module in NEEDED if is_missing(module)]:
        sys.exit(f"missing here: {', '.join(missing)}; install them, or carry them and name their folder in PYTHONPATH")


if __name__ == "__main__":
    main()
