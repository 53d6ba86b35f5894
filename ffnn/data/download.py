"""Getting the files of a data set: from the first mirror that has them, checked, unpacked, then put in place.

A file appears under its final name only when it is complete and its checksum is right; what a broken
download or a killed process got waits in a folder of its own for the next one, which asks for the rest.
"""

import gzip
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ffnn.data.dataset import DataError
from ffnn.data.transfer import PoochBar, complete, is_right
from ffnn.locks import exclusive

PART = ".part"
WORK = ".download"
"""Beside the data: the folder of what is not finished and, with .lock, the file that one process at a time locks."""


@dataclass(frozen=True)
class RemoteFile:
    """A gzipped file or an archive as mirrors have it: `size` bytes to download, and their SHA-256 in hex."""

    name: str
    size: int
    sha256: str

    @property
    def unpacked(self) -> str:
        """Name of the file inside a gzipped file, whose own name ends in .gz."""
        return self.name.removesuffix(".gz")


def unpack(archive: Path, out: Path) -> None:
    """Unpack a gzipped file, NAME.gz or a part of it that is whole, as NAME in the folder `out`."""
    plain = out / archive.name.removesuffix(PART).removesuffix(".gz")
    with gzip.open(archive) as packed, plain.open("wb") as target:
        shutil.copyfileobj(packed, target, 1 << 20)


def download(
    title: str,
    files: Sequence[RemoteFile],
    mirrors: Sequence[str],
    folder: Path,
    extract: Callable[[Path, Path], None] = unpack,
    lacking: Callable[[], object] | None = None,
) -> None:
    """Download files and put what is in them into `folder`, made if need be; says so in one line on stderr.

    Gzipped files are unpacked: torchvision looks for the plain ones, and those load fastest. Files that are there
    already stay as they are. A file's name is appended to each of `mirrors`, tried in their order; `title` says in
    messages what the files are. DataError if no mirror has a file as it should be, or `folder` cannot be written to.

    Parameters
    ----------
    extract : function of two paths
        Given an archive and an empty folder, makes there the files that are wanted.
    lacking : function, for archives
        Whether something in them is wanted and not there; asked when no other process is downloading, which may have
        brought it all.
    """
    what = "the files of " if lacking else ""
    by_hand = f"put {what}{', '.join(file.name for file in files)} into {folder}"
    with _working(title, folder) as work:
        absent = [file for file in files if (lacking() if lacking else not (folder / file.unpacked).exists())]
        with _progress(title, absent, folder) as progress:
            for file in absent:
                part = _fetch_from_first(title, mirrors, file, work, progress, by_hand)
                extract(part, work / "out")
                part.unlink()
                for path in sorted((work / "out").iterdir()):
                    if not (folder / path.name).exists():
                        path.replace(folder / path.name)


@contextmanager
def _working(title: str, folder: Path) -> Iterator[Path]:
    """The work folder in `folder`, with an empty folder `out`, for one process at a time; the others wait.

    A full disk and the like are told in one line. Only unfinished downloads outlive it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        announce = partial(_announce, f"that is downloading {title} to {folder}")
        with exclusive(folder / f"{WORK}.lock", announce):
            work = folder / WORK
            out = work / "out"
            shutil.rmtree(out, ignore_errors=True)  # of a process that was killed
            out.mkdir(parents=True)
            try:
                yield work
            finally:
                shutil.rmtree(out)
                with suppress(OSError):  # not empty: a part of a file is kept
                    work.rmdir()
    except OSError as problem:
        raise DataError(
            f"cannot store {title} in {folder}: {problem.strerror or problem}; "
            "choose another folder with --data_dir or $FFNN_DATA_DIR"
        ) from problem


def _announce(what: str, who: str) -> None:
    _print(f"Waiting for {who} {what}")


def _fetch_from_first(
    title: str, mirrors: Sequence[str], file: RemoteFile, work: Path, progress: Any, by_hand: str
) -> Path:
    """The file, complete and right, in `work`: from the first mirror that can complete what is there of it."""
    part = work / f"{file.name}{PART}"
    if is_right(part, file.sha256):
        return part
    bar = PoochBar(progress, file.name)
    failures = []
    for mirror in mirrors:
        reason = complete(mirror + file.name, part, file.sha256, bar)
        if not reason:
            return part
        failures.append(f"{mirror}{file.name} ({reason})")
    raise DataError(
        f"cannot download {title}: {', '.join(failures)}; "
        f"{by_hand} by hand, or use --dataset=digits, which needs no download"
    )


@contextmanager
def _progress(title: str, files: Sequence[RemoteFile], folder: Path) -> Iterator[Any]:
    """Say what is downloaded, if anything is, and yield a progress display, which shows on a terminal only."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    if files:
        console = _print(f"Downloading {title} ({sum(file.size for file in files) / 1e6:.1f} MB) to {folder}")
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            yield progress
    else:
        yield None


def _print(line: str) -> Any:
    """Print a line to stderr; returns the console."""
    from ffnn.console import Console

    console = Console(stderr=True)
    console.print(line, soft_wrap=True, highlight=False)
    return console
