"""The process that trials are forked from: it does once what every trial would do first.

It stays a process of one thread, because a fork takes along no others, only the locks they hold.
"""

import gc
import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from runpy import run_module
from tempfile import TemporaryDirectory

from ffnn.sweep.command import STACK
from ffnn.sweep.guard import LIFELINE, guard
from ffnn.sweep.inherited import Directory, directories, make_own

READY = b"."


def warm_up() -> None:
    """Import all that `ffnn train` needs and load what it compiles, by training, and W&B's client besides."""
    import click  # noqa: F401 - of the command itself

    from ffnn.lab.config import make_config
    from ffnn.lab.run import train
    from ffnn.sweep import stack_process  # noqa: F401 - with all that it needs
    from ffnn.tracking.wandb_client import import_all
    from ffnn.training.trainer import Callback

    with TemporaryDirectory() as folder:
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
    from ffnn.sweep import stack_process

    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.environ.clear()
    os.environ.update(environ)
    make_own(inherited)
    Path("/proc/self/comm").write_text("ffnn train")  # which is how top and pgrep know it
    if words[0] == STACK:
        sys.argv = [str(stack_process.__file__), *words[1:]]
        stack_process.main()
        sys.exit()
    sys.argv[1:] = words
    sys.orig_argv = [sys.executable, "-m", "ffnn", *words]
    run_module("ffnn", run_name="__main__", alter_sys=True)


def main() -> None:
    """Serve the socket whose descriptor is `sys.argv[1]`."""
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
