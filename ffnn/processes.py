"""Which process is meant by a number that another process wrote down, and whether it still lives.

Numbers are given anew, to other processes, on other machines and in other containers.
"""

import os
import signal
from multiprocessing import parent_process
from pathlib import Path
from threading import Thread


def here() -> str:
    """This machine and, in containers, this process namespace: where a process number means the same."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}:{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def started(pid: int) -> str | None:
    """When a process of this machine started, in the kernel's count; None if there is none that can be seen."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")  # with its name, which may be any bytes
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in ("Z", "X") else fields[18]


def lives(pid: int, start: str | None) -> bool | None:
    """Whether the process of this machine that started then still lives; None where that is hidden.

    /proc may hide the processes of other users (`hidepid`); the kernel still says that the number is somebody's.
    """
    seen = started(pid)
    if seen is None:
        try:
            os.kill(pid, 0)  # sends nothing
        except PermissionError:
            return None
        except (OSError, OverflowError):
            return False
    return seen == start


def end_with_parent() -> None:
    """Have this process of a pool end, as SIGTERM ends it, when its parent is gone, which alone gives it work."""

    def watch() -> None:
        if parent := parent_process():
            parent.join()
            os.kill(os.getpid(), signal.SIGTERM)

    Thread(target=watch, name="parent", daemon=True).start()
