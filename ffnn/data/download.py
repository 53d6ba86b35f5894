"""Getting the files of a data set: from the first mirror that has them, checked, unpacked, then put in place.

A file appears under its final name only when it is complete and its checksum is right, so a broken
download, a killed process or two processes at once never leave half a file.
"""

import gzip
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ffnn.data.dataset import DataError

TIMEOUTS = (10.0, 30.0)
"""Seconds to wait for a connection, and for the next bytes."""

CHUNK = 1 << 16


@dataclass(frozen=True)
class RemoteFile:
    """A gzipped file as mirrors have it.

    Parameters
    ----------
    name : str
        Ends in .gz.
    size : int
        Bytes of the gzipped file.
    sha256 : str
        Of the gzipped file, in hex.
    """

    name: str
    size: int
    sha256: str

    @property
    def unpacked(self) -> str:
        """Name of the file inside."""
        return self.name.removesuffix(".gz")


def download(title: str, files: Sequence[RemoteFile], mirrors: Sequence[str], folder: Path) -> None:
    """Download gzipped files and put them, unpacked, into `folder`; says so in one line on stderr.

    They are unpacked because torchvision looks for the plain files, and because those load fastest.

    Parameters
    ----------
    title : str
        What the files are, for messages.
    files : sequence of RemoteFile
    mirrors : sequence of str
        Addresses that a file's name is appended to, tried in this order for each file.
    folder : Path
        Made where it does not exist.

    Raises
    ------
    DataError
        No mirror has a file as it should be, or `folder` cannot be written to.
    """
    megabytes = sum(file.size for file in files) / 1e6
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as temporary,
            _progress(f"Downloading {title} ({megabytes:.1f} MB) to {folder}") as progress,
        ):
            for file in files:
                archive, plain = Path(temporary) / file.name, Path(temporary) / file.unpacked
                failures = _fetch_from_first(mirrors, file, archive, progress)
                if not archive.exists():
                    raise DataError(f"cannot download {title}: {', '.join(failures)}; {_by_hand(files, folder)}")
                _unpack(archive, plain)
                plain.replace(folder / file.unpacked)
    except OSError as problem:
        raise DataError(
            f"cannot store {title} in {folder}: {problem.strerror or problem}; "
            "choose another folder with --data_dir or $FFNN_DATA_DIR"
        ) from problem


def _by_hand(files: Sequence[RemoteFile], folder: Path) -> str:
    names = ", ".join(file.name for file in files)
    return f"put {names} into {folder} by hand, or use --dataset=digits, which needs no download"


def _fetch_from_first(mirrors: Sequence[str], file: RemoteFile, archive: Path, progress: Any) -> list[str]:
    """Make `archive` from the first mirror that has the right file; what went wrong with those before it."""
    import pooch
    import requests

    # A proxy that compresses on its own would change the bytes that the checksum is of.
    fetch = pooch.HTTPDownloader(
        progressbar=_PoochBar(progress, file.name),
        chunk_size=CHUNK,
        timeout=TIMEOUTS,
        headers={"Accept-Encoding": "identity"},
    )
    unchecked = archive.with_suffix(".unchecked")
    failures = []
    for mirror in mirrors:
        url = mirror + file.name
        try:
            fetch(url, str(unchecked), None)
        except requests.RequestException as problem:
            failures.append(f"{url} ({_reason(problem)})")
            continue
        if pooch.file_hash(str(unchecked), alg="sha256") == file.sha256:
            unchecked.replace(archive)
            break
        failures.append(f"{url} (wrong checksum)")
    return failures


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


def _unpack(archive: Path, plain: Path) -> None:
    with gzip.open(archive) as packed, plain.open("wb") as out:
        shutil.copyfileobj(packed, out, 1 << 20)


@contextmanager
def _progress(announcement: str) -> Iterator[Any]:
    """Print the announcement and yield a progress display, which shows on a terminal only."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    console.print(announcement, soft_wrap=True, highlight=False, markup=False)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield progress


class _PoochBar:
    """One file's line of a progress display, in the form that pooch asks for."""

    def __init__(self, progress: Any, name: str) -> None:
        self._progress = progress
        self._task = progress.add_task(name, total=None)

    @property
    def total(self) -> float | None:
        """Bytes to come; setting it starts the line anew, as for the next mirror."""
        total: float | None = self._progress.tasks[self._task].total
        return total

    @total.setter
    def total(self, size: int) -> None:
        self._progress.reset(self._task, total=size)

    def update(self, count: int) -> None:
        """So many more bytes have come."""
        self._progress.advance(self._task, count)

    def reset(self) -> None:
        """Back to no bytes."""
        self._progress.reset(self._task)

    def close(self) -> None:
        """The line stays until the display ends."""
