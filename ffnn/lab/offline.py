"""What W&B has of the runs of a folder, and how to send what it lacks: a command to be pasted into a shell.

A run that was interrupted is run again under another name; its record would only stand in the way.
"""

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

from ffnn.errors import FFNNError
from ffnn.files import replacing
from ffnn.lab.termination import NOT_AMONG_THE_BEST
from ffnn.tracking import Delivery
from ffnn.tracking.delivery import LOST, RECORDED, UNSENT, in_words
from ffnn.tracking.run_directory import read_summary
from ffnn.words import count_of

LIST = "offline.txt"


def told_to_wandb(folder: Path, pattern: str) -> str | None:
    """How many runs W&B has whole, why not the others, and the command that sends what is only here; in a line.

    The pattern is that of the run directories below the folder, such as "trials/*/*". None where W&B was told nothing.
    """
    runs = [path.parent for path in sorted(folder.glob(f"{pattern}/wandb"))]
    deliveries = {run: delivery for run in runs if (delivery := delivery_of(run))}
    if not deliveries:
        return None
    command = _command(folder, pattern, runs, deliveries)
    if not all(delivery.whole for delivery in deliveries.values()):
        line = in_words(deliveries.values())
    else:
        reasons = dict.fromkeys(delivery.reason for delivery in deliveries.values() if delivery.reason)
        line = "; ".join([f"{count_of(len(deliveries), 'run')} {'recorded offline' if command else 'sent'}", *reasons])
    return f"{line}; to send later: {command}" if command else line


def delivery_of(run: Path) -> Delivery | None:
    """What became of a run at W&B; None if it did not come to its end, or W&B was told nothing."""
    try:
        summary = read_summary(run)
    except FFNNError:
        return None
    by_rule = summary.get("status") == "stopped" and NOT_AMONG_THE_BEST in str(summary.get("reason"))
    if not by_rule and summary.get("status") not in ("finished", "diverged"):
        return None
    return Delivery.of(summary) or (Delivery(RECORDED) if has_record(run) else None)  # none: of an earlier ffnn


def has_record(run: Path) -> bool:
    """Whether W&B left something of this run to send; a folder for it alone is nothing."""
    return any(run.glob("wandb/offline-run-*/*.wandb"))


def _command(folder: Path, pattern: str, runs: Iterable[Path], deliveries: Mapping[Path, Delivery]) -> str:
    """What sends the records that lie here; empty where there are none.

    A pattern of the shell names them where all that it finds are meant; else they are listed in a file.
    """
    unsent = [run for run, delivery in deliveries.items() if delivery.state == UNSENT]
    offline = [run for run, delivery in deliveries.items() if delivery.state not in (UNSENT, LOST) and has_record(run)]
    if unsent:  # beside an offline record may lie what is left of an attempt to reach the server: not to be sent
        records = [record for run in offline for record in sorted(run.glob("wandb/offline-run-*"))]
        return f"xargs wandb sync --include-online < {_listed(folder, [*_folders(unsent), *records])}"
    if len(offline) == len(list(runs)):
        return f"wandb sync {_quoted(folder)}/{pattern}/wandb"
    return f"xargs wandb sync < {_listed(folder, _folders(offline))}" if offline else ""


def _folders(runs: Iterable[Path]) -> list[Path]:
    return [run / "wandb" for run in runs]


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _listed(folder: Path, records: Iterable[Path]) -> str:
    path = folder / LIST
    with replacing(path) as file:
        file.writelines(f"{_quoted(record)}\n" for record in records)
    return _quoted(path)
