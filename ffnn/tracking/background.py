"""Work that must neither delay nor break training: done in order on one daemon thread.

The first failure ends the work, is reported once, and whatever was still waiting is forgotten.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue

Job = Callable[[], None]


class BackgroundWorker:
    """Does jobs one after another, in a thread of this name, away from the one that hands them in.

    `on_failure` is told, on the worker's thread, the exception that ended the work. So many optional jobs may wait at
    once; they are the large ones, so this bounds memory, and `left_out` counts those refused so far.

    Examples
    --------
    >>> worker = BackgroundWorker("example", print)
    >>> done = []
    >>> worker.submit(lambda: done.append("work"))
    >>> worker.close(timeout=10), done
    (True, ['work'])
    """

    def __init__(self, name: str, on_failure: Callable[[BaseException], None], optional_limit: int = 4) -> None:
        self.left_out = 0
        self._on_failure = on_failure
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._places = threading.BoundedSemaphore(optional_limit)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    @property
    def stopped(self) -> bool:
        """Whether jobs are ignored by now: after a failure, `stop` or `close`."""
        return self._stopped.is_set()

    def submit(self, job: Job) -> None:
        """Have a job done; it waits for its turn however long the queue is. Takes about a microsecond."""
        if not self.stopped:
            self._jobs.put(job)

    def submit_optional(self, prepare: Callable[[], Job]) -> None:
        """Have the job that `prepare` makes done, or leave it out if too many such jobs wait.

        `prepare` runs at once, on the caller's thread, and only if there is room: it is what copies the arrays.
        """
        if self.stopped:
            return
        if not self._places.acquire(blocking=False):
            self.left_out += 1
            return
        job = prepare()

        def run() -> None:
            try:
                job()
            finally:
                self._places.release()

        self.submit(run)

    def stop(self) -> None:
        """Do no more jobs; forget those that wait."""
        self._stopped.set()
        self._jobs.put(None)

    def close(self, timeout: float) -> bool:
        """Take no more jobs and wait until all are done; False if that took longer than `timeout` seconds."""
        self._jobs.put(None)
        self._thread.join(timeout)
        self._stopped.set()
        return not self._thread.is_alive()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None and not self.stopped:
            try:
                job()
            except (Exception, SystemExit) as error:  # whatever it is, training must not see it
                self._stopped.set()
                self._on_failure(error)
                break
        with suppress(Empty):
            while True:
                self._jobs.get_nowait()
