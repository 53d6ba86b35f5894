"""The background worker: order, patience, room and the end after a failure."""

import subprocess
import sys
import threading
import time

import pytest

from ffnn.tracking.background import BackgroundWorker, Job


@pytest.fixture
def problems() -> list[BaseException]:
    return []


@pytest.fixture
def worker(problems: list[BaseException]) -> BackgroundWorker:
    return BackgroundWorker("test", problems.append, optional_limit=2)


def test_jobs_are_done_in_order_on_another_thread(worker: BackgroundWorker) -> None:
    done: list[tuple[int, bool]] = []
    main = threading.main_thread()
    for number in range(1000):
        worker.submit(lambda number=number: done.append((number, threading.current_thread() is main)))
    assert worker.close(10)
    assert done == [(number, False) for number in range(1000)]


def test_submitting_never_waits(worker: BackgroundWorker) -> None:
    gate = threading.Event()
    worker.submit(lambda: gate.wait() and None)
    start = time.perf_counter()
    for _ in range(1000):
        worker.submit(gate.clear)
    assert time.perf_counter() - start < 5
    assert not worker.close(0.05)
    gate.set()
    assert worker.close(10)


def test_optional_jobs_are_prepared_only_if_there_is_room(worker: BackgroundWorker) -> None:
    gate, prepared, done = threading.Event(), [], []

    def prepare(number: int) -> Job:
        prepared.append(number)
        return lambda: done.append(number)

    worker.submit(lambda: gate.wait() and None)
    for number in range(5):
        worker.submit_optional(lambda number=number: prepare(number))
    assert prepared == [0, 1]
    gate.set()
    rest = threading.Event()
    worker.submit(rest.set)
    assert rest.wait(10)
    worker.submit_optional(lambda: prepare(5))
    assert worker.close(10)
    assert done == [0, 1, 5]
    assert worker.left_out == 3


@pytest.mark.parametrize("problem", [ValueError("x"), SystemExit(3)])
def test_the_first_failure_ends_it(
    worker: BackgroundWorker, problems: list[BaseException], problem: BaseException
) -> None:
    def fail() -> None:
        raise problem

    done: list[str] = []
    worker.submit(fail)
    worker.submit(lambda: done.append("more"))
    assert worker.close(10)
    assert worker.stopped
    worker.submit(lambda: done.append("late"))
    worker.submit_optional(lambda: done.append("later"))  # type: ignore[func-returns-value, arg-type]
    assert problems == [problem]
    assert done == []


def test_it_has_stopped_when_it_reports() -> None:
    stopped: list[bool] = []
    worker = BackgroundWorker("test", lambda error: stopped.append(worker.stopped))
    worker.submit(lambda: 1 / 0)  # type: ignore[arg-type, return-value]
    assert worker.close(10)
    assert stopped == [True]


def test_a_job_that_never_ends_does_not_keep_the_process(environ: dict[str, str]) -> None:
    code = (
        "import threading; from ffnn.tracking.background import BackgroundWorker;"
        "worker = BackgroundWorker('test', print); worker.submit(threading.Event().wait); print(worker.close(0.1))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300, check=True)
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_a_failed_optional_job_gives_its_room_back(problems: list[BaseException]) -> None:
    worker = BackgroundWorker("test", problems.append, optional_limit=1)
    for _ in range(3):
        done = threading.Event()
        worker.submit_optional(lambda: lambda: None)
        worker.submit(done.set)
        assert done.wait(10)
    assert worker.left_out == 0
    assert worker.close(10)


def test_stop_forgets_what_waits(worker: BackgroundWorker) -> None:
    done: list[int] = []

    def stop() -> None:
        worker.stop()

    gate = threading.Event()
    worker.submit(lambda: gate.wait() and None)
    worker.submit(stop)
    worker.submit(lambda: done.append(1))
    gate.set()
    assert worker.close(10)
    assert done == []
