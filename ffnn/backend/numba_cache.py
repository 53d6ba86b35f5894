"""Compiled kernels on disk: a file for each kernel and each kind of arguments, checked before it is believed.

Numba's own cache keeps an index beside the code. A file cut short ends the process that reads it, and of two processes
that compile at once one may find the other's code under its own arguments.
"""

import functools
import hashlib
import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

import numba
from numba import types
from numba.core.caching import IndexDataCacheFile, NullCache
from numba.core.ccallback import CFunc
from numba.core.compiler import CompileResult
from numba.misc.appdirs import AppDirs

from ffnn.backend.numba_math import jit

log = logging.getLogger(__name__)

MAKERS = (
    "formula.py", "numba_blocks.py", "numba_engine.py", "numba_loops.py", "numba_math.py", "numba_program.py",
    "numba_rows.py", "numba_team.py", "numba_tuples.py", "vocabulary.py",
)  # fmt: skip
"""What kernels are made of and by, besides formulas."""


def digest_of(folder: Path) -> str:
    """A hash of the makers in a folder: what one of them changes may change every kernel."""
    return hashlib.sha256(b"".join((folder / name).read_bytes() for name in MAKERS)).hexdigest()


SOURCES = digest_of(Path(__file__).parent)


def kept(function: Any, **options: Any) -> Any:
    """Compile as `jit` does, and keep the result on disk under the function's name.

    The name must differ wherever the result does, but for what is in one of `MAKERS`.
    """
    dispatcher = jit(function, **options)
    dispatcher._cache = KernelCache(function.__name__)
    return dispatcher


def kept_callback(function: Any) -> Any:
    """Compile a function of one int64 for callers that know only its address, and keep it on disk as `kept` does."""
    callback: Any = CFunc(function, ((types.int64,), types.void), {}, {})
    callback._cache = KernelCache(function.__name__)
    callback.compile()
    return callback


@functools.cache
def place() -> Path | None:
    """The folder of compiled kernels, the first that can be written; where there is none, a line says so once."""
    chosen = numba.config.CACHE_DIR
    beside = Path(__file__).parent / "__pycache__"
    folders = [Path(chosen) / "ffnn"] if chosen else []
    folders += [beside, Path(AppDirs(appname="ffnn", appauthor=False).user_cache_dir) / "kernels"]
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError:
            continue
        return folder
    _say_once(
        "compiled kernels cannot be kept, so every process spends seconds on compiling them: expected one of "
        f"{', '.join(map(str, folders))} to be writable; set NUMBA_CACHE_DIR to a folder that is"
    )
    return None


@functools.cache
def _say_once(line: str) -> None:
    """What happens to one kernel happens to many."""
    log.warning(line)


class KernelCache(NullCache):  # type: ignore[misc]
    """What Numba asks for the compiled code of one kernel, in place of a cache of its own.

    Parameters
    ----------
    name : str
        Of the kernel.
    folder : Path, optional
        By default `place`, which is looked for when the kernel first runs.
    """

    def __init__(self, name: str, folder: Path | None = None) -> None:
        self._name, self._folder = name, folder

    @property
    def cache_path(self) -> str | None:
        folder = self._folder or place()
        return None if folder is None else str(folder)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The kernel for these arguments, or None where it is to be compiled: it is not there, or damaged."""
        target_context.refresh()
        folder = self.cache_path
        if folder is None:
            return None
        file = File(folder, self._file_name(sig, target_context.codegen()))
        try:
            data = file.load()
            return None if data is None else CompileResult._rebuild(target_context, *data)
        except Exception:  # a pickle that is no longer what it was raises anything
            log.debug("%s", file.path, exc_info=True)
            _say_once(f"{folder}: compiled kernels are damaged; they are compiled again")
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a kernel, if that is possible."""
        folder = self.cache_path
        if folder is None or data.lifted or data.library.has_dynamic_globals:
            return
        file = File(folder, self._file_name(sig, data.codegen))
        try:
            file.save(data._reduce())
        except OSError as problem:
            _say_once(f"{folder}: compiled kernels cannot be kept: {problem.strerror or problem}")

    def _file_name(self, sig: Any, codegen: Any) -> str:
        """Of everything that the machine code depends on."""
        about = (self._name, sig, codegen.magic_tuple(), numba.__version__, sys.implementation.cache_tag, SOURCES)
        return f"{self._name[:80]}-{hashlib.sha256(repr(about).encode()).hexdigest()[:24]}.nbc"


class File(IndexDataCacheFile):  # type: ignore[misc]
    """A file as Numba writes it, with a hash of its content at the end."""

    def __init__(self, folder: str, name: str) -> None:
        super().__init__(folder, name, None)
        self.name, self.path = name, Path(folder) / name

    def load(self) -> Any:
        """What `save` was given; None where there is no file, ValueError where it is damaged."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        size = hashlib.sha256().digest_size
        if hashlib.sha256(content[:-size]).digest() != content[-size:]:
            raise ValueError("its content is not what was written")
        return self._load_data(self.name)  # where another process has put its file meanwhile, that is as whole

    def save(self, data: Any) -> None:
        """Put a file in the place of the one before, if there was one, at once."""
        self._save_data(self.name, data)

    def _dump(self, obj: Any) -> bytes:
        data: bytes = super()._dump(obj)
        return data + hashlib.sha256(data).digest()
