"""Getting the files of a data set: from the first mirror that has them, checked, unpacked, then put in place.

A file appears under its final name only when it is complete and its checksum is right, so a broken
download, a killed process or two processes at once never leave half a file.
"""

import gzip
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
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
    """A gzipped file or an archive as mirrors have it.

    Parameters
    ----------
    name : str
    size : int
        Bytes to download.
    sha256 : str
        Of those bytes, in hex.
    """

    name: str
    size: int
    sha256: str

    @property
    def unpacked(self) -> str:
        """Name of the file inside a gzipped file, whose own name ends in .gz."""
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
    by_hand = f"put {', '.join(file.name for file in files)} into {folder}"
    with _stored(title, files, folder) as (temporary, progress):
        for file in files:
            archive, plain = temporary / file.name, temporary / file.unpacked
            _fetch_from_first(title, mirrors, file, archive, progress, by_hand)
            unpack(archive, plain)
            plain.replace(folder / file.unpacked)


def download_archive(
    title: str, file: RemoteFile, mirrors: Sequence[str], folder: Path, extract: Callable[[Path, Path], None]
) -> None:
    """Download one archive and put what `extract` takes out of it into `folder`; says so in one line on stderr.

    Files that are there already stay as they are.

    Parameters
    ----------
    title : str
        What the archive is, for messages.
    file : RemoteFile
    mirrors : sequence of str
        Addresses that the file's name is appended to, tried in this order.
    folder : Path
        Made where it does not exist.
    extract : function of two paths
        Given the archive and an empty folder, makes there the files that are wanted.

    Raises
    ------
    DataError
        As for `download`.
    """
    by_hand = f"put the files of {file.name} into {folder}"
    with _stored(title, [file], folder) as (temporary, progress):
        archive, out = temporary / file.name, temporary / "out"
        _fetch_from_first(title, mirrors, file, archive, progress, by_hand)
        out.mkdir()
        extract(archive, out)
        for path in sorted(out.iterdir()):
            if not (folder / path.name).exists():
                path.replace(folder / path.name)


@contextmanager
def _stored(title: str, files: Sequence[RemoteFile], folder: Path) -> Iterator[tuple[Path, Any]]:
    """A temporary folder in `folder`, and a progress display; a full disk and the like are told in one line."""
    megabytes = sum(file.size for file in files) / 1e6
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as temporary,
            _progress(f"Downloading {title} ({megabytes:.1f} MB) to {folder}") as progress,
        ):
            yield Path(temporary), progress
    except OSError as problem:
        raise DataError(
            f"cannot store {title} in {folder}: {problem.strerror or problem}; "
            "choose another folder with --data_dir or $FFNN_DATA_DIR"
        ) from problem


def _fetch_from_first(
    title: str, mirrors: Sequence[str], file: RemoteFile, archive: Path, progress: Any, by_hand: str
) -> None:
    """Make `archive` from the first mirror that has the right file."""
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
            return
        failures.append(f"{url} (wrong checksum)")
    raise DataError(
        f"cannot download {title}: {', '.join(failures)}; "
        f"{by_hand} by hand, or use --dataset=digits, which needs no download"
    )


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


def unpack(archive: Path, plain: Path) -> None:
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
