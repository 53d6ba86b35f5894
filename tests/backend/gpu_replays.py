"""How long a recorded step takes on the card, by its own clock: what is left to gain where nobody asks for kernels.

`python -m backend.gpu_replays`, with `tests` among the paths. A step takes what its events say; where the host needs
longer to ask for one, that is the limit.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from ffnn.backend import cupy_engine
from ffnn.bench.contenders.ffnn_gpu import FFNNCuPy
from ffnn.bench.contenders.gpu_floor import GPUFloor
from ffnn.bench.work import PUBLISHED, Cell, make_task

CELLS = [Cell(PUBLISHED[name], size) for name, size in (("davies", 32), ("davies", 512), ("M0", 512), ("M1g", 512))]
STEPS = 101
"""Of an epoch: the last one is not recorded."""

REPEATS = 10
"""Of an epoch's recorded steps: a thousand replays in all."""


def timed(engine: Any, repeat: Callable[[int], None], rewind: Callable[[], None]) -> tuple[float, float]:
    """Microseconds of a step: by events, and until the host has asked for it."""
    stream, asked = engine._stream, 0.0
    begin, end = cupy_engine.cupy.cuda.Event(), cupy_engine.cupy.cuda.Event()
    rewind()
    repeat(STEPS - 1)
    engine.read(engine.zeros((1,)))
    begin.record(stream)
    start = time.perf_counter()
    for _ in range(REPEATS):
        rewind()
        repeat(STEPS - 1)
    asked = time.perf_counter() - start
    end.record(stream)
    end.synchronize()
    count = REPEATS * (STEPS - 1)
    return 1e3 * cupy_engine.cupy.cuda.get_elapsed_time(begin, end) / count, 1e6 * asked / count


def measure(cell: Cell) -> str:
    """A line of figures."""
    task = make_task(cell, STEPS * cell.batch_size)
    ours, floor = FFNNCuPy(), GPUFloor()
    for contender in (ours, floor):
        contender.prepare(task, 1)
        contender.epoch()
    stack = ours._trainer._stack_of_one()

    def rewind() -> None:
        stack._place[...] = 0

    step = timed(stack.engine.single, stack._step, rewind)
    products = timed(floor._engine, floor._repeat, lambda: None)
    words = "; its products alone ".join(
        f"{card:.2f} us on the card, {host:.2f} to ask" for card, host in (step, products)
    )
    return f"{cell.network} batch {cell.batch_size}: a step {words}"


def main(cells: Sequence[Cell] = CELLS) -> None:
    for cell in cells:
        print(measure(cell), flush=True)


if __name__ == "__main__":
    main()
