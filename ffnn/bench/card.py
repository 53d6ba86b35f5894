"""What a card does at best, measured on it through ffnn's engine: a large copy, a large product, and empty kernels.

In a process of its own, `python -m ffnn.bench.card ENGINE`, which answers with one line of JSON.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ffnn.bench.process import clean_environment
from ffnn.errors import FFNNError

TRIES = 10


@dataclass(frozen=True)
class Card:
    """What was measured.

    `bandwidth` is bytes a second of memory that is copied, where each byte is read and written; `rate` floating-point
    operations a second of a large product in float32. `launch_seconds` are those of a kernel that does next to nothing,
    among many that are recorded; `waiting_launch_seconds` the same where the host asks for each.
    """

    bandwidth: float
    rate: float
    launch_seconds: float
    waiting_launch_seconds: float

    def lines(self) -> list[str]:
        """What it comes to, in words."""
        return [
            f"measured on the card: {self.bandwidth / 1e9:.0f} GB/s (a large copy, read and written), "
            f"{self.rate / 1e12:.1f} TFLOP/s (a large product in float32), {1e6 * self.launch_seconds:.2f} µs an empty "
            f"kernel in a recording, {1e6 * self.waiting_launch_seconds:.2f} µs where each is asked for"
        ]


@dataclass(frozen=True)
class Sizes:
    """How large the measured things are: float32 `values` of the copy, the `side` of matrices, recorded `kernels`."""

    values: int = 2**26
    side: int = 6144
    kernels: int = 1000


def one_more(value: Any) -> Any:
    """value + 1."""
    return value + 1


def measure(engine: Any, sizes: Sizes) -> Card:
    """The best of several tries of each, after one that is not counted; the engine is one of float32."""
    source, target = engine.zeros((sizes.values,)), engine.zeros((sizes.values,))
    rng, square = np.random.default_rng(0), (sizes.side, sizes.side)
    # Not zeros: with them a card needs less power, and is faster than with anything that is worth multiplying.
    left, right, out = (engine.array(rng.random(square, np.float32)) for _ in range(3))
    cell, count = engine.zeros((1,), np.float64), engine.update(one_more)

    def wait() -> None:
        engine.read(cell)

    def copy() -> None:
        target[...] = source

    def kernels() -> None:
        for _ in range(sizes.kernels):
            count((cell,), (), ())

    kernels()
    recorded = engine.capture(kernels)
    copied = best_seconds(copy, wait)
    return Card(
        bandwidth=2 * source.nbytes / copied,
        rate=2 * sizes.side**3 / best_seconds(lambda: engine.matmul(left, right, out), wait),
        launch_seconds=best_seconds(lambda: recorded(1), wait) / sizes.kernels,
        waiting_launch_seconds=best_seconds(kernels, wait) / sizes.kernels,
    )


def best_seconds(work: Callable[[], Any], wait: Callable[[], None], tries: int = TRIES) -> float:
    """How long `work` takes until `wait` has seen its end: the least of `tries`, after one that is not counted."""
    seconds = []
    for _ in range(tries + 1):
        wait()
        start = time.perf_counter()
        work()
        wait()
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


def measure_card(engine: str, timeout: float, device: str = "cuda") -> Card:
    """`measure` in a process of its own; FFNNError where it does not come to an end."""
    command = [sys.executable, "-m", "ffnn.bench.card", engine]
    environment = clean_environment(1, device=device)
    try:
        answer = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        raise FFNNError(f"the card was not measured within {timeout:g} s; give it more with --timeout") from None
    if answer.returncode:
        last = (answer.stderr.strip().splitlines() or ["nothing was said"])[-1]
        raise FFNNError(f"the card could not be measured: {last}")
    return Card(**json.loads(answer.stdout.splitlines()[-1]))


def main() -> None:
    """Measure, and print."""
    from ffnn.backend import create_engine

    print(json.dumps(asdict(measure(create_engine(sys.argv[1], "float32"), Sizes()))))


if __name__ == "__main__":
    main()
