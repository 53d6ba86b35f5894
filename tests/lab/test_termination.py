"""A training process that is told to end finishes its step, writes down what it has, and ends as one that was told."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ffnn.lab.termination import Interruption
from ffnn.tracking import RunRecord, read_run
from ffnn.training.checkpoints import Checkpoint

TRAIN = [sys.executable, "-m", "ffnn", "train", "--dataset=digits", "--epochs=100000", "--hidden_layers=[12]"]


def started(folder: Path, *settings: str) -> subprocess.Popen[str]:
    """A process that has trained for an epoch."""
    process = subprocess.Popen(
        [*TRAIN, *settings], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert "epoch 1/" in process.stdout.readline()
    return process


def only_run(folder: Path) -> RunRecord:
    (path,) = folder.rglob("config.yaml")
    return read_run(path.parent)


def check_whole(record: RunRecord) -> None:
    """History, summary and the last checkpoint are of the same step."""
    last = Checkpoint.load(record.path / "checkpoints/last.npz")
    assert record.summary["status"] == "stopped"
    assert [line["epoch"] for line in record.history] == list(range(1, record.summary["epochs"] + 1))
    assert (last.meta["epoch"], last.meta["step"]) == (record.summary["epochs"], record.summary["steps"])
    assert int(last.optimizer["steps"]) == record.summary["steps"]
    assert not list(record.path.rglob(".*"))


@pytest.mark.posix
@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
@pytest.mark.parametrize("mode", [pytest.param("disabled", marks=pytest.mark.slow), "offline"])
def test_training_that_is_told_to_end_leaves_a_whole_run(number: signal.Signals, mode: str, tmp_path: Path) -> None:
    process = started(tmp_path, f"--wandb={mode}")
    begun = time.monotonic()
    process.send_signal(number)
    _, errors = process.communicate(timeout=300)
    took = time.monotonic() - begun
    assert process.returncode == (130 if number == signal.SIGINT else -signal.SIGTERM)
    assert number == signal.SIGINT or took < 5
    assert "Traceback" not in errors
    record = only_run(tmp_path)
    check_whole(record)
    assert f"resume with: ffnn train --resume {record.path.relative_to(tmp_path)}" in errors


@pytest.mark.posix
def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    """A step that takes for ever: the first signal waits for it, the second does not."""
    script = tmp_path / "slow.py"
    script.write_text(
        "import time\n"
        "from ffnn.lab.config import make_config\n"
        "from ffnn.lab.run import train\n"
        "from ffnn.training.trainer import Callback\n"
        "class Endless(Callback):\n"
        "    def on_step(self, trainer):\n"
        "        if trainer.step == 30:\n"
        "            print('endless', flush=True)\n"
        "            time.sleep(600)\n"
        "config = make_config({'epochs': 5, 'hidden_layers': [8], 'wandb': 'offline', 'checkpoint_every': 10})\n"
        "print(train(config, print, Endless()).summary['status'])\n"
    )
    process = subprocess.Popen([sys.executable, str(script)], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if line == "endless\n":
            break
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=300)  # far less than the step would take
    assert output.splitlines()[-1] == "stopped"
    record = only_run(tmp_path)
    assert record.summary["status"] == "stopped"
    assert Checkpoint.load(record.path / "checkpoints/last.npz").meta["step"] == 30


@pytest.mark.posix
def test_a_signal_before_training_ends_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ffnn.lab import run
    from ffnn.lab.config import make_config

    def interrupted(*_: Any) -> Any:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(run, "build", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run.train(make_config({"runs_dir": str(tmp_path / "runs")}), lambda line: None)
    assert not (tmp_path / "runs").exists()


def test_handlers_are_put_back_and_ignored_signals_stay_ignored() -> None:
    """A shell's background jobs are started with SIGINT ignored, so that Ctrl-C is not meant for them."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        terminate = signal.getsignal(signal.SIGTERM)
        with Interruption():
            assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is not terminate
        assert signal.getsignal(signal.SIGTERM) is terminate
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_leave_signals_alone() -> None:
    before, seen = signal.getsignal(signal.SIGTERM), []

    def work() -> None:
        with Interruption():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
