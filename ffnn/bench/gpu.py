"""Whether a GPU answers, asked of its driver's own command: nothing heavy is imported to learn that there is none.

`nvidia-smi` knows name, driver and memory; where it is not installed, the device's file tells that there is one.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

QUERY = ("name", "driver_version", "memory.total")
PATIENCE = 30.0
"""Seconds within which a driver that is not hung answers; the first question of a day may take ten."""

REMEDY = "look with `nvidia-smi`, or race on the CPU with `ffnn bench --engine numba`"

DEVICE_FILE = Path("/dev/nvidia0")


@dataclass(frozen=True)
class Told:
    """What is known of the GPU: whether it is `found`, and in `text` name, driver and memory, or why there is none."""

    found: bool
    text: str


def look_for_gpu(environ: Mapping[str, str] = os.environ, file: Path = DEVICE_FILE) -> Told:
    """The GPU that contenders would use; `file` is the first one's.

    In `environ` CUDA_VISIBLE_DEVICES may choose one, or hide all, and PATH leads to nvidia-smi.

    Examples
    --------
    >>> look_for_gpu({"CUDA_VISIBLE_DEVICES": ""}).text
    'no GPU answers (CUDA_VISIBLE_DEVICES is empty)'
    """
    chosen = environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None and chosen.strip() in ("", "-1"):
        return Told(False, "no GPU answers (CUDA_VISIBLE_DEVICES is empty)")
    command = shutil.which("nvidia-smi", path=environ.get("PATH", ""))
    if command is None:
        if file.exists():
            return Told(True, "a GPU whose name is unknown, as nvidia-smi is not installed")
        return Told(False, f"no GPU answers (neither nvidia-smi nor {file} is there)")
    first = (chosen or "0").split(",")[0]
    question = [command, f"--query-gpu={','.join(QUERY)}", "--format=csv,noheader"]
    if not first.startswith("MIG"):  # a part of a GPU, which nvidia-smi does not know by this name
        question.append(f"--id={first}")
    try:
        answer = subprocess.run(question, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired) as problem:
        return Told(False, f"no GPU answers ({type(problem).__name__} of nvidia-smi)")
    lines = answer.stdout.strip().splitlines() or answer.stderr.strip().splitlines() or ["it said nothing"]
    if answer.returncode or lines[0].count(",") < len(QUERY) - 1:
        return Told(False, f"no GPU answers (nvidia-smi: {lines[0]})")
    name, driver, memory = (part.strip() for part in lines[0].rsplit(",", 2))
    return Told(True, f"{name}, {memory}, driver {driver}")
