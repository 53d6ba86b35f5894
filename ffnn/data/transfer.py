"""One file from one address: what is there of it already is kept, and the server asked for the rest.

The checksum is the judge of everything: of the server, of the part that was there, of their fitting together.
"""

from pathlib import Path
from typing import Any

TIMEOUTS = (10.0, 30.0)
"""Seconds to wait for a connection, and for the next bytes."""

CHUNK = 1 << 16
"""Bytes written at a time; a broken transfer loses less than this."""


def complete(url: str, part: Path, sha256: str, bar: "PoochBar") -> str:
    """Download what `part` lacks; returns why that failed, or "" when the part is the whole file.

    A server that breaks off is asked for the rest as long as it brings more. Where a part that was there
    before cannot be the beginning of this file, as its checksum or the server says, all is asked for, once.
    """
    import requests

    out_of_range = requests.codes["range_not_satisfiable"]
    inherited = part.exists()
    while True:
        size = _size(part)
        try:
            inherited = _append_rest(url, part, bar) and inherited
            reason, useless = "wrong checksum", True
        except requests.RequestException as problem:
            reason, useless = _reason(problem), getattr(problem.response, "status_code", 0) == out_of_range
        if is_right(part, sha256):
            return ""
        if useless:
            part.unlink(missing_ok=True)
            if not inherited:
                return reason
            inherited = False
        elif _size(part) <= size:
            return reason


def _append_rest(url: str, part: Path, bar: "PoochBar") -> bool:
    """Append to `part` the bytes after those that it has; returns whether it kept those, as the server decides."""
    import pooch

    # A proxy that compresses on its own would change the bytes that the checksum is of.
    headers = {"Accept-Encoding": "identity"}
    if size := _size(part):
        headers["Range"] = f"bytes={size}-"
    try:
        with part.open("ab") as out:

            def begin(response: Any, **_: Any) -> None:
                if response.status_code == 200:  # not 206: it sends all
                    out.seek(0)
                    out.truncate()
                bar.kept = out.tell()

            fetch = pooch.HTTPDownloader(
                progressbar=bar, chunk_size=CHUNK, timeout=TIMEOUTS, headers=headers, hooks={"response": begin}
            )
            fetch(url, out, None)
    finally:
        if not _size(part):
            part.unlink(missing_ok=True)
    return bar.kept > 0


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def is_right(part: Path, sha256: str) -> bool:
    """Whether it is the whole file, by its checksum."""
    import pooch

    return part.exists() and pooch.file_hash(str(part), alg="sha256") == sha256


def _reason(problem: Exception) -> str:
    """A few words for what requests tells in paragraphs."""
    import requests

    if isinstance(problem, requests.HTTPError) and problem.response is not None:
        return f"{problem.response.status_code} {problem.response.reason}"
    words = {
        requests.Timeout: "timed out",
        requests.exceptions.ChunkedEncodingError: "broken off",
        requests.ConnectionError: "no connection",
    }
    return next((text for kind, text in words.items() if isinstance(problem, kind)), type(problem).__name__)


class PoochBar:
    """One file's line of a progress display, in the form that pooch asks for.

    `kept` bytes were there before the transfer; they count as done.
    """

    def __init__(self, progress: Any, name: str) -> None:
        self._progress = progress
        self._task = progress.add_task(name, total=None)
        self.kept = 0

    @property
    def total(self) -> float | None:
        """Bytes of the whole file; setting it to those to come starts the line anew, as for the next mirror."""
        total: float | None = self._progress.tasks[self._task].total
        return total

    @total.setter
    def total(self, size: int) -> None:
        self._progress.reset(self._task, total=self.kept + size, completed=self.kept)

    def update(self, count: int) -> None:
        """So many more bytes have come."""
        self._progress.advance(self._task, count)

    def reset(self) -> None:
        """Back to the bytes that were there before."""
        self._progress.reset(self._task, completed=self.kept)

    def close(self) -> None:
        """The line stays until the display ends."""
