"""A process that has imported everything a trial needs, and forks itself for each: the sweep's side.

A fresh `ffnn train` spends most of a short trial on imports. Python's own fork server would do without
them too, but a trial would not survive it, nor get a session, an environment and a guard of its own.
"""

import json
import select
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence

from ffnn.sweep.command import words_of_stack, words_of_train
from ffnn.sweep.link import Link

WARM_SECONDS = 60.0
"""For the imports, at the beginning of a sweep; later nobody waits for them."""
FORK_SECONDS = 10.0
"""For a fork, which takes a hundredth of a second; a server that takes longer is given up."""
END_SECONDS = 2.0
"""For its end, when nothing more is asked of it."""


class ForkServer:
    """Forks trials from a warm process, which it starts, and starts again when that dies.

    Trials do not depend on it once they run. It cannot be had everywhere: where fork is unsafe or
    absent, and when the warm process never comes up, `fork` starts nothing.

    Parameters
    ----------
    environ : mapping
        Of the warm process, which libraries read when they are imported; with one thread for every
        pool, since only a process of one thread can be forked.
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
        """Start a trial, or a stack of them.

        Parameters
        ----------
        argv : sequence of str
        environ : mapping
        log : int
            Descriptor that takes what it prints.

        Returns
        -------
        Link or None
            None if this is not a command that it can run, or not now.
        """
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
