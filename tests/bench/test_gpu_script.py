"""`.ci/gpu`, run in a copy of its surroundings with stand-ins for the driver's command and for Python."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ffnn.bench import alike

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a shell's script")

DRIVER = """#!/bin/sh
case "$*" in
  -L) echo "GPU 0: Quick Card 9 (UUID: GPU-1)";;
  *name*) echo "Quick Card 9";;
  *) echo "| NVIDIA-SMI 580.1    Driver Version: 580.1    CUDA Version: 13.0 |";;
esac
"""

NO_DRIVER = """#!/bin/sh
echo "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."
exit 9
"""

NO_CARD = """#!/bin/sh
echo "No devices found."
"""

PYTHON = """#!/bin/sh
printf '%s\\n' "$*" >> "$LOG"
case "$*" in
  *"$FAILS"*) echo "this one failed"; exit 1;;
  *"-m gpu"*) for word in "$@"; do case "$word" in --junitxml=*) echo "$TESTS" > "${word#--junitxml=}";; esac; done;;
esac
"""


def executable(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def run(
    repository: Path, folder: Path, driver: str, fails: str = "nothing", tests: str = "<testcase/>"
) -> tuple[str, ...]:
    """Exit code, standard output and error, and what Python was asked to do."""
    executable(folder / ".ci" / "gpu", (repository / ".ci" / "gpu").read_text())
    shutil.copy(repository / "constraints.txt", folder)
    executable(folder / "bin" / "nvidia-smi", driver)
    executable(folder / ".venv" / "bin" / "python", PYTHON)
    environment = {
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "HOME": str(folder), "LOG": str(folder / "asked"),
        "FAILS": fails, "TESTS": tests,
    }  # fmt: skip
    done = subprocess.run(
        [folder / ".ci" / "gpu"], capture_output=True, text=True, timeout=300, check=False, env=environment
    )
    asked = (folder / "asked").read_text() if (folder / "asked").exists() else ""
    return str(done.returncode), done.stdout, done.stderr, asked


@pytest.mark.parametrize("driver", [NO_DRIVER, NO_CARD, "#!/nowhere/at/all\n"])
def test_without_a_gpu_there_is_one_line(repository: Path, tmp_path: Path, driver: str) -> None:
    code, output, complaints, asked = run(repository, tmp_path, driver)
    assert (code, output, asked) == ("2", "", "")
    (line,) = complaints.splitlines()
    assert line.startswith("gpu: expected a machine with an NVIDIA GPU and its driver; nvidia-smi answers: ")
    assert not (tmp_path / "runs").exists()


def test_everything_is_run_and_logged_in_a_folder_of_the_cards_name(repository: Path, tmp_path: Path) -> None:
    code, output, _, asked = run(repository, tmp_path, DRIVER)
    assert code == "0", output
    folder = tmp_path / "runs" / "gpu" / "Quick-Card-9"
    parts = ["ffnn", "cupy", "torch", "jax", "tests", "gradcheck", "agree", "digits", "race"]
    assert [line.split()[:2] for line in (folder / "parts.txt").read_text().splitlines()] == [[p, "ok"] for p in parts]
    assert output.endswith((folder / "parts.txt").read_text())
    for wanted in (
        "-m pytest -m gpu",
        "-m ffnn gradcheck --engine=cupy",
        "-m ffnn agree --engine=cupy --framework=torch",
        "-m ffnn train --dataset=digits --epochs=5 --engine=numba",
        "-m ffnn train --dataset=digits --epochs=5 --engine=cupy",
        "-m ffnn.bench.alike runs/gpu/Quick-Card-9/digits/numba runs/gpu/Quick-Card-9/digits/cupy",
        "-m ffnn bench --engine cupy --json runs/gpu/Quick-Card-9/race.json",
    ):
        assert wanted in asked
    pins = (folder / "constraints.txt").read_text()
    assert "torch==" in pins
    assert "nvidia-" not in pins


@pytest.mark.parametrize(
    ("fails", "tests", "failed"),
    [
        ("gradcheck", "<testcase/>", {"gradcheck"}),
        ("--engine=numba", "<testcase/>", {"digits"}),
        ("cupy.cuda", "<testcase/>", {"cupy"}),
        ("nothing", "<testcase><skipped/></testcase>", {"tests"}),
        ("-m ", "<testcase/>", {"ffnn", "jax", "tests", "gradcheck", "agree", "digits", "race"}),
    ],
)
def test_a_part_that_fails_stops_no_other(
    repository: Path, tmp_path: Path, fails: str, tests: str, failed: set[str]
) -> None:
    code, output, _, _ = run(repository, tmp_path, DRIVER, fails, tests)
    assert code == "1"
    table = [line.split() for line in output.splitlines()[-9:]]
    assert {part for part, verdict, *_ in table if verdict == "FAILED"} == failed
    assert len(table) == 9


def test_cupy_is_that_of_the_drivers_cuda(repository: Path, tmp_path: Path) -> None:
    *_, asked = run(repository, tmp_path, DRIVER, fails="cupy.cuda")
    assert "cupy-cuda13x[ctk]>=14" in asked
    (other := tmp_path / "other").mkdir()
    *_, asked = run(repository, other, DRIVER.replace("CUDA Version: 13.0", "CUDA UMD Version: 12.8"), "cupy.cuda")
    assert "cupy-cuda12x[ctk]>=14" in asked


def test_runs_of_two_engines_are_compared_by_their_losses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def write(engine: str, losses: list[float]) -> str:
        run = tmp_path / f"{engine}{len(list(tmp_path.iterdir()))}" / "train" / "run"
        run.mkdir(parents=True)
        (run / "config.yaml").write_text(f"engine: {engine}\n")
        lines = [json.dumps({"epoch": n, "train/loss": 2.0, "val/loss": loss}) for n, loss in enumerate(losses, 1)]
        (run / "history.jsonl").write_text("".join(f"{line}\n" for line in lines))
        return str(run.parents[1])

    def compare(one: str, other: str) -> Any:
        monkeypatch.setattr(sys, "argv", ["alike", one, other])
        with pytest.raises(SystemExit) as ended:
            alike.main()
        return ended.value.code

    first = write("numba", [1.0, 0.5])
    assert not compare(first, write("cupy", [1.0, 0.5004]))
    told = capsys.readouterr().out.splitlines()
    assert told[1].endswith("val/loss 0.500000 with numba, 0.500400 with cupy; apart by 8.0e-04")
    assert told[2] == "numba and cupy train alike: bound 0.001"
    assert compare(first, write("cupy", [1.0, 0.5006])) is True
    assert "expected two runs of as many epochs; received 2 and 1" in compare(first, write("cupy", [1.0]))
    assert "expected one run at or below it; received 4" in compare(first, str(tmp_path))
