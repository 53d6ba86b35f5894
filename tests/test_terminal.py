"""What is printed on Windows: a console keeps its own streams, and a pipe that nobody reads ends no work."""

import errno
import io
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from ffnn import terminal
from ffnn.files import StorageError


@pytest.fixture
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The module as if it ran on this kind of system; nothing else sees it."""
    monkeypatch.setattr(terminal, "os", SimpleNamespace(**{**vars(os), "name": request.param}))
    return str(request.param)


class Stream(io.TextIOWrapper):
    """Says that it is a console, or none."""

    def __init__(self, path: Path, console: bool) -> None:
        super().__init__(path.open("wb"), encoding="utf-8")
        self.console = console

    def isatty(self) -> bool:
        return self.console


@pytest.mark.parametrize("system", ["nt", "posix"], indirect=True)
@pytest.mark.parametrize("console", [True, False])
def test_a_console_of_windows_keeps_its_stream(
    system: str, console: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Stream(tmp_path / "out", console) as stream:
        for name in ("stdout", "__stdout__", "stderr", "__stderr__"):
            monkeypatch.setattr(sys, name, stream)
        terminal.open_outlets()
        kept = sys.stdout is stream, sys.stderr is stream
        monkeypatch.undo()
    assert kept == (system == "nt" and console,) * 2


@pytest.mark.parametrize("system", ["nt", "posix"], indirect=True)
def test_a_closed_pipe_of_windows_is_one_that_nobody_reads(
    system: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Closed(io.FileIO):
        def write(self, data: object) -> int:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    class Outlet(terminal.Outlet, Closed):
        """Its `super()` is a pipe that was closed."""

    with Outlet(tmp_path / "out", "w") as outlet:
        if system == "nt":
            assert outlet.write(b"seven..") == 7
        else:
            with pytest.raises(StorageError, match="what is printed cannot be written"):
                outlet.write(b"seven..")
