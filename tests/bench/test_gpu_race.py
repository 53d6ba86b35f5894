"""The race on a GPU, as far as it can be run without one: who takes part, what is said, and the loops on a CPU."""

import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import numpy as np
import pytest
from backend.emulated import needs_compiler
from backend.stand_in import stand_in_device
from task import PLAIN, make_task
from test_contenders import DROPPED, TASKS
from test_race import bench

from ffnn.backend import create_engine
from ffnn.backend.threads import usable_cores
from ffnn.bench.arithmetic import step_flops
from ffnn.bench.card import Card, Sizes, measure
from ffnn.bench.contender import Contender
from ffnn.bench.contenders.ffnn_gpu import FFNNCuPy, FFNNCuPyStack
from ffnn.bench.contenders.ffnn_trainer import FFNNNumPy
from ffnn.bench.contenders.gpu_floor import GPUFloor, RecordedProducts
from ffnn.bench.contenders.jax_gpu import JaxGPUScan
from ffnn.bench.contenders.pytorch_gpu import (
    WARM_UP,
    PyTorchCompiledGraph,
    PyTorchGPU,
    PyTorchGPUCompiled,
    PyTorchGraph,
)
from ffnn.bench.gpu import Told, look_for_gpu
from ffnn.bench.process import clean_environment, removed_variables
from ffnn.bench.races import RACES
from ffnn.bench.work import Cell
from ffnn.commands.bench import bench as command
from ffnn.errors import FFNNError

ON_GPU = [
    "ffnn-cupy", "ffnn-cupy-x100", "pytorch-gpu", "pytorch-gpu-compile", "pytorch-gpu-graph",
    "pytorch-gpu-compile-graph", "jax-gpu-scan", "gpu-floor",
]  # fmt: skip


class EagerOnCPU(PyTorchGPU):
    device = "cpu"


class CompiledOnCPU(PyTorchGPUCompiled):
    device = "cpu"
    options: ClassVar = {}


class Unrecorded:
    """The step is warmed up as it is on a GPU, but not recorded."""

    device = "cpu"

    def _record(self, step: Callable[[], None]) -> Callable[[], None]:
        for _ in range(WARM_UP):
            self._place.zero_()
            step()
        return step


class GraphOnCPU(Unrecorded, PyTorchGraph):
    pass


class CompiledGraphOnCPU(Unrecorded, PyTorchCompiledGraph):
    options: ClassVar = {}


class ScanOnCPU(JaxGPUScan):
    device = "cpu"
    plugins: ClassVar = ("jax",)


class ProductsOnCPU(RecordedProducts):
    about = "the bare products on the CPU"
    engine = "numpy"


def losses(contender: Contender, tasks: dict[str, Any], epochs: int) -> dict[str, list[float]]:
    found = {}
    for title, task in tasks.items():
        contender.prepare(task, 1)
        found[title] = [contender.epoch() or 0.0 for _ in range(epochs)]
    return found


