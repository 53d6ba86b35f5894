"""Taking named files out of an archive, each into a flat folder under a name that the caller chose.

No path from the archive is ever used to write to, so nothing in it can reach out of that folder.
"""

import gzip
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ffnn.data.dataset import DataError

BLOCK = 1 << 20
"""Bytes copied at a time."""


def extract_tar(archive: Path, members: Mapping[str, str], out: Path) -> None:
    """Copy files of a gzipped tar archive into the folder `out`; `members` maps names in the archive to names there.

    DataError where a member is absent or no plain file (a link, a device), or the archive is damaged.
    """
    with _told(archive), gzip.open(archive) as stream, tarfile.open(fileobj=stream, mode="r:") as packed:
        for member in packed:
            name = members.get(member.name)
            # A link could name a file elsewhere; the data filter refuses what would leave the folder.
            if name and member.isreg() and tarfile.data_filter(member, str(out)):
                source = packed.extractfile(member)
                assert source is not None, "a plain file has contents"
                _copy(source, out / name)
        # Only at the end of the stream does gzip compare its checksum, and a tar archive ends before.
        while stream.read(BLOCK):
            pass
    _check_all(archive, members, out)


def extract_zip(archive: Path, members: Mapping[str, str], out: Path) -> None:
    """Copy files of a zip archive; as `extract_tar`."""
    with _told(archive), zipfile.ZipFile(archive) as packed:
        for member in packed.infolist():
            name = members.get(member.filename)
            if name:
                with packed.open(member) as source:
                    _copy(source, out / name)
    _check_all(archive, members, out)


def _copy(source: IO[bytes], path: Path) -> None:
    with source, path.open("wb") as target:
        shutil.copyfileobj(source, target, BLOCK)


@contextmanager
def _told(archive: Path) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, EOFError) as problem:
        raise DataError(f"{archive.name}: expected a sound archive, found damage ({problem})") from None


def _check_all(archive: Path, members: Mapping[str, str], out: Path) -> None:
    absent = [inside for inside, name in members.items() if not (out / name).is_file()]
    if absent:
        raise DataError(f"{archive.name}: expected {', '.join(absent)} as plain files in it, found none")
