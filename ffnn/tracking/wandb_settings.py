"""How a run is to appear in Weights & Biases, and whether it is sent there at all.

A run must never stop to ask: what cannot be sent now is recorded, and one line says so.
"""

import os
import re
import secrets
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ffnn.errors import FFNNError, nearest
from ffnn.tracking.keys import redact
from ffnn.tracking.wandb_client import CLIENT_MODES, configured

MODES = ("auto", "online", "offline", "disabled")
VARIABLES = {
    "id": "WANDB_RUN_ID", "project": "WANDB_PROJECT", "entity": "WANDB_ENTITY", "group": "WANDB_RUN_GROUP",
    "job_type": "WANDB_JOB_TYPE", "name": "WANDB_NAME", "tags": "WANDB_TAGS", "notes": "WANDB_NOTES",
}  # fmt: skip
AGENTS_OWN = ("id", "project", "entity")


@dataclass(frozen=True)
class WandbSettings:
    """How a run appears in Weights & Biases.

    Attributes
    ----------
    mode : "auto", "online", "offline" or "disabled", default "auto"
        See `resolve_mode`.
    project : str, optional
        Default: `WANDB_PROJECT`, else "ffnn".
    entity, group, name, notes : str, optional
        The name is that of the run directory unless given here or in `WANDB_NAME`.
    job_type : str, default "train"
    init_timeout : float in (0, inf), seconds
        How long the client may try to reach its server.
    finish_timeout : float in (0, inf), seconds
        The longest that `finish` waits.

    Raises
    ------
    FFNNError
        If the mode is none of the four.
    """

    mode: str = "auto"
    project: str | None = None
    entity: str | None = None
    group: str | None = None
    job_type: str | None = "train"
    name: str | None = None
    tags: tuple[str, ...] = ()
    notes: str | None = None
    init_timeout: float = 30.0
    finish_timeout: float = 60.0

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise FFNNError(
                f"wandb: expected one of {', '.join(MODES)}; received {self.mode!r}{nearest(self.mode, MODES)}"
            )

    def arguments(self, name: str) -> dict[str, Any]:
        """Who the run is, for `wandb.init`, given the name of its directory.

        What these settings say; where they are silent, what a `WANDB_` variable says (the client reads
        it); else the directory's name, and an id that begins with it and ends in random letters,
        because W&B refuses the id of a deleted run for good and overwrites a run whose id comes again.
        Under `wandb agent` its id, project and entity win, and every variable that it sets.
        """
        environ = os.environ
        legal = re.sub(r"[^A-Za-z0-9_.-]+", "-", name)[:48]
        fallback = {"id": f"{legal}-{secrets.token_hex(4)}", "project": "ffnn", "name": name}
        arguments = {key: value for key, value in fallback.items() if not environ.get(VARIABLES[key])}
        arguments |= {key: value for key in VARIABLES if (value := getattr(self, key, None))}
        if environ.get("WANDB_SWEEP_ID"):
            taken = {*AGENTS_OWN, *(key for key, variable in VARIABLES.items() if environ.get(variable))}
            arguments = {key: value for key, value in arguments.items() if key not in taken}
        variables = {key: value for key, variable in VARIABLES.items() if (value := environ.get(variable))}
        clean = {key: redact(value) for key, value in variables.items() if key not in (*AGENTS_OWN, *arguments)}
        hidden = {key: value for key, value in clean.items() if value != variables[key]}
        return {**arguments, **{key: value.split(",") if key == "tags" else value for key, value in hidden.items()}}


def resolve_mode(mode: str, folder: Path | str = "RUN/wandb") -> tuple[str, str | None]:
    """What a mode comes to here, and one line for the user when runs are recorded offline.

    "auto" is what `WANDB_MODE` or `wandb offline` says, else "online" when a key is configured, else
    "offline"; "online" without a key is "offline" too, because the client would stop and ask for one.
    No question is asked, no network is used, and "disabled" does not even import the client.

    FFNNError if `WANDB_MODE` is not a mode. `folder` is where the W&B files of the run will be, for the line; a pattern
    for several runs.

    Examples
    --------
    >>> resolve_mode("disabled")
    ('disabled', None)
    """
    wish = os.environ.get("WANDB_MODE") or "auto" if mode == "auto" else mode
    wish = CLIENT_MODES.get(wish, wish)
    if wish not in MODES:
        raise FFNNError(f"WANDB_MODE: expected one of {', '.join(MODES[1:])}; received {wish!r}{nearest(wish, MODES)}")
    why = ""
    if wish not in ("offline", "disabled"):
        saved, problem = configured()
        if wish == "auto" and saved in ("offline", "disabled"):
            wish = saved
        else:
            wish, why = ("offline", f"{problem}, ") if problem else ("online", "")
    if wish != "offline":
        return wish, None
    place = shlex.quote(str(folder))
    return wish, f"W&B: {why}recording offline; to look: wandb leet {place}; to send: wandb sync {place}"
