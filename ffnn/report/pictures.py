"""Figures as a document holds them: drawn into a folder, with words for those who cannot see them.

They are drawn together when all are asked for, on several cores, and only what changed since the last time.
"""

import json
import re
import signal
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import partial
from hashlib import sha256
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from ffnn import figures
from ffnn.files import replacing
from ffnn.processes import end_with_parent
from ffnn.report.document import Figure

DRAWN = ".drawn.json"
"""By the name of each picture in the folder, a hash of what was asked for and of the files it came to."""

Drawing = partial[None]
"""A function that takes the path of a PNG and leaves an SVG beside it, and the values that it draws."""


class Pictures:
    """Figures of one folder, PNG and SVG of each; the prefix of names tells the chapters of a report apart."""

    def __init__(self, folder: Path, prefix: str = "", asked: dict[Path, Drawing] | None = None) -> None:
        self.folder, self.prefix = folder, prefix
        self.asked = {} if asked is None else asked

    def chapter(self, name: str) -> "Pictures":
        """Pictures in the same folder, drawn with these, whose names begin with this one."""
        return type(self)(self.folder, f"{self.prefix}{slug(name)}-", self.asked)

    def draw(self, name: str, draw: Drawing, alt: str, caption: str = "", photo: bool = False) -> Figure:
        """Have `finish` draw a figure, and give it as a block; `alt`, `caption` and `photo` are those of `Figure`.

        The name is that of the files, without an ending. What there is nothing to draw of must not be asked for.
        """
        png = self.folder / f"{self.prefix}{name}.png"
        self.asked[png] = draw
        return Figure(png, alt, caption, png.with_suffix(".svg"), photo)

    def finish(self, processes: int = 1) -> list[Path]:
        """Draw what was asked for, apart from what is there already; returns the PNGs of what was drawn.

        Processes beyond this one, which draws too, import the main module.
        """
        index, hand, known = self.folder / DRAWN, _hand(), {}
        with suppress(OSError, ValueError):  # without it everything is drawn again
            known = dict(json.loads(index.read_text(encoding="utf-8")))
        wishes = {png: hand + _described(draw) for png, draw in self.asked.items()}
        missing = [png for png, wish in wishes.items() if known.get(png.name) != _seal(wish, png)]
        if missing:
            _draw_all([(self.asked[png], png) for png in missing], processes)
            with replacing(index) as file:
                json.dump({png.name: _seal(wish, png) for png, wish in wishes.items()}, file, indent=0)
        return missing


def slug(text: str) -> str:
    """A name of letters, digits and dashes: exp3-optimizers-digits of "exp3 / optimizers_digits"."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "part"


def _draw_all(tasks: Sequence[tuple[Drawing, Path]], processes: int) -> None:
    others = min(processes - 1, len(tasks) // 3)  # a process is ready when this one has drawn its first
    if others < 1:
        for draw, png in tasks:
            draw(png)
        return
    # Spawned, not forked: W&B and BLAS have threads, whose locks a fork would take along. Ctrl-C reaches them all.
    with ProcessPoolExecutor(others, get_context("spawn"), _begin) as pool:
        futures = [pool.submit(draw, png) for draw, png in tasks]
        try:
            for future, (draw, png) in reversed([*zip(futures, tasks, strict=True)]):
                if future.cancel():  # no other has begun it
                    draw(png)
            for future, (draw, png) in zip(futures, tasks, strict=True):
                if not future.cancelled() and isinstance(future.exception(), BrokenProcessPool):
                    draw(png)  # its process was killed, for want of memory perhaps
                elif not future.cancelled():
                    future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()


def _hand() -> str:
    """Whose hand draws: ffnn's own figures, and the releases of what they are drawn with."""
    sources = [path.read_bytes() for path in sorted(Path(figures.__file__).parent.glob("*.py"))]
    releases = [f"{name} {version(name)}" for name in ("matplotlib", "numpy", "pillow", "typst")]
    return _hashed(*sources, *map(str.encode, releases))


def _described(draw: Drawing) -> str:
    """The function by name and the values; arrays by type, shape and a hash, other objects as they call themselves."""

    def plain(value: Any) -> Any:
        if not isinstance(value, np.ndarray | np.generic):
            return repr(value)
        return [str(value.dtype), value.shape, _hashed(value.tobytes())]

    return json.dumps([draw.func.__module__, draw.func.__qualname__, draw.args, draw.keywords], default=plain)


def _seal(wish: str, png: Path) -> str:
    files = [path.read_bytes() for path in (png, png.with_suffix(".svg")) if path.is_file()]
    return _hashed(wish.encode(), *files)


def _hashed(*parts: bytes) -> str:
    return sha256(b"".join(sha256(part).digest() for part in parts)).hexdigest()
