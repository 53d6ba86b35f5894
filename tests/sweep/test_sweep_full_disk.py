"""A disk that takes nothing ends a sweep with one line that names the file, and leaves no half of one."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sweep_files import run_sweep, write_sweep

from ffnn.errors import FFNNError
from ffnn.lab.present import present_robustness
from ffnn.lab.robustness import PERTURBATIONS
from ffnn.sweep import analysis, process
from ffnn.sweep.home import Home
from ffnn.sweep.process import TrialProcess
from ffnn.sweep.stacks import Request, StackedTrial, start_stack
from ffnn.sweep.trials import RUNNING
from ffnn.sweep.worker import start_workers
from ffnn.training.metrics import Evaluation

pytestmark = pytest.mark.posix


def begin_trial(folder: Path) -> None:
    plan = SimpleNamespace(
        folder=folder,
        metric=SimpleNamespace(name="val/loss"),
        parameters_file=lambda key: folder / f"{key}.json",
        argv=lambda *_: [],
        given=dict,
    )
    trial = SimpleNamespace(key="trial", arguments={}, status=RUNNING)
    start_workers([cast("Any", trial)], cast("Any", plan), 0, 1, None)


def ask_to_end(folder: Path) -> None:
    request = Request([], "", str(folder / "trial.stop"), "")
    StackedTrial(request, cast("TrialProcess", None)).interrupt()


def disturb(folder: Path) -> None:
    measured = SimpleNamespace(metrics={"accuracy": 1.0, "macro_f1": 1.0}, per_class=[])
    present_robustness(next(iter(PERTURBATIONS)), [0.0], [cast("Evaluation", measured)], folder)


WRITERS: dict[str, Callable[[Path], object]] = {
    "parameters": begin_trial,
    "stack": lambda folder: start_stack([], {}, folder / "stack.json"),
    "request": lambda folder: Request.beside(folder / "trial.json", []),
    "interrupt": ask_to_end,
    "log": lambda folder: TrialProcess([], {}, folder / "trial.log"),
    "home": lambda folder: Home(folder).remember("journal.log"),
    "robustness": disturb,
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_what_cannot_be_written_is_one_line(tmp_path: Path, write: Callable[[Path], object]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FFNNError, match=r"/file/.*: cannot be written: Not a directory$"):
        write(tmp_path / "file")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's full device")
@pytest.mark.parametrize(
    ("name", "write"), [("trial.json", begin_trial), ("trial.yaml", begin_trial), ("stack.json", WRITERS["stack"])]
)
def test_a_full_disk_is_one_line(tmp_path: Path, name: str, write: Callable[[Path], object]) -> None:
    (tmp_path / name).symlink_to("/dev/full")
    with pytest.raises(FFNNError, match=f"{name}: cannot be written: No space left on device$"):
        write(tmp_path)


def test_the_best_settings_are_never_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(analysis, "best_settings", lambda *_: {})
    monkeypatch.setattr(analysis, "dump_yaml", full)
    path = tmp_path / "best.yaml"
    path.write_text("of the trials before\n")
    plan = SimpleNamespace(group="g", metric=SimpleNamespace(name="val/loss"))
    trial = SimpleNamespace(key="trial", best=1.0, status="finished")
    with pytest.raises(FFNNError, match=r"best\.yaml: cannot be written: No space left"):
        analysis.write_best(cast("Any", trial), cast("Any", plan), path)
    assert path.read_text() == "of the trials before\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_process_that_does_not_start_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FFNNError, match="process cannot be started: Argument list too long"):
        TrialProcess(["x" * 10_000_000], os.environ, tmp_path / "log")
    monkeypatch.setattr(process, "START_SECONDS", 0.0)
    with pytest.raises(FFNNError, match=r"did not start within 0 s: .*fewer --workers"):
        TrialProcess(["true"], os.environ, tmp_path / "log")


def test_a_sweep_whose_folder_takes_no_file_ends_in_one_line(tmp_path: Path) -> None:
    file = write_sweep(tmp_path / "s.yaml", {"l2": {"values": [0]}})
    folder = tmp_path / "runs" / "s" / "sweep"
    folder.mkdir(parents=True)
    (folder / "trials").touch()
    result = run_sweep(file)
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1] == f"ffnn: {folder / 'trials'}: cannot be written: File exists"
    assert "Traceback" not in result.stderr