@pytest.mark.parametrize(
    "contender",
    [
        EagerOnCPU(),
        GraphOnCPU(),
        *(
            pytest.param(
                contender,
                marks=[pytest.mark.slow, pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")],
            )
            for contender in (CompiledOnCPU(), CompiledGraphOnCPU())
        ),
        pytest.param(ScanOnCPU(), marks=pytest.mark.slow),
    ],
    ids=lambda contender: type(contender).__name__,
)
def test_the_loops_for_a_gpu_learn_what_ffnn_learns(contender: Contender) -> None:
    if absent := contender.missing():
        pytest.skip(absent)
    expected, found = losses(FFNNNumPy(), TASKS, 4), losses(contender, {**TASKS, **DROPPED}, 4)
    for title in TASKS:
        np.testing.assert_allclose(found[title], expected[title], rtol=2e-4, atol=1e-5, err_msg=title)
    assert np.mean(found[0.0]) == pytest.approx(1.9675, abs=1e-3)
    assert np.mean(found[0.3]) == pytest.approx(2.127, abs=0.06)


def test_a_recorded_step_of_pytorch_visits_every_row_of_every_epoch() -> None:
    seen: list[list[int]] = []

    class Watched(GraphOnCPU):
        def _take_step(self, rows: Any) -> Any:
            seen.append(rows.tolist())
            return super()._take_step(rows)

    contender = Watched()
    contender.prepare(make_task(rows=40, batch_size=8), 1)
    for _ in range(2):
        seen.clear()
        contender.epoch()
        order = np.concatenate(seen).tolist()
        assert sorted(order) == list(range(40))
        assert order != list(range(40))


@pytest.mark.slow
def test_jax_draws_its_orders_on_the_device() -> None:
    """A new one for each epoch, with every row once; drawn by NumPy, it would be copied while the clock runs."""
    contender = ScanOnCPU()
    if absent := contender.missing():
        pytest.skip(absent)
    contender.prepare(make_task(rows=40, batch_size=8), 1)
    with mock.patch.object(contender, "_rng", None):
        orders = [contender._order() for _ in range(2)]
        assert contender.epoch() > 0
    assert [sorted(np.asarray(order).ravel().tolist()) for order in orders] == [list(range(40))] * 2
    assert orders[0].shape == (5, 8)
    assert orders[0].tolist() != orders[1].tolist()


def test_the_floor_does_the_products_of_a_step_and_no_others() -> None:
    floor = ProductsOnCPU()
    task = make_task()
    floor.prepare(task, 1)
    # Gradients pass on to the layer before in the step after, until all is as it stays.
    for _ in task.description.sizes:
        floor.epoch()
    flops = 0
    for a, b, out in floor.products:
        np.testing.assert_allclose(out, a @ b, rtol=1e-5)
        flops += 2 * a.shape[0] * a.shape[1] * b.shape[1]
    sizes = [task.batch_size, *task.description.sizes]
    assert flops == 2 * sizes[0] * sum((2 if n == 0 else 3) * i * o for n, (i, o) in enumerate(pairwise(sizes[1:])))
    floor.prepare(replace(task, description=Cell("784-64-10", 32).description, batch_size=32), 1)
    assert step_flops(Cell("784-64-10", 32)) == sum(
        2 * a.shape[0] * a.shape[1] * b.shape[1] for a, b, _ in floor.products
    )


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("kind", [FFNNCuPy, FFNNCuPyStack])
def test_the_cupy_contenders_train_on_the_stand_in(
    kind: type[Contender],
) -> None:
    class Few(kind):  # type: ignore[misc,valid-type]
        networks = min(kind.networks, 3)

    task = make_task(replace(PLAIN, optimizer="adam", learning_rate=0.01), rows=40, batch_size=8, alike=True)
    expected = losses(FFNNNumPy(), {"": task}, 3)
    with stand_in_device():
        np.testing.assert_allclose(losses(Few(), {"": task}, 3)[""], expected[""], rtol=1e-4)


@needs_compiler
@pytest.mark.slow
def test_floor_and_card_are_measured_on_the_stand_in() -> None:
    with stand_in_device() as device:
        floor = GPUFloor()
        floor.prepare(make_task(), 1)
        before = device.allocations, device.reads
        floor.epoch()
        # Nothing is waited for but the end.
        assert (device.allocations, device.reads) == (before[0], before[1] + 1)
        a, b, out = floor.products[0]
        np.testing.assert_allclose(out.get(), a.get() @ b.get(), rtol=1e-5)
        found = measure(create_engine("cupy", "float32"), Sizes(values=1000, side=20, kernels=7))
        assert min(found.bandwidth, found.rate, found.launch_seconds, found.waiting_launch_seconds) > 0


# -- who takes part ---------------------------------------------------------------------------------


def test_the_engine_chooses_contenders_and_cells() -> None:
    assert RACES["cupy"].contenders() == ON_GPU
    assert RACES["numba"].contenders() == [
        "ffnn-numba", "ffnn-numpy", "pytorch", "pytorch-compile", "jax-step", "jax-scan", "keras", "sklearn", "floor",
    ]  # fmt: skip
    assert RACES["cupy"].choose([], [], quick=False) == [
        Cell("784-128-64-47-sgd", 512),
        Cell("784-400-240-120-47", 512),
        *(Cell("784-64-10", batch_size) for batch_size in (32, 64, 128, 256, 512)),
    ]
    assert len(RACES["numba"].choose([], [], quick=False)) == 20
    assert RACES["numba"].choose(["784-128-64-47-sgd"], [64], quick=True) == [Cell("784-128-64-47-sgd", 64)]
    images = RACES["cupy"].images
    assert (images["784-64-10"], images["784-400-240-120-47"]) == (60_000, 814_255)


def test_a_contender_sees_its_device_and_no_other() -> None:
    choices = {
        "CUBLAS_WORKSPACE_CONFIG": ":0:0",
        "CUDA_LAUNCH_BLOCKING": "1",
        "CUPY_TF32": "1",
        "NVIDIA_TF32_OVERRIDE": "1",
    }
    around = {"CUDA_VISIBLE_DEVICES": "1", "CUDA_PATH": "/cuda", "XLA_PYTHON_CLIENT_PREALLOCATE": "true", **choices}
    on_gpu, on_cpu = clean_environment(2, around, "cuda"), clean_environment(2, around)
    assert (on_gpu["CUDA_VISIBLE_DEVICES"], on_gpu["JAX_PLATFORMS"]) == ("1", "cuda")
    assert (on_cpu["CUDA_VISIBLE_DEVICES"], on_cpu["JAX_PLATFORMS"]) == ("", "cpu")
    assert on_gpu["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
    assert not set(choices) & {*on_gpu, *on_cpu}
    assert on_gpu["CUDA_PATH"] == "/cuda"
    assert removed_variables(around) == sorted([*choices, "XLA_PYTHON_CLIENT_PREALLOCATE"])


@pytest.mark.parametrize("measured", [Card(2e12, 5e13, 1.5e-6, 4e-6), FFNNError("the card could not be measured: why")])
def test_the_race_on_a_gpu_ends_in_its_bounds(
    measured: Card | FFNNError, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure_card(engine: str, timeout: float) -> Card:
        assert (engine, timeout) == ("cupy", 900.0)
        if isinstance(measured, FFNNError):
            raise measured
        return measured

    monkeypatch.setattr("ffnn.bench.gpu.look_for_gpu", lambda: Told(True, "Quick Card 9, 8 GB"))
    monkeypatch.setattr("ffnn.bench.card.measure_card", measure_card)
    given = ["--contenders=ffnn-numpy,floor", "--network=davies", "--batch=32,64", "--repeats=1", "--images=100"]
    files = [f"--json={tmp_path / 'race.json'}", f"--markdown={tmp_path / 'race.md'}"]
    command.main(["--engine=cupy", *given, *files], standalone_mode=False)
    kept, told = json.loads((tmp_path / "race.json").read_text()), capsys.readouterr()
    assert [cell["images"] for cell in kept["cells"]] == [96, 64]
    assert kept["rules"]["threads"] == usable_cores()
    text = (tmp_path / "race.md").read_text()
    assert "GPU: Quick Card 9, 8 GB; float32 products, TF32 off; 784-128-64-47-sgd is M0" in text
    if isinstance(measured, Card):
        assert kept["card"]["rate"] == 5e13
        # 8 launches of 1.5 µs.
        assert [floor["microseconds"]["launches"] for floor in kept["floors"]] == pytest.approx([12.0, 12.0])
        assert "The floor by arithmetic" in told.out
        assert re.search(r"\| 784-64-10 \| 64 \| [\d.]+ \| 0.2 \| 0.3 \| 12.0 \| [\d.]+ \(launches\) \|", text)
    else:
        assert "could not be measured: why" in told.err
        assert "card" not in kept


# -- without a GPU ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--engine=cupy"],
            "--engine cupy: expected a GPU; received: no GPU answers (CUDA_VISIBLE_DEVICES is empty); ",
        ),
        (["--contenders=pytorch-gpu"], "none of these contenders is here: pytorch-gpu: no GPU answers "),
        (["--images=9", "--epoch_seconds=1"], "--images: expected this or --epoch_seconds"),
        (["--engine=cupy", "--network=M1"], "--network: unknown 'M1'"),
    ],
)
def test_mistakes_are_one_line_and_import_no_framework(arguments: list[str], message: str) -> None:
    result = bench(*arguments, blocked="torch jax cupy", env={**os.environ, "CUDA_VISIBLE_DEVICES": ""})
    assert (result.returncode, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert message in line


@pytest.mark.skipif(sys.platform == "win32", reason="a shell's script stands for the driver's command")
def test_the_driver_is_asked_for_the_gpu_that_would_be_used(tmp_path: Path) -> None:
    def answer(script: str, **environ: str) -> Any:
        command = tmp_path / "nvidia-smi"
        command.write_text(f"#!/bin/sh\n{script}\n")
        command.chmod(0o755)
        return look_for_gpu({"PATH": f"{tmp_path}:/bin:/usr/bin", **environ}, tmp_path / "none")

    card = 'echo "NVIDIA H1, 80 GB, 535.1, 81559 MiB"'
    assert answer(card).text == "NVIDIA H1, 80 GB, 81559 MiB, driver 535.1"
    assert answer('echo "$3, 1, 2"', CUDA_VISIBLE_DEVICES="GPU-12,0").text.startswith("--id=GPU-12")
    assert not answer(card, CUDA_VISIBLE_DEVICES="-1").found
    assert answer('echo "$*, 1, 2"', CUDA_VISIBLE_DEVICES="MIG-12").text.find("--id") < 0
    assert answer('echo "No devices were found"').text == "no GPU answers (nvidia-smi: No devices were found)"
    broken = answer('echo "Failed to initialize NVML"; exit 9')
    assert (broken.found, broken.text) == (False, "no GPU answers (nvidia-smi: Failed to initialize NVML)")


def test_without_the_drivers_command_its_file_tells(tmp_path: Path) -> None:
    file = tmp_path / "nvidia0"
    assert look_for_gpu({"PATH": str(tmp_path)}, file).text == (
        f"no GPU answers (neither nvidia-smi nor {file} is there)"
    )
    file.touch()
    assert look_for_gpu({"PATH": str(tmp_path)}, file).found
