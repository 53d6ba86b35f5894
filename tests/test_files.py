"""Files are replaced as a whole, and what fails leaves nothing behind."""

import os
from pathlib import Path

import pytest

from ffnn.errors import FFNNError
from ffnn.files import flush_file, replacing, same_file


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_another_name_of_a_file_may_be_given_twice(tmp_path: Path) -> None:
    """POSIX: renaming one name of a file to another name of it does nothing, and both stay."""
    (tmp_path / "last").write_text("new")
    (tmp_path / "previous").write_text("old")
    for _ in range(2):
        same_file(tmp_path / "last", tmp_path / "previous")
        assert (tmp_path / "previous").read_text() == "new"
        assert names(tmp_path) == ["last", "previous"]


def test_a_second_name_keeps_what_the_first_had(tmp_path: Path) -> None:
    (tmp_path / "last").write_text("first")
    same_file(tmp_path / "last", tmp_path / "best")
    with replacing(tmp_path / "last") as file:
        file.write("second")
    assert (tmp_path / "best").read_text() == "first"


def test_where_files_have_one_name_only_it_becomes_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "last").write_text("new")
    same_file(tmp_path / "last", tmp_path / "best")
    assert (tmp_path / "best").read_text() == "new"
    assert not (tmp_path / "best").samefile(tmp_path / "last")
    assert names(tmp_path) == ["best", "last"]


def test_what_cannot_be_written_is_one_line_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FFNNError, match="file/x: cannot be written: Not a directory"), replacing(tmp_path / "file/x"):
        pass


def test_processes_of_one_number_do_not_mix_what_they_write(tmp_path: Path) -> None:
    """Containers that share a folder count their processes from 1 each."""
    with replacing(tmp_path / "file") as one:
        one.write("a long text\n")
        with replacing(tmp_path / "file") as other:
            other.write("short\n")
            assert len(list(tmp_path.glob(".*.part"))) == 2  # as what the killed left is looked for
        assert (tmp_path / "file").read_text() == "short\n"
    assert (tmp_path / "file").read_text() == "a long text\n"
    assert names(tmp_path) == ["file"]


def test_what_is_written_is_on_the_disk_before_it_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rename may reach the disk before what was written: after a power cut the file would be there, and empty."""
    calls: list[str] = []
    for place, name in ((os, "fsync"), (Path, "replace")):

        def noted(*arguments: object, original: object = getattr(place, name), name: str = name) -> object:
            calls.append(name)
            return original(*arguments)  # type: ignore[operator]

        monkeypatch.setattr(place, name, noted)
    with replacing(tmp_path / "file") as file:
        file.write("new")
    assert calls == ["fsync", "replace", "fsync"]  # the last one is the folder's


def test_what_was_appended_is_flushed_where_only_writers_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows refuses to flush what was opened for reading."""
    fcntl = pytest.importorskip("fcntl")
    flushed: list[int] = []

    def flush(descriptor: int) -> None:
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(9, "Bad file descriptor")
        flushed.append(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", flush)
    (tmp_path / "log").write_text("a line\n")
    flush_file(tmp_path / "log")
    assert flushed == [(tmp_path / "log").stat().st_ino]
    assert (tmp_path / "log").read_text() == "a line\n"
