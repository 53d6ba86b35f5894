"""The first seconds on a card: each thing that the engine needs of it, by itself, so that what fails is known by name.

`python -m backend.gpu_smoke`, with `tests` among the paths; exit code 1 where something fails.
"""

import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from backend.kernel_cases import CASES, SETTINGS, assert_agree, run_case

from ffnn.backend import create_engine
from ffnn.backend.formulas import value_itself
from ffnn.bench.contender import Contender
from ffnn.bench.contenders.ffnn_gpu import FFNNCuPyStack
from ffnn.bench.contenders.ffnn_trainer import FFNNNumPy
from ffnn.bench.work import SMALL, Cell, Task, make_task
from ffnn.data.batches import normalized_pixel

PRODUCTS = {
    ("float64", "float32"): 1e-12,
    ("float32", "float32"): 1e-5,
    ("float32", "tf32"): 3e-3,
    ("float32", "bf16"): 3e-2,
}
"""Types of arrays, precisions of products, and how far a product may be off, as a part of its largest value."""


def arrays() -> None:
    engine, values = create_engine("cupy"), np.arange(6.0).reshape(2, 3)
    array = engine.array(values)
    array[1] = 7
    np.testing.assert_array_equal(engine.host(array), [[0, 1, 2], [7, 7, 7]])
    assert engine.read(engine.zeros((1,))) == 0


def products(dtype: str, precision: str) -> None:
    engine, rng = create_engine("cupy", dtype, precision=precision), np.random.default_rng(0)
    for members in ((), (2,)):
        a, b = rng.standard_normal((*members, 32, 784)), rng.standard_normal((*members, 64, 784))
        expected = a @ b.swapaxes(-1, -2)
        out = engine.zeros(expected.shape)
        engine.matmul(engine.array(a), engine.array(b).swapaxes(-1, -2), out)
        error = np.abs(engine.host(out) - expected).max() / np.abs(expected).max()
        assert error < PRODUCTS[dtype, precision], f"off by {error:.1e}"


def kernel(kind: str) -> None:
    case = next(case for case in CASES if case.kind == kind)
    for setting in SETTINGS[1:3]:
        found, expected = (run_case(create_engine(name), case, setting) for name in ("cupy", "numpy"))
        assert_agree(found, expected, "float32", setting)


def gathering(limit: int | None) -> None:
    """From the device, or from a `HostPool`."""
    engine = create_engine("cupy", memory_limit=limit)
    images = np.random.default_rng(1).integers(0, 256, (300, 12)).astype(np.uint8)
    pool, vectors = engine.share(images), (engine.array(np.arange(12.0)), engine.array(np.ones(12)))
    for start in (0, 100, 200):
        rows, out = np.arange(start, start + 100)[::-1].copy(), engine.empty((100, 12))
        engine.gather(normalized_pixel)(out, pool, rows if limit == 0 else engine.array(rows, np.int64), vectors)
        np.testing.assert_array_equal(engine.host(out), images[rows] * np.arange(12.0, dtype=np.float32) + 1)


def recording() -> None:
    engine = create_engine("cupy")
    value, weight, out = engine.array([[1.0, 2.0]]), engine.array([[2.0, 0.0], [0.0, 3.0]]), engine.zeros((1, 2))

    def step() -> None:
        engine.matmul(value, weight, out)
        engine.elementwise(value_itself)((value,), (out,), ())

    step()
    engine.capture(step)(3)
    assert engine.host(value).tolist() == [[16.0, 162.0]]


def stack_of_two() -> None:
    """Recorded, and against NumPy's networks one by one."""

    class Two(FFNNCuPyStack):
        networks = 2

    def losses(contender: Contender, task: Task) -> list[float]:
        contender.prepare(task, 1)
        return [contender.epoch() or 0.0 for _ in range(3)]

    task = make_task(Cell(SMALL, 32), 320)
    alone = [losses(FFNNNumPy(), replace(task, seed=task.seed + number)) for number in range(2)]
    np.testing.assert_allclose(losses(Two(), task), np.mean(alone, axis=0), rtol=1e-4)


CHECKS: dict[str, tuple[Callable[..., None], tuple[Any, ...]]] = {
    "arrays": (arrays, ()),
    **{f"products of {dtype} in {precision}": (products, (dtype, precision)) for dtype, precision in PRODUCTS},
    **{f"a kernel of kind {kind}": (kernel, (kind,)) for kind in ("elementwise", "update", "columns", "rows")},
    "images on the device": (gathering, (None,)),
    "images on the host": (gathering, (0,)),
    "a recording": (recording, ()),
    "a stack of two": (stack_of_two, ()),
}


def main() -> int:
    """How many checks failed; a failure ends no other."""
    failed = 0
    for name, (check, arguments) in CHECKS.items():
        try:
            check(*arguments)
            print(f"ok      {name}", flush=True)
        except Exception as problem:
            failed += 1
            print(f"FAILED  {name}: {type(problem).__name__}: {problem}", flush=True)
            traceback.print_exc()
    return failed


if __name__ == "__main__":
    sys.exit(bool(main()))
