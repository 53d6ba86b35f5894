"""How to send to W&B what was recorded offline: a command that works as it is pasted into a shell.

A run that was interrupted is run again under another name; its record would only stand in the way.
"""

import shlex
from collections.abc import Iterable
from pathlib import Path

from ffnn.errors import FFNNError
from ffnn.files import replacing
from ffnn.lab.sweep.hyperband import NOT_AMONG_THE_BEST
from ffnn.tracking import read_run

LIST = "offline.txt"


def send_later(folder: Path, pattern: str) -> tuple[int, str] | None:
    """How many whole records there are, and the command that sends them; None if there are none.

    A pattern of the shell names them where all that it finds are whole; else they are listed in a file.

    Parameters
    ----------
    folder : Path
    pattern : str
        Of the run directories below it, such as "*" or "trials/*/*".
    """
    runs = [path.parent for path in sorted(folder.glob(f"{pattern}/wandb"))]
    whole = [run for run in runs if has_record(run) and _is_whole(run)]
    if not whole:
        return None
    if len(whole) == len(runs):
        return len(whole), f"wandb sync {_quoted(folder)}/{pattern}/wandb"
    return len(whole), f"xargs wandb sync < {_quoted(_listed(folder, whole))}"


def has_record(run: Path) -> bool:
    """Whether W&B left something of this run to send; a folder for it alone is nothing."""
    return any(run.glob("wandb/offline-run-*/*.wandb"))


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _listed(folder: Path, runs: Iterable[Path]) -> Path:
    path = folder / LIST
    with replacing(path) as file:
        file.writelines(f"{_quoted(run / 'wandb')}\n" for run in runs)
    return path


def _is_whole(run: Path) -> bool:
    """Whether a run came to its end, or was ended by the sweep's own rule."""
    try:
        summary = read_run(run).summary
    except FFNNError:
        return False
    by_rule = summary.get("status") == "stopped" and NOT_AMONG_THE_BEST in str(summary.get("reason"))
    return by_rule or summary.get("status") in ("finished", "diverged")
