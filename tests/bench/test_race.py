"""The race with real processes: contenders that die, hang or are absent, clean environments, and Ctrl-C."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from task import process

from ffnn.bench.process import ContenderProcess, LostError, worker_command
from ffnn.bench.race import Race, Rules
from ffnn.bench.results import CellResult
from ffnn.bench.work import Cell
from ffnn.commands.bench import bench as command

CELL = Cell("784-64-10", 32)
SHORT = Rules(repeats=2, epoch_seconds=0.001, timeout=60)

DIES = [sys.executable, "-c", "import sys; input(); sys.exit('no such kernel')"]
DIES_LATER = """
import json, sys
for number, line in enumerate(sys.stdin):
    if number == 3:
        raise SystemError("the third was one too many")
    print(json.dumps({"note": "", "seconds": 1.0, "cpu_seconds": 1.0, "loss": 1.0}), flush=True)
"""


def bench(*arguments: str, blocked: str = "", **options: object) -> subprocess.CompletedProcess[str]:
    code = f"import sys; sys.modules.update(dict.fromkeys({blocked.split()})); from ffnn.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "bench", *arguments],
        capture_output=True, text=True, timeout=300, check=False, **options,
    )  # fmt: skip


@pytest.mark.slow
def test_the_command_races_prints_and_writes(tmp_path: Path) -> None:
    names = ["ffnn-numba", "ffnn-numpy", "pytorch", "sklearn", "floor"]
    result = bench(
        "--network=784-64-10", "--batch=32", f"--contenders={','.join(names)},jax-scan", "--repeats=2",
        "--epoch_seconds=0.01", "--json=race.json", "--markdown=race.md", "--chart=race.png",
        blocked="jax jaxlib optax", cwd=tmp_path, env={**os.environ, "OPENBLAS_CORETYPE": "Prescott"},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    kept = json.loads((tmp_path / "race.json").read_text())
    (cell,) = kept["cells"]
    assert list(cell["seconds"]) == names
    assert all(len(samples) == 2 and min(samples) > 0 for samples in cell["seconds"].values())
    assert cell["images"] == 32 * cell["steps"]
    assert "left out: jax-scan: jax and jaxlib and optax not installed" in result.stdout
    assert "OPENBLAS_CORETYPE" in result.stdout
    # Numbers of the table follow from the samples.
    steps = {name: sum(samples) / 2 / cell["steps"] for name, samples in cell["seconds"].items()}
    row = (tmp_path / "race.md").read_text().splitlines()[4]
    shown = [float(text) for text in re.findall(r"[\d.]+", row)]
    ours = steps["ffnn-numba"]
    peers = [steps[name] / ours for name in ("ffnn-numpy", "pytorch", "sklearn")]
    assert shown == pytest.approx([32, 1e6 * ours, *peers, ours / steps["floor"]], abs=0.5, rel=0.01)
    assert shown[2:] == pytest.approx([*peers, ours / steps["floor"]], abs=0.006)
    # The variable that would hold NumPy back did not reach the contenders.
    cores = {pool["core"] for pool in kept["contenders"]["floor"]["blas"]}
    assert cores == {_blas_core({k: v for k, v in os.environ.items() if k != "OPENBLAS_CORETYPE"})}
    assert (tmp_path / "race.png").stat().st_size > 10_000
    # Learning goes the same way, whatever the engine.
    assert cell["losses"]["ffnn-numba"] == pytest.approx(cell["losses"]["ffnn-numpy"], rel=1e-3)


def test_a_race_that_is_cut_off_keeps_the_cells_that_are_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Race._run

    def cut_off(self: Race, cell: Cell) -> CellResult:
        if cell.batch_size == 64:
            raise KeyboardInterrupt
        return run(self, cell)

    monkeypatch.setattr(Race, "_run", cut_off)
    given = ["--contenders=ffnn-numpy,floor", "--network=davies", "--batch=32,64", "--repeats=1", "--images=100"]
    with pytest.raises(click.Abort):
        command.main([*given, f"--json={tmp_path / 'race.json'}"], standalone_mode=False)
    kept = json.loads((tmp_path / "race.json").read_text())
    assert [(cell["batch_size"], list(cell["seconds"])) for cell in kept["cells"]] == [(32, ["ffnn-numpy", "floor"])]
    assert list(kept["contenders"]) == ["ffnn-numpy", "floor"]


def test_who_fits_no_network_is_left_out_with_a_reason() -> None:
    arguments = ["--network=3072-512-256-10", "--batch=32", "--repeats=1", "--images=32"]
    result = bench(*arguments, "--contenders=sklearn,floor")
    assert result.returncode == 0, result.stderr
    assert "left out: sklearn: MLPClassifier has neither dropout nor batch normalization" in result.stdout


def _blas_core(environment: dict[str, str]) -> str:
    code = "import numpy, threadpoolctl; print(threadpoolctl.threadpool_info()[0]['architecture'])"
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return result.stdout.strip()


def test_threads_are_held_whatever_the_surroundings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    with process("floor", threads=1) as running:
        assert {pool["threads"] for pool in running.ask("describe", 60)["blas"]} == {1}


def test_contenders_that_die_cost_their_columns_only() -> None:
    broken = {"pytorch": DIES, "sklearn": [sys.executable, "-c", DIES_LATER]}
    told: list[str] = []
    names = ["pytorch", "sklearn", "floor"]
    with Race(names, SHORT, told.append, command=lambda name, n: broken.get(name) or worker_command(name, n)) as race:
        (result,) = race.run([CELL])
    assert list(result.seconds) == ["floor"]
    assert len(result.seconds["floor"]) == 2
    assert race.lost == {
        "pytorch": "its process ended with code 1: no such kernel",
        "sklearn": "its process ended with code 1: SystemError: the third was one too many",
    }
    assert told == [f"{name} is out: {reason}" for name, reason in race.lost.items()]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import sys; sys.stdin.read()", "no answer within 0.5 s"),
        ("input(); print('warning', flush=True); input()", "its answer is no JSON: 'warning"),
        ("import sys; sys.exit('no such library')", "its process ended with code 1: no such library"),
        ("import os; os.abort()", "its process ended with code -6"),
    ],
)
def test_a_contender_without_a_proper_answer_is_lost(code: str, reason: str) -> None:
    running = ContenderProcess([sys.executable, "-c", code], 1)
    # What is to be late must not be found merely slow to start, and the other way round.
    timeout = 0.5 if "within" in reason else 60
    try:
        with pytest.raises(LostError, match=reason):
            running.ask("describe", timeout)
    finally:
        running.close()


def test_an_error_of_a_framework_is_told_in_one_line() -> None:
    with process("floor") as running, pytest.raises(LostError, match=r"^FileNotFoundError: .*nowhere\.npz"):
        running.ask("prepare", 60, file="nowhere.npz")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--contenders=pytroch"], "--contenders: unknown 'pytroch'.*did you mean 'pytorch'"),
        (["--network=784-64"], "--network: unknown '784-64'"),
        (["--batch=0"], "--batch: expected whole numbers of at least 2"),
        (["--threads=4096"], "--threads: expected at most"),
        (["--json=nowhere/race.json"], "nowhere/race.json: expected a file in a folder that exists"),
        (["--dataset=digits"], "--dataset: digits has 64 pixels an image, not 784"),
        (["--contenders=jax-scan"], "none of these contenders is here: jax-scan: jax and jaxlib and optax"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], message: str, tmp_path: Path) -> None:
    result = bench(*arguments, blocked="jax jaxlib optax", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert re.search(message, line)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are found in /proc")
@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_no_contender_outlives_the_race(how: signal.Signals, code: int) -> None:
    # Whoever started the tests may have made them deaf to Ctrl-C.
    start = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from ffnn.cli import main; main()"
    options = ["bench", "--contenders=floor,ffnn-numpy", "--repeats=100000"]
    command = [sys.executable, "-c", start, *options]
    # In a session of its own, so that the signal reaches nobody else.
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as race:
        try:
            children = _wait_for(lambda: found if len(found := _children(race.pid)) == 2 else None)
            race.send_signal(how)
            _, complaints = race.communicate(timeout=300)
        finally:
            race.kill()
    assert race.returncode == code
    assert "Traceback" not in complaints
    _wait_for(lambda: not any(_alive(child) for child in children))


def _children(process_id: int) -> list[int]:
    tasks = Path(f"/proc/{process_id}/task")
    return [int(child) for file in tasks.glob("*/children") for child in file.read_text().split()]


def _alive(process_id: int) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def _wait_for(condition, seconds: float = 60.0):
    """The first true answer of `condition`, asked again and again."""
    end = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return answer
