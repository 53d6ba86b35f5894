"""A warm process, which has imported all that a trial needs, and forks itself for each: the sweep's side, and its own.

A fresh `ffnn train` spends most of a short trial on imports. Python's own fork server would do without them too, but a
trial would not survive it, nor get a session, an environment and a guard of its own.

It must stay a process of one thread, as no other can be forked: nothing that is imported here may start a second.
"""

import atexit
import gc
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from runpy import run_module

from ffnn.sweep.command import STACK, words_of_stack, words_of_train
from ffnn.sweep.guard import LIFELINE, Link, guard

WARM_SECONDS = 60.0
"""For the imports, at the beginning of a sweep; later nobody waits for them."""
FORK_SECONDS = 10.0
"""For a fork, which takes a hundredth of a second; a server that takes longer is given up."""
END_SECONDS = 2.0
"""For its end, when nothing more is asked of it."""
READY = b"."

Directory = tempfile.TemporaryDirectory[str]


class ForkServer:
    """Forks trials from a warm process, which it starts, and starts again when that dies.

    Trials do not depend on it once they run. It cannot be had everywhere: where fork is unsafe or absent, and when the
    warm process never comes up, `fork` starts nothing. `environ` is that of the warm process, which libraries read when
    they are imported; with one thread for every pool, since only a process of one thread can be forked.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = {**environ}
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._warm = False
        self._begin()

    def __enter__(self) -> "ForkServer":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def wait(self) -> None:
        """Until it is warm, or will never be."""
        self._is_warm(WARM_SECONDS)

    def fork(self, argv: Sequence[str], environ: Mapping[str, str], log: int) -> Link | None:
        """Start a trial, or a stack of them, as `ffnn.sweep.guard.Fork`; None also for commands that it cannot run."""
        words = words_of_train(argv) or words_of_stack(argv)
        if words is None or not self._is_warm(0) or self._line is None:
            return None
        link = Link()
        request = json.dumps([words, dict(environ)]).encode()
        try:
            socket.send_fds(self._line, [len(request).to_bytes(8)], [*link.theirs, log])
            self._line.sendall(request)
        except OSError:
            pass  # it is dead, and so no word will come
        if link.connect(FORK_SECONDS):
            return link
        self.close()
        self._begin()
        return None

    def close(self) -> None:
        """End it, in order if it can, so that its libraries put their files away; trials that it has forked go on."""
        if self._process and self._line:
            self._line.close()
            try:
                self._process.wait(END_SECONDS if self._warm else 0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = self._line = None
        self._warm = False

    def _begin(self) -> None:
        if sys.platform != "linux":  # macOS forbids its libraries after a fork; Windows has none
            return
        self._line, theirs = socket.socketpair()
        self._line.settimeout(FORK_SECONDS)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ffnn.sweep.warm", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=self._environ,
                start_new_session=True,
                pass_fds=[theirs.fileno()],
            )

    def _is_warm(self, seconds: float) -> bool:
        if not self._warm and self._line and select.select([self._line], [], [], seconds)[0]:
            self._warm = self._line.recv(1) != b""
            if not self._warm:
                self.close()  # it could not even start, and would not the next time
        return self._warm


# -- in the warm process -------------------------------------------------------------------------


def warm_up() -> None:
    """Import all that `ffnn train` needs and load what it compiles, by training, and W&B's client besides."""
    import click  # noqa: F401 - of the command itself

    from ffnn.lab.config import make_config
    from ffnn.lab.run import train
    from ffnn.sweep import stacks  # noqa: F401 - with all that it needs
    from ffnn.tracking.wandb_client import import_all
    from ffnn.training.trainer import Callback

    with tempfile.TemporaryDirectory() as folder:
        settings = {"dataset": "digits", "epochs": 1, "batch_size": 1000, "hidden_layers": [8], "wandb": "disabled"}
        train(make_config({**settings, "runs_dir": folder}), lambda line: None, Callback())
    import_all()


def serve(line: socket.socket, inherited: Sequence[Directory]) -> None:
    """Fork a guard and its trial for each request, until the sweep closes the line or dies."""
    while True:
        head, descriptors, _, _ = socket.recv_fds(line, 8, 3)
        if not head:
            return
        request = _receive(line, int.from_bytes(head))
        if os.fork() == 0:
            line.close()
            _guard(descriptors, inherited, *json.loads(request))
        for descriptor in descriptors:
            os.close(descriptor)


def _receive(line: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        part = line.recv(size - len(received))
        if not part:
            sys.exit(0)
        received += part
    return received


def _guard(
    descriptors: Sequence[int], inherited: Sequence[Directory], words: list[str], environ: dict[str, str]
) -> None:
    lifeline, report, log = descriptors
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(lifeline, LIFELINE)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(lifeline)
    os.close(log)

    def start() -> int:
        trial = os.fork()
        if trial == 0:
            os.close(report)
            _train(inherited, words, environ)
        return trial

    guard(start, report)


def _train(inherited: Sequence[Directory], words: list[str], environ: dict[str, str]) -> None:
    """Be the trial, or the stack: what Python does for its command, the imports apart; ends in SystemExit."""
    from ffnn.sweep import stacks

    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.environ.clear()
    os.environ.update(environ)
    renew(inherited)
    Path("/proc/self/comm").write_text("ffnn train")  # which is how top and pgrep know it
    if words[0] == STACK:
        sys.argv = [str(stacks.__file__), *words[1:]]
        stacks.main()
        sys.exit()
    sys.argv[1:] = words
    sys.orig_argv = [sys.executable, "-m", "ffnn", *words]
    run_module("ffnn", run_name="__main__", alter_sys=True)


def directories() -> list[Directory]:
    """The temporary directories that this process keeps; asked for before `gc.freeze` hides them."""
    return [thing for thing in gc.get_objects() if type(thing) is tempfile.TemporaryDirectory]


def renew(inherited: Sequence[Directory]) -> None:
    """Give a forked process its own of what libraries bind to the process that imports them.

    A temporary directory made at import would be removed by the first child that ends, though the others use it; a
    random state seeded then would draw the same numbers in all. Locks need nothing, because a process of one thread
    holds none when it forks; Python's and W&B's own random states, logging, joblib and filelock look after themselves,
    and Matplotlib closes its fonts.
    """
    import numpy as np

    tempfile.tempdir = None  # TMPDIR may be another one here
    for directory in inherited:
        directory._finalizer.detach()  # type: ignore[attr-defined]
        directory.__init__()  # type: ignore[misc]  # in place, because modules hold the object
    atexit.unregister(shutil.rmtree)  # of the parent's: Matplotlib's folder where there is no home
    np.random.seed()


def main() -> None:
    """Serve the socket whose descriptor is `sys.argv[1]`.

    The process stays one of a single thread, because a fork takes along no others, only the locks they hold.
    """
    line = socket.socket(fileno=int(sys.argv[1]))
    warm_up()
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        sys.exit("trials start cold: something that was imported has started a thread")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the guards
    gc.collect()
    inherited = directories()
    gc.freeze()  # what trials share is not looked through, and so not copied, in each
    with suppress(BrokenPipeError):  # the sweep was killed meanwhile
        line.sendall(READY)
        serve(line, inherited)


if __name__ == "__main__":
    main()
