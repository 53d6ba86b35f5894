"""What the server keeps of runs and artifacts, and the rules that these must obey.

The rules are those of the protocol, not of ffnn: a run of anybody's must pass them.
"""

import base64
import hashlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

HISTORY, EVENTS, LOG, SUMMARY = "wandb-history.jsonl", "wandb-events.jsonl", "output.log", "wandb-summary.json"


def strict_json(text: str) -> Any:
    """Parse JSON, without the NaN and Infinity that JSON does not have."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


@dataclass
class Run:
    """One run as the server knows it.

    Attributes
    ----------
    about : dict
        What `upsertBucket` said last of each of its variables: groupName, tags, jobType, sweep, ...
    config, summary : dict
    rows : list of dict
        The history.
    files : dict of str to bytes
    exit_code : int or None
        None until the run is complete.
    """

    entity: str
    project: str
    name: str
    about: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, list[str]] = field(default_factory=lambda: {HISTORY: [], EVENTS: [], LOG: []})
    files: dict[str, bytes] = field(default_factory=dict)
    exit_code: int | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines[HISTORY]]

    def own_rows(self, *names: str) -> list[dict[str, Any]]:
        """The rows that have all of `names`, without the client's own columns."""
        rows = [{key: value for key, value in row.items() if not key.startswith("_")} for row in self.rows]
        return [row for row in rows if all(name in row for name in names)]

    def update(self, variables: dict[str, Any]) -> None:
        """Take the variables of an `upsertBucket`."""
        self.about |= {name: value for name, value in variables.items() if value is not None}
        if variables.get("config") is not None:
            self.config = {name: entry["value"] for name, entry in strict_json(variables["config"]).items()}

    def stream(self, body: dict[str, Any]) -> None:
        """Take one request of the file stream: pieces of line files, each from an offset on."""
        for name, chunk in (body.get("files") or {}).items():
            if name == SUMMARY:
                self.summary = strict_json(chunk["content"][-1])
            elif name in self.lines:
                self._append(name, chunk["offset"], chunk["content"])
            else:
                self.problems.append(f"stream of an unknown file {name}")
        if body.get("complete"):
            self.exit_code = body["exitcode"]

    def _append(self, name: str, offset: int, content: list[str]) -> None:
        lines = self.lines[name]
        known = lines[offset : offset + len(content)]
        if offset > len(lines):
            self.problems.append(f"{name}: lines {len(lines)} to {offset - 1} are missing")
        elif name == HISTORY and known != content[: len(known)]:
            self.problems.append(f"{name}: lines from {offset} on were sent twice, and differ")
        lines[offset : offset + len(content)] = content

    def check(self) -> list[str]:
        """What is wrong with the run, in words; nothing if it is whole."""
        return [*self.problems, *self._wrong_rows(), *self._wrong_media()]

    def _wrong_rows(self) -> Iterator[str]:
        for place, line in enumerate(self.lines[HISTORY]):
            try:
                row = strict_json(line)
            except ValueError as error:
                yield f"row {place}: {error}"
                continue
            if row["_step"] != place:
                yield f"row {place} has step {row['_step']}"
            if not {"_timestamp", "_runtime"} <= set(row):
                yield f"row {place} has no time"

    def _wrong_media(self) -> Iterator[str]:
        for name, value in media([*self.rows, self.summary]):
            kind = value["_type"]
            if kind == "histogram":
                yield from (f"{name}: {what}" for what in wrong_histogram(value))
            elif "path" in value and "sha256" in value:
                content = self.files.get(value["path"])
                if content is None:
                    yield f"{name}: file {value['path']} did not arrive"
                elif (hashlib.sha256(content).hexdigest(), len(content)) != (value["sha256"], value["size"]):
                    yield f"{name}: file {value['path']} is not what the row says"


def media(rows: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every value that is more than a number or text, with its name."""
    for row in rows:
        for name, value in row.items():
            if isinstance(value, dict) and "_type" in value:
                yield name, value


def wrong_histogram(value: dict[str, Any]) -> Iterator[str]:
    """What is wrong with a histogram."""
    counts, edges = value["values"], value["bins"]
    if len(edges) != len(counts) + 1:
        yield f"{len(counts)} counts between {len(edges)} edges"
    if any(low >= high for low, high in itertools.pairwise(edges)):
        yield "edges do not rise"
    if any(count != int(count) or count < 0 for count in counts):
        yield "counts are not counts"


@dataclass
class Artifact:
    """One artifact version as the server knows it.

    Attributes
    ----------
    about : dict
        The input of `createArtifact`.
    manifest : dict
        Path of each file to its digest and size; known once the manifest is uploaded.
    files : dict of str to bytes
    used_by : set of str
        Names of the runs that say they use it.
    """

    id: str
    about: dict[str, Any]
    manifest: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    used_by: set[str] = field(default_factory=set)
    aliases: set[str] = field(default_factory=set)
    committed: bool = False

    @property
    def name(self) -> str:
        return str(self.about["artifactCollectionName"])

    @property
    def kind(self) -> str:
        return str(self.about["artifactTypeName"])

    @property
    def metadata(self) -> dict[str, Any]:
        return dict(json.loads(self.about.get("metadata") or "{}"))

    def is_same(self, about: dict[str, Any]) -> bool:
        """Whether the input of another `createArtifact` is about this version: same collection, same content."""
        return (about["artifactCollectionName"], about["digest"]) == (self.name, self.about["digest"])

    def check(self) -> list[str]:
        """What is wrong with the artifact, in words: the digests of files, manifest and whole must agree."""
        found = [] if self.committed else ["was never committed"]
        for path, entry in self.manifest.items():
            content = self.files.get(path)
            if content is None:
                found.append(f"file {path} did not arrive")
            elif (md5(content), len(content)) != (entry["digest"], entry["size"]):
                found.append(f"file {path} is not what the manifest says")
        lines = "".join(f"{path}:{self.manifest[path]['digest']}\n" for path in sorted(self.manifest))
        whole = hashlib.md5(b"wandb-artifact-manifest-v1\n" + lines.encode()).hexdigest()
        if whole != self.about["digest"]:
            found.append("its digest is not that of its manifest")
        return [f"artifact {self.name}: {what}" for what in found]


def md5(content: bytes) -> str:
    """A file's digest as manifests have it."""
    return base64.b64encode(hashlib.md5(content).digest()).decode()
