"""`.ci/gpu`, run in a copy of its surroundings with stand-ins for the driver's command and for Python."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
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
  *"$HANGS"*) exec sleep 100;;
  *"-m gpu"*) for word in "$@"; do case "$word" in --junitxml=*) echo "$TESTS" > "${word#--junitxml=}";; esac; done;;
  *gpu_versions*) echo "PYTHONPATH is $PYTHONPATH; data $FFNN_DATA_DIR; unbuffered $PYTHONUNBUFFERED";;
esac
"""

INSTALLED = ["ffnn", "cupy", "torch", "jax"]
CHECKED = [
    "versions", "smoke", "tests", "gradcheck", "agree", "card", "race-davies", "race-m1g", "race-stack", "digits",
    "replays", "contenders", "compile", "race",
]  # fmt: skip


def executable(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def run(
    repository: Path, folder: Path, *arguments: str, driver: str = DRIVER, fails: str = "what nobody asks",
    tests: str = "<testcase/>", script: Callable[[str], str] = str, **environ: str,
) -> tuple[str, ...]:  # fmt: skip
    """Exit code, standard output and error, and what Python was asked to do."""
    executable(folder / ".ci" / "gpu", script((repository / ".ci" / "gpu").read_text()))
    shutil.copy(repository / "constraints.txt", folder)
    executable(folder / "bin" / "nvidia-smi", driver)
    for python in (folder / ".venv" / "bin" / "python", folder / "bin" / "python3"):
        executable(python, PYTHON)
    environment = {
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "HOME": str(folder), "LOG": str(folder / "asked"),
        "FAILS": fails, "HANGS": "never", "TESTS": tests, **environ,
    }  # fmt: skip
    done = subprocess.run(
        [folder / ".ci" / "gpu", *arguments],
        capture_output=True, text=True, timeout=300, check=False, env=environment, cwd=folder,
    )  # fmt: skip
    asked = (folder / "asked").read_text() if (folder / "asked").exists() else ""
    return str(done.returncode), done.stdout, done.stderr, asked


def verdicts(folder: Path) -> dict[str, str]:
    lines = (folder / "parts.txt").read_text().splitlines()
    return {line.split()[0]: line[13:20].strip() for line in lines}


@pytest.mark.parametrize("driver", [NO_DRIVER, NO_CARD, "#!/nowhere/at/all\n"])
def test_without_a_gpu_there_is_one_line(repository: Path, tmp_path: Path, driver: str) -> None:
    code, output, complaints, asked = run(repository, tmp_path, driver=driver)
    assert (code, output, asked) == ("2", "", "")
    (line,) = complaints.splitlines()
    assert line.startswith("gpu: expected a machine with an NVIDIA GPU and its driver; nvidia-smi answers: ")
    assert not (tmp_path / "runs").exists()


def test_everything_is_run_and_logged_in_a_folder_of_the_cards_name(repository: Path, tmp_path: Path) -> None:
    code, output, complaints, asked = run(repository, tmp_path)
    assert (code, complaints) == ("0", ""), output
    folder = tmp_path / "runs" / "gpu" / "Quick-Card-9"
    assert verdicts(folder) == dict.fromkeys([*INSTALLED, *CHECKED], "ok")
    assert output.endswith((folder / "parts.txt").read_text())
    log = (folder / "log.txt").read_text()
    assert [line[3:] for line in log.splitlines() if line.startswith("== ")] == [*INSTALLED, *CHECKED]
    for wanted in (
        "-m gpu -W default -p no:cacheprovider",
        "tests/backend/test_cupy_engine.py tests/backend/test_cupy_training.py",
        "-m ffnn gradcheck --engine=cupy",
        "-m ffnn agree --engine=cupy --framework=torch",
        "-m ffnn.bench.card cupy",
        "--json runs/gpu/Quick-Card-9/race-davies.json --network davies --batch 32,512 --repeats 3",
        "--json runs/gpu/Quick-Card-9/race.json --markdown runs/gpu/Quick-Card-9/race.md",
    ):
        assert wanted in asked
    trained = re.findall(r"-m ffnn train --dataset=digits .*--runs_dir=(\S+) (--engine=.*)", asked)
    assert [engine for _, engine in trained] == ["--engine=numpy", "--engine=cupy", "--engine=cupy --precision=tf32"]
    numpy, cupy, tf32 = (runs for runs, _ in trained)
    assert f"-m ffnn.bench.alike {numpy} {cupy}\n" in asked
    assert f"-m ffnn.bench.alike {numpy} {tf32} 0.01\n" in asked
    # Without the pins of CUDA 12's parts; what is scratch is gone.
    assert "--constraint" in asked
    assert not any(Path(path).exists() for path in (numpy, *re.findall(r"--constraint (\S+)", asked)))
    assert sorted(path.name for path in folder.iterdir()) == [
        "compile.xml", "contenders.xml", "log.txt", "parts.txt", "tests.xml",
    ]  # fmt: skip


def test_as_it_is_nothing_is_installed_and_everything_goes_where_it_is_told(repository: Path, tmp_path: Path) -> None:
    code, output, complaints, asked = run(repository, tmp_path, "--as-is", "out", PYTHONPATH="/carried")
    assert (code, complaints) == ("0", ""), output
    assert verdicts(tmp_path / "out") == dict.fromkeys(CHECKED, "ok")
    assert "pip" not in asked.split()
    assert not (tmp_path / "runs").exists()
    # The checkout is found without being installed, and what was carried there beside it.
    told = f"PYTHONPATH is tests:{tmp_path}:/carried; data "
    assert told in (tmp_path / "out" / "log.txt").read_text()
    assert "; unbuffered 1" in output
    shutil.rmtree(tmp_path / ".venv")
    assert run(repository, tmp_path, "--as-is", str(tmp_path / "other"))[0] == "0"
    assert verdicts(tmp_path / "other") == dict.fromkeys(CHECKED, "ok")


def test_parts_can_be_chosen_and_are_added_to_what_there_is(repository: Path, tmp_path: Path) -> None:
    run(repository, tmp_path, "--as-is", "out", "smoke", fails="gpu_smoke")
    assert verdicts(tmp_path / "out") == {"smoke": "FAILED"}
    code, *_ = run(repository, tmp_path, "--as-is", "out", "smoke", "card")
    assert code == "0"
    lines = (tmp_path / "out" / "parts.txt").read_text().splitlines()
    assert [line.split()[:2] for line in lines] == [["smoke", "FAILED"], ["smoke", "ok"], ["card", "ok"]]


@pytest.mark.parametrize(
    ("fails", "tests", "failed"),
    [
        ("gradcheck", "<testcase/>", {"gradcheck"}),
        ("--engine=numpy", "<testcase/>", {"digits"}),
        ("tf32", "<testcase/>", {"digits"}),
        ("cupy.cuda", "<testcase/>", {"cupy"}),
        ("what nobody asks", "<testcase><skipped/></testcase>", {"tests", "contenders", "compile"}),
        ("-m ", "<testcase/>", {"ffnn", "jax", *CHECKED}),
    ],
)
def test_a_part_that_fails_stops_no_other(
    repository: Path, tmp_path: Path, fails: str, tests: str, failed: set[str]
) -> None:
    code, *_ = run(repository, tmp_path, "out", fails=fails, tests=tests)
    assert code == "1"
    found = verdicts(tmp_path / "out")
    assert {part for part, verdict in found.items() if verdict == "FAILED"} == failed
    assert list(found) == [*INSTALLED, *CHECKED]


def test_a_part_that_hangs_is_ended_at_its_limit_and_stops_no_other(repository: Path, tmp_path: Path) -> None:
    def hasty(script: str) -> str:
        assert "part digits 40 " in script
        return script.replace("part digits 40 ", "part digits 1 ")

    code, *_ = run(repository, tmp_path, "--as-is", "out", script=hasty, HANGS="/cupy --engine=cupy")
    assert code == "1"
    assert verdicts(tmp_path / "out") == {**dict.fromkeys(CHECKED, "ok"), "digits": "OVER"}


def test_a_part_is_not_begun_that_may_last_longer_than_there_is_time(repository: Path, tmp_path: Path) -> None:
    code, *_ = run(repository, tmp_path, "--as-is", "out", MINUTES="10")
    assert code == "0"
    assert verdicts(tmp_path / "out") == {**dict.fromkeys(CHECKED, "ok"), "race": "no time"}


def test_what_tells_most_fits_ten_minutes(repository: Path) -> None:
    """The limits of all checks together, but for torch.compile's and the whole race."""
    script = (repository / ".ci" / "gpu").read_text()
    limits = {name: int(limit) for name, limit in re.findall(r"^part (\S+) (\d+) ", script, re.MULTILINE)}
    assert list(limits) == CHECKED
    assert sum(limits.values()) - limits["compile"] - limits["race"] <= 600


@pytest.mark.slow
def test_digits_are_trained_where_half_of_the_packages_are_missing(tmp_path: Path) -> None:
    """A machine with CuPy and no index of packages has none of these, and perhaps a NumPy that Numba does not know."""
    code = """
import sys
sys.modules.update(dict.fromkeys(["numba", "wandb", "pooch", "platformdirs", "optuna", "typst"]))
from ffnn.cli import main
main()
"""
    words = ["train", "--dataset=digits", "--epochs=1", "--engine=numpy", "--wandb=disabled", f"--runs_dir={tmp_path}"]
    environment = {**os.environ, "FFNN_DATA_DIR": str(tmp_path / "data")}
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=300, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert "finished after 1 epochs" in done.stdout


def test_cupy_is_that_of_the_drivers_cuda(repository: Path, tmp_path: Path) -> None:
    *_, asked = run(repository, tmp_path, fails="cupy.cuda")
    assert "cupy-cuda13x[ctk]>=14" in asked
    (other := tmp_path / "other").mkdir()
    older = DRIVER.replace("CUDA Version: 13.0", "CUDA UMD Version: 12.8")
    *_, asked = run(repository, other, driver=older, fails="cupy.cuda")
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

    def compare(*words: str) -> Any:
        monkeypatch.setattr(sys, "argv", ["alike", *words])
        with pytest.raises(SystemExit) as ended:
            alike.main()
        return ended.value.code

    first = write("numba", [1.0, 0.5])
    assert not compare(first, write("cupy", [1.0, 0.5004]))
    told = capsys.readouterr().out.splitlines()
    assert told[1].endswith("val/loss 0.500000 with numba, 0.500400 with cupy; apart by 8.0e-04")
    assert told[2] == "numba and cupy train alike: bound 0.001"
    assert compare(first, apart := write("cupy", [1.0, 0.5006])) is True
    assert not compare(first, apart, "0.01")
    assert "expected two runs of as many epochs; received 2 and 1" in compare(first, write("cupy", [1.0]))
    assert "expected one run at or below it; received 4" in compare(first, str(tmp_path))
