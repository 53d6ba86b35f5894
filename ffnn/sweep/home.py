"""A sweep's own folder remembers where its trials are kept, so that a later call cannot mix two sweeps in it.

Tables, figures and the best config are written there anew after every call, from that storage alone.
"""

import json
from pathlib import Path

from ffnn.errors import FFNNError
from ffnn.files import replacing, storing
from ffnn.sweep.postgres import SCHEMES
from ffnn.sweep.storage import public_address

FILE = "storage.json"
JOURNAL = "journal.log"
TABLE = "trials.csv"


class Home:
    """The folder `sweep` beside a sweep's runs, in their folder."""

    def __init__(self, runs: Path) -> None:
        self.runs, self.folder = runs, runs / "sweep"

    @property
    def journal(self) -> Path:
        """The journal of a sweep without `--storage`."""
        return self.folder / JOURNAL

    def choose(self, wished: str | None) -> str | Path:
        """The storage to open: the one that was asked for, or the folder's own; FFNNError if the sweep is elsewhere."""
        address, public = self._recorded(), self._public(wished or self.journal)
        if address in (None, public) or (wished and address == ""):
            return wished or self.journal
        if address == "":
            place = "in another place, which this folder does not name"
            fix = "give the same --storage=... as when the sweep began"
        elif address == JOURNAL:
            place, fix = f"in {self.journal}", "leave --storage out"
        else:
            user = " (with the user; the password from PGPASSWORD or ~/.pgpass)" if address.startswith(SCHEMES) else ""
            place, fix = f"in {address}", f"give --storage={address}{user}"
        received = f"received --storage={public_address(wished)}" if wished else "received no --storage"
        raise FFNNError(
            f"{self.runs}: the trials of this sweep are kept {place}; {received}: {fix}, or begin another sweep with "
            "--group=NAME"
        )

    def expect_nothing(self, address: str | Path) -> None:
        """FFNNError if the folder has results of a sweep that its storage has lost."""
        if (self.folder / TABLE).exists():
            raise FFNNError(
                f"{self.runs}: expected its sweep in {public_address(address)}, which does not have it any more; bring "
                "it back, or begin another sweep with --group=NAME"
            )

    def remember(self, address: str | Path) -> None:
        """Write down where the trials are kept, without user and password."""
        with storing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        with replacing(self.folder / FILE) as file:
            file.write(json.dumps({"storage": self._public(address)}) + "\n")

    def _public(self, address: str | Path) -> str:
        """What is written down; the folder's own journal by its name, so that the folder can be moved."""
        public = public_address(address)
        return JOURNAL if public == public_address(self.journal) else public

    def _recorded(self) -> str | None:
        """Where the trials are kept; "" if that is not known, None if there are none."""
        try:
            return str(json.loads((self.folder / FILE).read_text(encoding="utf-8"))["storage"])
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError) as problem:
            raise FFNNError(
                f"{self.folder / FILE}: expected where the sweep is kept; {problem}; remove the file and give the "
                "sweep's --storage"
            ) from None
        if self.journal.exists():
            return JOURNAL
        return "" if (self.folder / TABLE).exists() else None
