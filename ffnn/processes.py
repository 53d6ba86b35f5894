"""Which process is meant by a number that another process wrote down, and whether it still lives.

Numbers are given anew, to other processes, on other machines and in other containers.
"""

from pathlib import Path


def here() -> str:
    """This machine and, in containers, this process namespace: where a process number means the same."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}:{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def started(pid: int) -> str | None:
    """When a process of this machine started, in the kernel's count; None if there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in ("Z", "X") else fields[18]
