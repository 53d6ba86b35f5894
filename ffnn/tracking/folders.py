"""Folders for runs: names that every system takes and that hold no key, and new folders under them.

A run made here must be found where its files are copied to, and a name stands in every record.
"""

import re
from itertools import count
from pathlib import Path

from ffnn.errors import FFNNError
from ffnn.tracking.keys import key_fault

UNSAFE = '/\\:*?"<>|'
"""What ends a folder's name, or may not be in it, on some system."""
DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(\..*)?", re.IGNORECASE)
"""Names that Windows keeps for devices, whatever follows a dot."""


def folder_name_fault(name: str) -> str:
    """Why a text cannot be the name of a folder, on any system; empty if it can.

    Examples
    --------
    >>> folder_name_fault("lr-0.1")
    ''
    >>> folder_name_fault("lr/0.1")
    'expected a name of 1 to 200 bytes that begins with no dot, ... and has none of / \\\\ : * ? " < > |; received ...'
    """
    if fault := key_fault(name):
        return fault
    well_formed = not name.startswith(".") and not name.endswith((".", " ")) and not DEVICE.fullmatch(name)
    if well_formed and all(c not in UNSAFE and c.isprintable() for c in name) and 0 < len(name.encode()) <= 200:
        return ""
    return (
        "expected a name of 1 to 200 bytes that begins with no dot, ends in no dot or space, is no device of Windows "
        f"such as CON, and has none of {' '.join(UNSAFE)}; received {name!r}"
    )


def checked_name(what: str, name: str) -> str:
    """The name, if it can be that of a folder; `what` says whose it is in the FFNNError."""
    if fault := folder_name_fault(name):
        raise FFNNError(f"{what}: {fault}")
    return name


def new_folder(parent: Path, name: str, *inner: str) -> Path:
    """Make a folder of this name, or `name-2`, `-3`, ... where that is taken, with folders in it; FFNNError if not.

    Two processes that ask for the same name at the same moment get two folders: the file system makes each once.
    """
    names = (name if number == 1 else f"{name}-{number}" for number in count(1))
    try:
        parent.mkdir(parents=True, exist_ok=True)
        folder = next(parent / free for free in names if _is_new(parent / free))
        for part in inner:
            (folder / part).mkdir()
    except OSError as problem:
        raise FFNNError(f"runs_dir: expected a folder to write to; {problem.filename}: {problem.strerror}") from problem
    return folder


def _is_new(path: Path) -> bool:
    try:
        path.mkdir()
    except FileExistsError:
        return False
    return True
