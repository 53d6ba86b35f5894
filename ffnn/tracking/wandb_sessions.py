"""Which W&B run a run directory is, over all the processes that work on it.

Its client cannot append to a record, and what it held back is lost when its process is killed; so a process that goes
on begins a record of its own under the same id, and `wandb sync` joins them.
"""

import json
import shutil
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ffnn.files import replacing

FILE = "sessions.json"


@dataclass(frozen=True)
class Sessions:
    """What earlier processes have told W&B.

    Attributes
    ----------
    id, project, entity : str
        Of the run; empty while unknown.
    mode : str
        "online" or "offline", of the latest process: a run that is recorded offline stays so.
    whole : list of str
        Names of the offline records that were closed.
    epochs : int
        Epochs that all processes together had told when the latest of them closed its record.
    closed : bool
        Whether it did.
    """

    id: str = ""
    project: str = ""
    entity: str = ""
    mode: str = ""
    whole: list[str] = field(default_factory=list)
    epochs: int = 0
    closed: bool = False

    @classmethod
    def load(cls, folder: Path) -> "Sessions | None":
        """Those of a run's W&B folder; None where there are none, or their file is damaged."""
        try:
            return cls(**json.loads((folder / FILE).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def save(self, folder: Path) -> None:
        """Write them down."""
        with replacing(folder / FILE) as file:
            file.write(json.dumps(asdict(self), indent=2) + "\n")

    def opened(self, mode: str, run_id: str, project: str = "", entity: str = "") -> "Sessions":
        """With a process that begins, and what it knows of the run by now."""
        return replace(
            self,
            mode=mode,
            closed=False,
            id=run_id or self.id,
            project=project or self.project,
            entity=entity or self.entity,
        )

    def ended(self, record: str, epochs: int) -> "Sessions":
        """With the latest process done and its record closed."""
        return replace(self, whole=[*self.whole, record], epochs=epochs, closed=True)

    def arguments(self) -> dict[str, Any]:
        """Who the run is, for `wandb.init`."""
        return {name: value for name in ("id", "project", "entity") if (value := getattr(self, name))}

    def recorded_epochs(self) -> int:
        """Epochs that need not be recorded again by a process that goes on offline.

        All, if W&B has them or whole records do. A record that was not closed lacks what its client held
        back. Where that one was online, nobody here knows what has arrived: the run is then recorded anew from its
        beginning, and takes the place of what is there.
        """
        return self.epochs if self.mode == "offline" or self.closed else 0

    def clear(self, folder: Path) -> None:
        """Remove offline records that were never closed: the next one repeats what is in them."""
        for record in folder.glob("offline-run-*"):
            if record.is_dir() and record.name not in self.whole:
                shutil.rmtree(record, ignore_errors=True)
