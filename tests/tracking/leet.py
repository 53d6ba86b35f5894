"""Offline runs read back with the W&B client's own reader."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any


def records(folder: Path) -> list[dict[str, Any]]:
    """What `wandb leet inspect --json` prints about the latest run under a `wandb` folder."""
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True, env=dict(os.environ))
    return [json.loads(line, parse_constant=not_finite) for line in done.stdout.splitlines()]


def not_finite(constant: str) -> float:
    raise AssertionError(f"the record of the run has {constant}")


def of_type(found: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """The records of one type, in order."""
    return [record[kind] for record in found if record["type"] == kind]


def history(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The history rows without the client's own columns."""
    rows = [record["item"] for record in of_type(found, "history")]
    return [{name: value for name, value in row.items() if not name.startswith("_")} for row in rows]


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The summary after all updates."""
    values: dict[str, Any] = {}
    for record in of_type(found, "summary"):
        values |= record.get("update", {})
    return values


@dataclass
class Recording:
    """A finished offline run.

    Attributes
    ----------
    home, path : Path
        The process's home directory, and the run directory.
    stdout, stderr : str
    """

    home: Path
    path: Path
    stdout: str
    stderr: str

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        return records(self.path / "wandb")

    def artifact(self, kind: str, alias: str = "") -> dict[str, Any]:
        """The one artifact of a type (and alias)."""
        (found,) = [
            artifact
            for artifact in of_type(self.records, "artifact")
            if artifact["type"] == kind and (not alias or alias in artifact["aliases"])
        ]
        return found

    @cached_property
    def files(self) -> dict[str, Path]:
        """Where the client keeps each file of each artifact until it is sent."""
        entries = [
            entry for artifact in of_type(self.records, "artifact") for entry in artifact["manifest"]["contents"]
        ]
        return {entry["path"]: Path(entry["local_path"]) for entry in entries}

    def table(self, name: str) -> dict[str, Any]:
        """Columns and data of a logged table, as it will be sent."""
        text = self.files[f"{name}.table.json"].read_text()
        found: dict[str, Any] = json.loads(text, parse_constant=not_finite)
        return found
